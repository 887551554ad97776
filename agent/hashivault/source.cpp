#include "agent/hashivault/source.h"

#include <algorithm>

#include "agent/log.h"

namespace attestd::hashivault {
namespace {

constexpr std::chrono::seconds kRefusalLife{5};
constexpr std::chrono::seconds kLeasePause{5};  // after a renewal that was not answered

bool is_unanswered(const Error& error) noexcept {
    return remedy_of(error.code) == Remedy::later || error.code == Errc::stopping;
}

}  // namespace

Result<std::shared_ptr<HashiVaultSource>> HashiVaultSource::make(
    HashiVaultSourceConfig config, std::shared_ptr<Fetcher> fetcher,
    std::shared_ptr<IdentityTokens> tokens, Clocks clocks) {
    ATTESTD_TRY(ValueVersions versions, ValueVersions::make());
    Client client(std::move(config), std::move(fetcher), std::move(tokens), clocks);
    return std::shared_ptr<HashiVaultSource>(
        new HashiVaultSource(std::move(client), std::move(clocks), std::move(versions)));
}

// A lease ends with the login under which it was given.
BootTime HashiVaultSource::end_of(const Held& held) const {
    return std::min(held.expires, client_.end_of_login(held.generation));
}

const HashiVaultSource::Held* HashiVaultSource::held(const std::string& place) {
    const auto found = held_.find(place);
    if (found == held_.end()) return nullptr;
    if (clocks_.boot() < end_of(found->second)) return &found->second;
    held_.erase(found);
    return nullptr;
}

void HashiVaultSource::note_lease(Held& held, const Lease& lease) {
    held.lease = lease;
    held.expires = clocks_.boot() + lease.duration;
    held.renew_at = client_.renewal_time(lease.duration);
}

// Logged when it is news of this resource, and remembered where Vault was asked and said no.
void HashiVaultSource::note(const std::string& resource, const Error& error) {
    if (error.code == Errc::stopping) return;
    const auto logged = logged_.find(resource);
    if (logged == logged_.end() || logged->second != error.code)
        log_event(LogLevel::warn, "vault.failed", {{"why", to_string(error)}});
    logged_.insert_or_assign(resource, error.code);
    if (remedy_of(error.code) == Remedy::later) return;  // the client waits
    refused_.insert_or_assign(resource, Refused{error, clocks_.boot() + kRefusalLife});
}

Result<BootTime> HashiVaultSource::hold(const std::string& place, const AnswerPtr& answer) {
    Held held{answer, {}, client_.generation(), {}, {}};
    note_lease(held, *answer->lease);
    const BootTime until = end_of(held);
    if (until <= clocks_.boot()) {
        return fail(Errc::vault_refused,
                    "read: the lease ended as it was given, with the last use of the token: the "
                    "role's token_num_uses leaves no room for leases");
    }
    held_.insert_or_assign(place, std::move(held));
    return until;
}

SourcedSecret HashiVaultSource::given(const std::string& resource, Value value,
                                      std::optional<BootTime> until) {
    const std::uint64_t version =
        value.version ? *value.version : versions_.of(resource, value.secret, clocks_.wall());
    return {std::make_shared<const Secret>(std::move(value.secret)), version, until};
}

Result<SourcedSecret> HashiVaultSource::read(const std::string& resource,
                                             const VaultResource& named) {
    if (named.kind == VaultResource::Kind::transit) {
        ATTESTD_TRY(Value value, client_.read(named));
        return given(resource, std::move(value), client_.expires());
    }
    const std::string place = place_of(named);
    std::optional<BootTime> until;
    AnswerPtr answer;
    if (const Held* const kept = held(place)) {
        answer = kept->answer;
        until = end_of(*kept);
    } else {
        ATTESTD_TRY(answer, client_.read_answer(named));
        until = client_.expires();
        // Before anything is cut out of it: the lease is there whatever comes of that.
        if (answer->lease && answer->lease->duration != std::chrono::seconds::zero()) {
            ATTESTD_TRY(until, hold(place, answer));
        }
    }
    const auto version = answer->version;
    ATTESTD_TRY(Secret secret, value_of(std::move(answer), named));
    return given(resource, Value{std::move(secret), version, std::nullopt}, until);
}

Result<SourcedSecret> HashiVaultSource::get(const Grant& grant) {
    return get_resource(grant.secret().resource);
}

Result<SourcedSecret> HashiVaultSource::decrypt(const VaultResource& transit) {
    const std::string place = place_of(transit);
    auto value = client_.read(transit);
    if (!value) {
        note(place, value.error());
        return tl::make_unexpected(std::move(value).error());
    }
    logged_.erase(place);
    return SourcedSecret{std::make_shared<const Secret>(std::move(value->secret)), /*version=*/0,
                         client_.expires()};
}

Result<SourcedSecret> HashiVaultSource::get_resource(const std::string& resource) {
    if (const auto refused = refused_.find(resource); refused != refused_.end()) {
        if (clocks_.boot() < refused->second.until)
            return tl::make_unexpected(refused->second.error);
        refused_.erase(refused);
    }
    ATTESTD_TRY(const VaultResource named, parse_vault_resource(resource));
    auto secret = read(resource, named);
    if (secret)
        logged_.erase(resource);
    else
        note(resource, secret.error());
    return secret;
}

void HashiVaultSource::drop_ended() {
    const BootTime now = clocks_.boot();
    std::erase_if(held_, [&](const auto& entry) { return end_of(entry.second) <= now; });
    std::erase_if(refused_, [&](const auto& entry) { return entry.second.until <= now; });
}

Result<void> HashiVaultSource::renew(Held& held, Fetcher::Deadline deadline) {
    const bool may = held.lease.renewable && held.generation == client_.generation();
    auto lease = may ? client_.renew(held.lease, deadline)
                     : Result<Lease>(fail(Errc::vault_refused, "not renewable"));
    if (!lease) return tl::make_unexpected(std::move(lease).error());
    note_lease(held, *lease);
    return {};
}

// All of it within the time of one call: others wait for this thread.
Result<void> HashiVaultSource::upkeep() {
    const auto deadline = client_.deadline();
    auto kept = client_.upkeep(deadline);
    drop_ended();
    bool is_away = !kept && is_unanswered(kept.error());
    for (auto& [place, one] : held_) {
        if (clocks_.boot() < one.renew_at) continue;
        const auto renewed = is_away ? kept : renew(one, deadline);
        is_away = is_away || (!renewed && is_unanswered(renewed.error()));
        if (is_away)
            one.renew_at = clocks_.boot() + kLeasePause;
        else if (!renewed)
            one.renew_at = BootTime::max();  // it serves until its end; the next read gets another
    }
    return kept;
}

void HashiVaultSource::forget() noexcept {
    held_.clear();
    refused_.clear();
    client_.forget();
}

RemoteStatus HashiVaultSource::status() const {
    const Counters& counters = client_.counters();
    RemoteStatus out;
    out.next_try = client_.next_try();
    out.login_expires = client_.expires();
    out.upkeep_at = client_.upkeep_at();
    for (const auto& [resource, one] : held_) {
        out.lease_expires = std::min(out.lease_expires.value_or(BootTime::max()), end_of(one));
        if (one.renew_at != BootTime::max())
            out.upkeep_at = std::min(out.upkeep_at.value_or(BootTime::max()), one.renew_at);
    }
    out.counts = {
        {"logins", "vault_logins", "Logins at Vault.", counters.num_logins},
        {"renewed", "vault_renewals", "Renewals of tokens and leases.", counters.num_renewed},
        {"revoked", "vault_revocations", "Tokens revoked.", counters.num_revoked}};
    return out;
}

}  // namespace attestd::hashivault
