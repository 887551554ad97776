// What attestd and attestd-inspect say to each other: one request, one answer, each one message on
// a SOCK_SEQPACKET connection. Both directions are written and read here and nowhere else.
//
// A request is 12 bytes and carries exactly one descriptor, a pidfd. An answer has a fixed head and
// at most one path behind it. Numbers are little-endian. Whoever reads takes the other for hostile.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "quote/base/digest.h"
#include "quote/base/result.h"

namespace attestd::inspect {

inline constexpr std::size_t kRequestLen = 12;
inline constexpr std::size_t kMaxPathLen = 4095;
inline constexpr std::size_t kMaxAnswerLen = 162 + kMaxPathLen;

/// What is asked beside what every answer holds.
struct Wanted {
    bool sha256 = false;
    bool verity = false;
    bool path = false;
    bool unlinked = false;  ///< a digest also of a file that has no name any more

    friend bool operator==(const Wanted&, const Wanted&) = default;
};

struct Request {
    Wanted wanted;
    uid_t uid = 0;  ///< whose share of the inspector's time this takes

    friend bool operator==(const Request&, const Request&) = default;
};

enum class Outcome : std::uint8_t {
    done,
    exited,   ///< the process is gone
    changed,  ///< it executed something else while it was being looked at
    foreign,  ///< it lives in a pid namespace that cannot be seen from here
    failed,   ///< the kernel said no, or it took too long
};

enum class DigestState : std::uint8_t {
    not_asked,
    done,
    unlinked,      ///< the file has no name any more, and that was not asked for
    too_large,     ///< longer than the inspector reads
    not_a_file,    ///< no regular file
    user_storage,  ///< a file system whose content its user makes up (FUSE)
    unreadable,    ///< the inspector may not read the file
    modified,      ///< it changed while it was being read
    timed_out,
};

/// "unlinked"; empty for states that say nothing is wrong.
[[nodiscard]] std::string_view digest_state_name(DigestState state) noexcept;

/// Inode numbers.
struct Namespaces {
    std::uint64_t pid = 0, user = 0, mnt = 0, cgroup = 0, net = 0;

    friend bool operator==(const Namespaces&, const Namespaces&) = default;
};

/// The file that is being executed.
struct ExecutableFile {
    std::uint64_t device = 0, inode = 0, num_links = 0, len = 0;
    std::uint64_t ctime_ns = 0;  ///< since 1970

    friend bool operator==(const ExecutableFile&, const ExecutableFile&) = default;
};

struct Facts {
    std::uint64_t start_time = 0;  ///< clock ticks since boot
    ExecutableFile exe;
    Namespaces namespaces;
    DigestState digest_state = DigestState::not_asked;
    std::optional<Sha256> sha256;
    std::optional<Sha256> verity;  ///< where the file has one
    std::string path;  ///< under which the inspector finds this very file; empty: under none

    friend bool operator==(const Facts&, const Facts&) = default;
};

struct Answer {
    Outcome outcome = Outcome::failed;
    Facts facts;  ///< only with Outcome::done

    friend bool operator==(const Answer&, const Answer&) = default;
};

[[nodiscard]] ByteArray<kRequestLen> encode_request(const Request& request) noexcept;
/// Errc::truncated, Errc::trailing_bytes, Errc::bad_value, Errc::reserved_not_zero.
[[nodiscard]] Result<Request> parse_request(ByteView bytes);

[[nodiscard]] Bytes encode_answer(const Answer& answer);
/// As parse_request(), and Errc::too_large for a path.
[[nodiscard]] Result<Answer> parse_answer(ByteView bytes);

}  // namespace attestd::inspect
