// DigestCache: digests of files that were read lately (spec/workload-identity.md section 6).
//
// A digest is kept under everything by which a file could differ without being read again, and only
// for a file that had been left alone for a while: times of files have a coarse grain, so one that
// was changed just now may change again unseen. Each uid has places of its own; nobody pushes
// another's out or puts anything in for another.
#pragma once

#include <sys/types.h>

#include <deque>
#include <map>
#include <optional>

#include "agent/inspect/message.h"

namespace attestd::inspect {

class DigestCache final {
 public:
    static constexpr std::size_t kMaxPerUid = 64;
    static constexpr std::size_t kMaxUids = 256;
    static constexpr std::uint64_t kSettledNs = 2'000'000'000;

    [[nodiscard]] std::optional<Sha256> find(uid_t uid, const ExecutableFile& file) const;

    /// Keeps `digest` unless the file has no name or changed within kSettledNs before `now_ns`
    /// (since 1970) or after it.
    void keep(uid_t uid, const ExecutableFile& file, const Sha256& digest, std::uint64_t now_ns);

 private:
    struct Entry {
        ExecutableFile file;
        Sha256 digest;
    };
    std::map<uid_t, std::deque<Entry>> entries_;  // of each uid the oldest first
};

}  // namespace attestd::inspect
