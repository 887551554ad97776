// Task: a coroutine of the daemon's one thread. The only header that brings Asio in.
//
// Everything that is state lives on the io_context's thread; what blocks runs on a strand of the
// small thread pool by run_blocking() and gives back a value. There is no mutex.
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

#include "quote/base/result.h"

namespace attestd {

namespace asio = boost::asio;
using boost::system::error_code;

using Io = asio::io_context;
using Executor = Io::executor_type;
using Strand = asio::strand<asio::thread_pool::executor_type>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

template <class T>
using Task = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> use_task{};

/// Calls `work` (which returns a Result) on `strand` and gives back what it returned. What it
/// throws becomes Errc::internal.
template <class F>
Task<std::invoke_result_t<F&>> run_blocking(Strand strand, F work) {
    using R = std::invoke_result_t<F&>;
    const Executor home = co_await asio::this_coro::executor;
    const auto attempt = [&work]() -> R {
        try {
            return work();
        } catch (const std::exception& e) {
            return fail(Errc::internal, e.what());
        }
    };
    const auto start = [&](auto handler) {
        auto job = [&attempt, home, guard = asio::make_work_guard(home),
                    handler = std::move(handler)]() mutable {
            auto done = [handler = std::move(handler), result = attempt()]() mutable {
                handler(std::move(result));
            };
            asio::post(home, std::move(done));
        };
        asio::post(strand, std::move(job));
    };
    // `work`, `attempt` and `home` live in this frame, which waits for the job.
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(R)>(
        start, use_task);
}

/// Starts a coroutine that nobody waits for. What it throws is a bug of ours: it comes out of the
/// event loop's run(), and the daemon ends with a word of it, not silently without that coroutine.
inline void spawn(Io& io, Task<void> task) {
    asio::co_spawn(io, std::move(task), [](std::exception_ptr bug) {
        if (bug) std::rethrow_exception(bug);
    });
}

/// Waits until `timer` fires or is cancelled.
inline Task<void> wait_for(Timer& timer) { co_await timer.async_wait(asio::as_tuple(use_task)); }

/// Coroutines that wait for one event.
class WaitList final {
 public:
    explicit WaitList(Executor home) : home_(home) {}

    /// Returns after the next notify_all().
    Task<void> wait() {
        const auto start = [this](auto handler) { waiting_.emplace_back(std::move(handler)); };
        co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(start,
                                                                                     use_task);
    }

    /// Each waiter goes on from the event loop, not from within this call.
    void notify_all() {
        for (auto& handler : std::exchange(waiting_, {})) asio::post(home_, std::move(handler));
    }

 private:
    Executor home_;
    std::vector<asio::any_completion_handler<void()>> waiting_;
};

}  // namespace attestd
