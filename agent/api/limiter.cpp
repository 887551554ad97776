#include "agent/api/limiter.h"

#include <fmt/format.h>

#include <algorithm>

namespace attestd {
namespace {

// No part can hold the blank that separates them.
std::string failure_key(const Caller& caller) {
    return fmt::format("{} {} {} {}", caller.peer.uid, caller.cgroup.unit,
                       caller.cgroup.container_id, caller.socket);
}

}  // namespace

double TokenBucket::level(const RateLimit& limit, BootTime now) const noexcept {
    const double seconds = std::chrono::duration<double>(now - since_).count();
    return std::max(0.0, used_ - seconds * limit.per_second);
}

bool TokenBucket::take(const RateLimit& limit, BootTime now) noexcept {
    const double used = level(limit, now);
    if (used + 1 > limit.burst) return false;
    used_ = used + 1;
    since_ = now;
    return true;
}

bool TokenBucket::is_full(const RateLimit& limit, BootTime now) const noexcept {
    return level(limit, now) <= 0;
}

bool Limiter::Entry::is_idle(const Limits& limits, BootTime now) const noexcept {
    return requests.is_full(limits.requests, now) && quotes.is_full(limits.quotes, now);
}

bool Limiter::Failures::is_idle(const Limits& limits, BootTime now) const noexcept {
    return now >= locked_until && bucket.is_full(limits.failures, now);
}

Limiter::Entry& Limiter::of_workload(std::string_view id) {
    const auto it = workloads_.find(id);
    return it != workloads_.end() ? it->second : workloads_[std::string(id)];
}

Result<void> Limiter::request(uid_t uid, const std::vector<std::string_view>& workloads,
                              const Limits& limits, BootTime now) {
    Entry& user = users_[uid];
    if (!user.requests.take(limits.requests, now))
        return fail(Errc::rate_limited, "too many requests");
    for (const std::string_view id : workloads) {
        if (!of_workload(id).requests.take(limits.requests, now)) {
            return fail(Errc::rate_limited, "too many requests of this workload");
        }
    }
    return {};
}

Result<void> Limiter::quote(uid_t uid, std::string_view workload, const Limits& limits,
                            BootTime now) {
    if (users_[uid].quotes.take(limits.quotes, now) &&
        of_workload(workload).quotes.take(limits.quotes, now)) {
        return {};
    }
    return fail(Errc::rate_limited, "too many requests for evidence");
}

Result<void> Limiter::check_lock(const Caller& caller, BootTime now) const {
    if (failures_.empty()) return {};
    const auto of_caller = failures_.find(failure_key(caller));
    if (of_caller == failures_.end() || now >= of_caller->second.locked_until) return {};
    return fail(Errc::rate_limited, "too many failed requests: locked for a while");
}

bool Limiter::failure(const Caller& caller, const Limits& limits, BootTime now) {
    Failures& failures = failures_[failure_key(caller)];
    if (failures.bucket.take(limits.failures, now) || now < failures.locked_until) return false;
    failures.locked_until = now + limits.failure_lock;
    return true;
}

void Limiter::sweep(const Limits& limits, BootTime now) {
    const auto is_idle = [&](const auto& item) { return item.second.is_idle(limits, now); };
    std::erase_if(users_, is_idle);
    std::erase_if(workloads_, is_idle);
    std::erase_if(failures_, is_idle);
}

}  // namespace attestd
