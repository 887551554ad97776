// Reading the audit chain: where it ends, and whether it is whole.
#pragma once

#include <string_view>

#include "agent/audit/record.h"
#include "quote/base/result.h"

namespace attestd {

/// Reads one line (without its line end) and checks it against `chain`, which it moves on.
/// Errc::bad_json when it is no record; Errc::audit_failed when number or digest do not continue
/// the chain.
[[nodiscard]] Result<void> follow_line(std::string_view line, ChainState& chain);

/// The state after the record `line`, taking its own number on trust. Errc::bad_json.
[[nodiscard]] Result<ChainState> state_after(std::string_view line);

/// How the end of a file looks: the part that was lost in a crash is everything after `sound_len`.
struct ChainEnd {
    ChainState state;
    std::size_t sound_len = 0;  ///< bytes of `tail` up to the end of its last whole record
};

/// Finds the last whole record in `tail`, the end of an audit file. `begins_file` says that `tail`
/// is all of it. Errc::audit_failed when a tail that is not the whole file holds no record.
enum class TailKind : std::uint8_t { whole_file, end_of_file };
[[nodiscard]] Result<ChainEnd> find_end(std::string_view tail, TailKind kind);

struct ChainSummary {
    std::uint64_t num_records = 0;
    std::uint64_t first_seq = 0;
    Sha256 first_prev{};  ///< of the record before the first: zeros for none
    ChainState end;
    bool holds_wanted = false;
};

/// Checks a whole file, one record a line. The first line may continue an earlier file.
/// Errc::audit_failed names the line and what is wrong. `wanted` is the digest of a record that is
/// looked for.
[[nodiscard]] Result<ChainSummary> verify_chain(std::string_view text,
                                                const Sha256* wanted = nullptr);

}  // namespace attestd
