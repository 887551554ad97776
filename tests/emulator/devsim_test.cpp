// The program itself: the real binary, on its real sockets, spoken to by the daemon's own client.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/http/unix_client.h"
#include "agent/platform/external.h"
#include "quote/base/encoding.h"
#include "quote/base/fd.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

extern char** environ;

namespace attestd {
namespace {

using namespace std::chrono_literals;

Deadline within(std::chrono::milliseconds patience) {
    return std::chrono::steady_clock::now() + patience;
}

/// An attestd-devsim that runs until the end of the scope.
class Devsim final {
 public:
    Devsim(const test::TempDir& folder, const char* tee) : dir_(folder.path() / "sim") {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        const Fd out(ends[0]);
        Fd in(ends[1]);
        std::string program = ATTESTD_DEVSIM, dir = dir_.string(), tee_text = tee;
        std::string dir_option = "--dir", tee_option = "--tee";
        std::array<char*, 6> args{program.data(),    dir_option.data(), dir.data(),
                                  tee_option.data(), tee_text.data(),   nullptr};
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, in.get(), STDOUT_FILENO);
        const int error =
            ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, args.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        REQUIRE(error == 0);
        in.reset();
        std::array<char, 6> line{};
        REQUIRE(::read(out.get(), line.data(), line.size()) == 6);
        REQUIRE(std::string_view(line.data(), line.size()) == "ready\n");
    }
    ~Devsim() { static_cast<void>(stop()); }
    Devsim(const Devsim&) = delete;
    Devsim& operator=(const Devsim&) = delete;

    /// Its exit status after SIGTERM; -1 when it did not exit.
    int stop() {
        if (pid_ <= 0) return -1;
        int status = 0;
        ::kill(pid_, SIGTERM);
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    nlohmann::json control(const std::string& body, unsigned want_status = 200) {
        UnixRequest request;
        request.method = body.empty() ? "GET" : "POST";
        request.target = "/v1/control";
        request.content_type = "application/json";
        request.body = as_bytes(body);
        const auto answer = UnixClient(dir_ / "control.sock").exchange(request, within(10s));
        REQUIRE_OK(answer);
        CHECK(answer->head.status == want_status);
        return nlohmann::json::parse(as_text(answer->body));
    }

    ExternalPlatform platform() const { return ExternalPlatform(dir_ / "platform.sock"); }
    const std::filesystem::path& dir() const noexcept { return dir_; }

 private:
    std::filesystem::path dir_;
    pid_t pid_ = -1;
};

ReportData report_data() {
    ReportData data{};
    data.fill(0x5c);
    return data;
}

TEST_CASE("devsim: the daemon's external platform gets TDX evidence, log and collateral",
          "[devsim]") {
    const test::TempDir folder;
    Devsim devsim(folder, "tdx");
    ExternalPlatform platform = devsim.platform();
    const auto evidence = platform.collect(report_data(), within(10s));
    REQUIRE_OK(evidence);
    CHECK(evidence->tee == Tee::tdx);
    CHECK(evidence->endorsements.size() == 1);
    CHECK_FALSE(evidence->event_log.empty());
    REQUIRE_ERRC(Errc::platform_unsupported, platform.derive_key({}, within(10s)));
}

TEST_CASE("devsim: the daemon's external platform gets SNP evidence and a derived key",
          "[devsim]") {
    const test::TempDir folder;
    Devsim devsim(folder, "snp");
    ExternalPlatform platform = devsim.platform();
    const auto evidence = platform.collect(report_data(), within(10s));
    REQUIRE_OK(evidence);
    CHECK(evidence->tee == Tee::snp);
    CHECK(evidence->quote.size() == 1184);
    DerivedKeyRequest request;
    request.tcb_version = 0xdc1b000000000004;  // the typical TCB itself, as a number
    const auto key = platform.derive_key(request, within(10s));
    REQUIRE_OK(key);
    CHECK(key->size() == 32);
    request.tcb_version += 1;
    REQUIRE_ERRC(Errc::platform_failed, platform.derive_key(request, within(10s)));
    for (const char* name : {"root.der", "ask.der", "vcek.der", "crl.der"}) {
        CHECK(std::filesystem::exists(devsim.dir() / name));
    }
}

TEST_CASE("devsim: each fault is seen by the client as what it is", "[devsim]") {
    const test::TempDir folder;
    Devsim devsim(folder, "tdx");
    ExternalPlatform platform = devsim.platform();
    struct Row {
        const char* fault;
        Errc want;
    };
    for (const Row& row :
         {Row{"error", Errc::platform_failed}, Row{"garbage", Errc::platform_failed},
          Row{"wrong_report_data", Errc::platform_wrong_echo}, Row{"timeout", Errc::timed_out}}) {
        INFO(row.fault);
        CHECK(devsim.control(fmt::format(R"({{"fail": "{}"}})", row.fault))["fail"] == row.fault);
        REQUIRE_ERRC(row.want, platform.collect(report_data(), within(500ms)));
    }
    devsim.control(R"({"fail": "none"})");
    REQUIRE_OK(platform.collect(report_data(), within(10s)));
}

TEST_CASE("devsim: a delay is kept and control is never delayed", "[devsim]") {
    const test::TempDir folder;
    Devsim devsim(folder, "tdx");
    devsim.control(R"({"delay_ms": 60000})");
    ExternalPlatform platform = devsim.platform();
    REQUIRE_ERRC(Errc::timed_out, platform.collect(report_data(), within(300ms)));
    CHECK(devsim.control("")["delay_ms"] == 60000);
    CHECK(devsim.control(R"({"delay_ms": 0, "host_data": "00"})", 400)["code"] ==
          "parse.bad-encoding");
    CHECK(devsim.control("")["delay_ms"] == 60000);
}

TEST_CASE("devsim: SIGTERM ends it cleanly, its sockets are gone, its keys stay", "[devsim]") {
    const test::TempDir folder;
    {
        Devsim devsim(folder, "tdx");
        devsim.control(R"({"fail": "timeout"})");
        ExternalPlatform platform = devsim.platform();
        REQUIRE_ERRC(Errc::timed_out, platform.collect(report_data(), within(200ms)));
        CHECK(devsim.stop() == 0);
        CHECK_FALSE(std::filesystem::exists(devsim.dir() / "platform.sock"));
        CHECK_FALSE(std::filesystem::exists(devsim.dir() / "control.sock"));
        CHECK(std::filesystem::exists(devsim.dir() / "intel-root.key.pem"));
    }
    Devsim again(folder, "tdx");
    CHECK(again.control("")["fail"] == "none");
}

}  // namespace
}  // namespace attestd
