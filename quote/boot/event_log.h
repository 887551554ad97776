// Event logs of measured boot: TCG crypto-agile, as firmware writes them for TDX guests (CCEL) and
// vTPMs
// (`spec/guest-interfaces.md` sections 7 and 8).
//
// A log is written into memory that the guest can alter. Its digests mean something only after a
// replay gave the registers of a verified quote; its event data only where the digest is recomputed
// from it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kMaxEventLogLen = std::size_t{16} << 20;

inline constexpr std::uint16_t kAlgSha1 = 0x4, kAlgSha256 = 0xb, kAlgSha384 = 0xc, kAlgSha512 = 0xd,
                               kAlgSm3 = 0x12;
inline constexpr std::uint32_t kEvNoAction = 3;

struct EventDigest {
    std::uint16_t algorithm;
    ByteView value;
};

struct BootEvent {
    std::size_t offset;  ///< of the record within the log
    std::uint32_t reg;   ///< register as it stands there: RTMR number + 1, or PCR number
    std::uint32_t type;
    std::vector<EventDigest> digests;
    ByteView data;

    /// Empty when the event has none of this algorithm.
    [[nodiscard]] ByteView digest(std::uint16_t algorithm) const noexcept;
};

enum class EventLogKind : std::uint8_t { cc, tpm };

struct EventLog {
    EventLogKind kind;
    std::vector<std::pair<std::uint16_t, std::uint16_t>> algorithms;  ///< id, bytes of a digest
    std::vector<BootEvent> events;                                    ///< without the header record
    std::size_t bytes_used;
    std::optional<std::uint8_t> startup_locality;  ///< vTPM: last byte of PCR 0's first value

    [[nodiscard]] bool has(std::uint16_t algorithm) const noexcept;
};

/// Parses a log; views point into `bytes`. It ends at the end of the buffer, at padding of all
/// ones, or at a zero remainder; anything else is refused with its offset. Errc::bad_value,
/// Errc::truncated, Errc::bad_length, Errc::unsupported_type, Errc::too_large.
[[nodiscard]] Result<EventLog> parse_event_log(ByteView bytes);

/// Whether the bytes begin like a log.
[[nodiscard]] bool looks_like_event_log(ByteView bytes) noexcept;

/// Registers by name ("rtmr0" to "rtmr3" always; "pcr7" for those that events name), each the
/// SHA-384 value that the log leads to. Errc::unsupported_type for a log without SHA-384 digests.
[[nodiscard]] Result<std::map<std::string, Sha384>> replay_sha384(const EventLog& log);
/// The same in the SHA-256 bank, which is the one that a paravisor's vTPM quotes.
[[nodiscard]] Result<std::map<std::string, Sha256>> replay_sha256(const EventLog& log);

/// One log that holds the events of `first` and then those of `second`, without padding: a boot log
/// and what was measured after boot. `second` may be empty. Where the first holds the second's
/// digests already, as the last of their registers, they are taken from the second alone: it says
/// what they stand for. Errors of parse_event_log(), and
/// Errc::bad_value when their digests are of different algorithms.
[[nodiscard]] Result<Bytes> merge_event_logs(ByteView first, ByteView second);

/// What is odd about a log that parses and replays: a second separator in one register (events
/// behind it could pass for earlier ones), a separator that reports an error.
[[nodiscard]] std::vector<std::string> event_log_notes(const EventLog& log);

/// "rtmr1", "pcr4", "mrtd": the register that an event was extended into.
[[nodiscard]] std::string register_name(EventLogKind kind, std::uint32_t reg);

}  // namespace attestd
