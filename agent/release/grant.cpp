#include "agent/release/grant.h"

#include <algorithm>

namespace attestd {
namespace {

// What an unknown name is judged by: the same steps as for one that is not allowed.
const SecretPolicy kNobodys{};

bool names(const std::vector<std::string>& ids, const std::string& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// One text for a name that does not exist and one that is not allowed.
tl::unexpected<Error> fail_unavailable() {
    return fail(Errc::secret_unavailable,
                "no workload of this caller may have a secret of that name");
}

}  // namespace

Result<Permission> permit(const Config& policy, const std::vector<std::uint32_t>& callers,
                          std::string_view name) {
    const auto found = policy.secrets.find(name);
    const SecretPolicy& secret = found == policy.secrets.end() ? kNobodys : found->second;
    Permission out{&secret, {}};
    bool denied = false;
    for (const std::uint32_t index : callers) {
        const std::string& id = policy.workloads.at(index).id;
        if (names(secret.deny, id)) denied = true;
        if (names(secret.allow, id)) out.workloads.push_back(index);
    }
    if (denied || out.workloads.empty()) return fail_unavailable();
    return out;
}

// A sealed store is opened on this machine and nowhere else: nothing lies in between.
Protection protection_of(const Config& policy, const SecretPolicy& secret) noexcept {
    return policy.stores.contains(secret.source) ? Protection::end_to_end : Protection::transport;
}

Result<Grant> decide(const PolicyPtr& policy, const Caller& caller, std::string_view name,
                     const std::optional<Affirmation>& session, BootTime now) {
    ATTESTD_TRY(Permission permission, permit(*policy, match_workloads(*policy, caller), name));
    const SecretPolicy& secret = *permission.secret;
    if (protection_of(*policy, secret) < secret.min_protection) return fail_unavailable();
    if (!session || session->expires <= now) {
        return fail(Errc::not_affirming, "there is no affirming attestation result at this moment");
    }
    if (session->result.grade() != Grade::production && !secret.test) {
        return fail(Errc::not_affirming,
                    "the result is of test grade and the secret is not marked \"test\"");
    }
    Grant grant;
    grant.policy_ = policy;
    grant.secret_ = &secret;
    grant.workloads_ = std::move(permission.workloads);
    grant.epoch_ = session->epoch;
    grant.expires_ = session->expires;
    return grant;
}

bool Grant::holds(const PolicyPtr& policy, const std::optional<Affirmation>& session,
                  BootTime now) const noexcept {
    return policy == policy_ && session && session->epoch == epoch_ && now < expires_ &&
           now < session->expires;
}

}  // namespace attestd
