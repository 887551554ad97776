#include "agent/hashivault/source.h"

#include <algorithm>

#include "agent/log.h"

namespace attestd::hashivault {
namespace {

constexpr std::chrono::seconds kRefusalLife{5};
constexpr std::chrono::seconds kLeasePause{5};  // after a renewal that was not answered

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
    if (held.generation != client_.generation()) return std::min(held.expires, held.login_ends);
    return std::min(held.expires, client_.expires().value_or(BootTime::min()));
}

const HashiVaultSource::Held* HashiVaultSource::held(const std::string& resource) {
    const auto found = held_.find(resource);
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

// Before anything that may bring about another login: this one ends when it ends.
void HashiVaultSource::note_login() {
    const auto end = client_.expires();
    for (auto& [resource, one] : held_) {
        if (end && one.generation == client_.generation()) one.login_ends = *end;
    }
}

void HashiVaultSource::remember(const std::string& resource, const Error& error) {
    if (remedy_of(error.code) == Remedy::later) return;  // of all resources: the client waits
    refused_.insert_or_assign(resource, Refused{error, clocks_.boot() + kRefusalLife});
}

Result<SourcedSecret> HashiVaultSource::taken(const std::string& resource, Value value) {
    const std::uint64_t version =
        value.version ? *value.version : versions_.of(resource, value.secret, clocks_.wall());
    auto secret = std::make_shared<const Secret>(std::move(value.secret));
    if (!value.lease || value.lease->duration == std::chrono::seconds::zero())
        return SourcedSecret{std::move(secret), version, client_.expires()};
    Held held{secret, version, {}, client_.generation(), {}, {}, {}};
    note_lease(held, *value.lease);
    const BootTime until = end_of(held);
    held_.insert_or_assign(resource, std::move(held));
    return SourcedSecret{std::move(secret), version, until};
}

Result<SourcedSecret> HashiVaultSource::get(const Grant& grant) {
    return get_resource(grant.secret().resource);
}

Result<Value> HashiVaultSource::read(const VaultResource& resource) {
    note_login();
    auto value = client_.read(resource);
    const std::string error = value ? std::string() : to_string(value.error());
    if (!value && error != last_error_) log_event(LogLevel::warn, "vault.failed", {{"why", error}});
    last_error_ = error;
    return value;
}

Result<SourcedSecret> HashiVaultSource::decrypt(const VaultResource& transit) {
    ATTESTD_TRY(Value value, read(transit));
    return SourcedSecret{std::make_shared<const Secret>(std::move(value.secret)), /*version=*/0,
                         client_.expires()};
}

Result<SourcedSecret> HashiVaultSource::get_resource(const std::string& resource) {
    if (const Held* const kept = held(resource))
        return SourcedSecret{kept->value, kept->version, end_of(*kept)};
    if (const auto refused = refused_.find(resource); refused != refused_.end()) {
        if (clocks_.boot() < refused->second.until)
            return tl::make_unexpected(refused->second.error);
        refused_.erase(refused);
    }
    ATTESTD_TRY(const VaultResource named, parse_vault_resource(resource));
    auto value = read(named);
    if (value) return taken(resource, *std::move(value));
    remember(resource, value.error());
    return tl::make_unexpected(std::move(value).error());
}

void HashiVaultSource::drop_ended() {
    const BootTime now = clocks_.boot();
    std::erase_if(held_, [&](const auto& entry) { return end_of(entry.second) <= now; });
    std::erase_if(refused_, [&](const auto& entry) { return entry.second.until <= now; });
}

Result<void> HashiVaultSource::upkeep() {
    note_login();
    auto kept = client_.upkeep();
    drop_ended();
    for (auto& [resource, one] : held_) {
        if (clocks_.boot() < one.renew_at) continue;
        const bool may = one.lease.renewable && one.generation == client_.generation();
        auto lease = may ? client_.renew(one.lease)
                         : Result<Lease>(fail(Errc::vault_refused, "not renewable"));
        if (lease) {
            note_lease(one, *lease);
        } else if (remedy_of(lease.error().code) == Remedy::later) {
            one.renew_at = clocks_.boot() + kLeasePause;
        } else {
            one.renew_at = BootTime::max();  // it serves until its end; the next read gets another
        }
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
