// The bridges between the event loop and threads, and the compiler's trap with coroutines.
#include "agent/task.h"

#include <thread>

#include "tests/support/catch.h"

using namespace attestd;

namespace {

struct Run {
    Io io{1};
    asio::thread_pool pool{2};
    Strand strand{pool.get_executor()};
    ~Run() { pool.join(); }

    template <class F>
    void operator()(F task) {
        asio::co_spawn(io, task, [](std::exception_ptr e) {
            if (e) std::rethrow_exception(e);
        });
        io.run();
    }
};

}  // namespace

TEST_CASE("run_blocking: the work runs elsewhere and its value comes home", "[agent][task]") {
    Run run;
    const auto home = std::this_thread::get_id();
    std::thread::id there, back;
    Result<int> got = 0;
    const auto task = [&]() -> Task<void> {
        auto work = [&]() -> Result<int> {
            there = std::this_thread::get_id();
            return 42;
        };
        got = co_await run_blocking(run.strand, std::move(work));
        back = std::this_thread::get_id();
    };
    run(task);
    CHECK(got == 42);
    CHECK(there != home);
    CHECK(back == home);
}

TEST_CASE("run_blocking: a throw is an error and not the end", "[agent][task]") {
    Run run;
    Result<int> got = 0;
    const auto task = [&]() -> Task<void> {
        auto work = []() -> Result<int> { throw std::runtime_error("oops"); };
        got = co_await run_blocking(run.strand, std::move(work));
    };
    run(task);
    REQUIRE_ERRC(Errc::internal, got);
    CHECK(got.error().detail == "oops");
}

TEST_CASE("run_blocking: work that holds what cannot be copied is moved through once",
          "[agent][task]") {
    Run run;
    int got = 0;
    const auto task = [&]() -> Task<void> {
        auto work = [held = std::make_unique<int>(7)]() -> Result<std::unique_ptr<int>> {
            return std::make_unique<int>(*held + 1);
        };
        auto result = co_await run_blocking(run.strand, std::move(work));
        got = **result;
    };
    run(task);
    CHECK(got == 8);
}

TEST_CASE("run_blocking: jobs of one strand never overlap", "[agent][task]") {
    Run run;
    int inside = 0, most = 0, done = 0;
    const auto task = [&]() -> Task<void> {
        auto work = [&]() -> Result<int> {
            most = std::max(most, ++inside);
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            --inside;
            return 1;
        };
        static_cast<void>(co_await run_blocking(run.strand, std::move(work)));
        ++done;
    };
    for (int i = 0; i < 10; ++i) spawn(run.io, task());
    run.io.run();
    CHECK(done == 10);
    CHECK(most == 1);
}

TEST_CASE("wait list: all who wait go on, once, and a later wait waits again", "[agent][task]") {
    Io io(1);
    WaitList list(io.get_executor());
    int woken = 0;
    const auto task = [&]() -> Task<void> {
        co_await list.wait();
        ++woken;
        co_await list.wait();
        ++woken;
    };
    for (int i = 0; i < 3; ++i) spawn(io, task());
    io.poll();
    CHECK(woken == 0);
    list.notify_all();
    io.restart();
    io.poll();
    CHECK(woken == 3);
    list.notify_all();
    io.restart();
    io.poll();
    CHECK(woken == 6);
}
