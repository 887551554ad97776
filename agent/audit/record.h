// AuditEvent: who was given or refused what, under which policy, and the one line that says so.
//
// The line is JSON with its members in a fixed order (spec/workload-identity.md section 9). `prev`
// is the SHA-256 of the line before, without its line end, so that no line can be changed, taken
// out or put in unnoticed by who knows the last one.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "agent/caller/caller.h"
#include "quote/base/digest.h"

namespace attestd {

enum class Decision : std::uint8_t { allow, deny, event };

/// One decision. Views live until the line is made.
struct AuditEvent {
    Decision decision = Decision::deny;
    std::string_view method;  ///< "GET /v1/secrets", "admin.put", "session"
    std::string_view object;  ///< the secret's name or what else was asked for
    std::string_view reason;  ///< a code; empty when allowed
    std::string_view detail;  ///< for the auditor; never sent to the caller
    std::uint64_t connection = 0;
    const Caller* caller = nullptr;  ///< none for the daemon's own events
    const std::vector<std::string_view>* workloads = nullptr;
    const Sha256* policy = nullptr;
    const Sha256* evidence = nullptr;  ///< digest of the evidence that the result rests on
    std::uint64_t epoch = 0;
    std::uint64_t repeated = 0;  ///< further equal denials that this line stands for
    std::chrono::system_clock::time_point first, last;  ///< of those; used with `repeated`
    std::chrono::microseconds latency{0};
};

/// Where the chain stands.
struct ChainState {
    std::uint64_t seq = 0;  ///< of the next line
    Sha256 prev{};          ///< of the last line; zeros before the first
};

/// The facts about a caller as members of a line, made once for each connection: `"pid":1,...`.
[[nodiscard]] std::string caller_members(const Caller& caller);

/// Appends one line with its line end to `out` and moves `chain` on. `caller_text` is what
/// caller_members() gave, or empty.
void append_line(fmt::memory_buffer& out, ChainState& chain, std::string_view boot_id,
                 std::chrono::system_clock::time_point now, const AuditEvent& event,
                 std::string_view caller_text);

/// All that stands between `prev` and `latency_us` in the line of `event`: made once for lines
/// that differ in nothing else.
[[nodiscard]] std::string line_members(const AuditEvent& event, std::string_view caller_text);

/// The same line of what line_members() gave.
void append_line(fmt::memory_buffer& out, ChainState& chain, std::string_view boot_id,
                 std::chrono::system_clock::time_point now, std::string_view members,
                 std::chrono::microseconds latency);

}  // namespace attestd
