// Limiter: how much one caller may ask for (spec/workload-identity.md section 8).
//
// Token buckets for each uid and for each workload. Tables are bounded: an entry that has filled up
// again says nothing any more and is dropped.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/caller/caller.h"
#include "agent/clock.h"
#include "config/config.h"
#include "quote/base/result.h"

namespace attestd {

/// Tokens that fill up at a rate, up to a burst.
class TokenBucket final {
 public:
    /// Takes one token; false when there is none.
    [[nodiscard]] bool take(const RateLimit& limit, BootTime now) noexcept;
    /// True when it is as full as a new one.
    [[nodiscard]] bool is_full(const RateLimit& limit, BootTime now) const noexcept;

 private:
    [[nodiscard]] double level(const RateLimit& limit, BootTime now) const noexcept;

    double used_ = 0;  // tokens taken and not grown back
    BootTime since_{};
};

class Limiter final {
 public:
    /// One request by `uid` as `workloads`. Errc::rate_limited.
    [[nodiscard]] Result<void> request(uid_t uid, const std::vector<std::string_view>& workloads,
                                       const Limits& limits, BootTime now);
    /// One piece of evidence. Errc::rate_limited.
    [[nodiscard]] Result<void> quote(uid_t uid, std::string_view workload, const Limits& limits,
                                     BootTime now);
    /// Errc::rate_limited while the caller is locked out: for whatever is given by policy. One who
    /// guesses locks out those whom nothing tells from him: of the same uid, unit, container and
    /// listener.
    [[nodiscard]] Result<void> check_lock(const Caller& caller, BootTime now) const;
    /// An authorisation failed. True when this locks the caller out: worth one line of the log.
    [[nodiscard]] bool failure(const Caller& caller, const Limits& limits, BootTime now);

    /// Drops entries that say nothing any more.
    void sweep(const Limits& limits, BootTime now);
    [[nodiscard]] std::size_t size() const noexcept {
        return users_.size() + workloads_.size() + failures_.size();
    }

 private:
    struct Entry {
        TokenBucket requests, quotes;
        [[nodiscard]] bool is_idle(const Limits& limits, BootTime now) const noexcept;
    };
    struct Failures {
        TokenBucket bucket;
        BootTime locked_until{};
        [[nodiscard]] bool is_idle(const Limits& limits, BootTime now) const noexcept;
    };
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>()(text);
        }
    };
    [[nodiscard]] Entry& of_workload(std::string_view id);

    std::unordered_map<uid_t, Entry> users_;
    std::unordered_map<std::string, Entry, TextHash, std::equal_to<>> workloads_;
    std::unordered_map<std::string, Failures, TextHash, std::equal_to<>> failures_;
};

}  // namespace attestd
