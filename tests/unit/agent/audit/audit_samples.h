// Records, chains of them, and a log on a file of its own, for the tests of the audit log.
#pragma once

#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "agent/audit/audit_log.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

namespace attestd::audit_test {

using test::ContainsSubstring;
using test::TempDir;

inline AuditEvent event_of(Decision decision, std::string_view object,
                           std::string_view reason = {}) {
    AuditEvent event;
    event.decision = decision;
    event.method = "GET /v1/secrets";
    event.object = object;
    event.reason = reason;
    return event;
}

inline std::string lines(int count, ChainState& chain) {
    fmt::memory_buffer out;
    for (int i = 0; i < count; ++i) {
        append_line(out, chain, "boot", std::chrono::system_clock::time_point(),
                    event_of(Decision::allow, "a"), {});
    }
    return fmt::to_string(out);
}

inline std::vector<std::string> split(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
}

// A log on a file of its own, with the loop and pool that it needs.
struct Running {
    TempDir dir;
    Io io{1};
    asio::thread_pool pool{1};
    AuditConfig config{dir / "audit.jsonl", AuditSync::batched};
    std::unique_ptr<AuditLog> log;

    explicit Running(AuditSync sync = AuditSync::batched) {
        config.sync = sync;
        open();
    }
    ~Running() {
        log.reset();
        pool.join();
    }
    void open() {
        log.reset();
        auto opened = AuditLog::open(io, Strand(pool.get_executor()), config, "boot");
        REQUIRE_OK(opened);
        log = *std::move(opened);
    }
    Result<void> record(const AuditEvent& event) {
        std::optional<Result<void>> out;
        const std::string_view caller_text;
        const auto task = [&]() -> Task<void> { out = co_await log->record(event, caller_text); };
        spawn(io, task());
        io.restart();
        while (!out && io.run_one() != 0) {
        }
        REQUIRE(out.has_value());
        return *out;
    }
    std::string text() const { return test::load_text(config.path); }
};

}  // namespace attestd::audit_test
