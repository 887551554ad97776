// HashiVaultSource: HashiCorp Vault or OpenBao as a source of secrets.
//
// What it gives is protected by TLS alone: attestd-fetch, and whoever can stand in for Vault, see
// it. That is "transport". The class Vault (agent/release/vault.h) is attestd's own cache.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/hashivault/client.h"
#include "agent/sources/remote_source.h"
#include "agent/sources/value_versions.h"

namespace attestd::hashivault {

class HashiVaultSource final : public RemoteSource {
 public:
    [[nodiscard]] static Result<std::shared_ptr<HashiVaultSource>> make(
        HashiVaultSourceConfig config, std::shared_ptr<Fetcher> fetcher,
        std::shared_ptr<IdentityTokens> tokens, Clocks clocks = Clocks::real());

    /// What the grant's resource names. It may be used until its lease ends, or the login. Its
    /// version is KV's; elsewhere it grows whenever the value is another than at the last read. A
    /// refusal is remembered for five seconds. A value under a lease is given again while the lease
    /// lasts, so that its receivers share one.
    [[nodiscard]] Result<SourcedSecret> get(const Grant& grant) override;
    [[nodiscard]] Result<SourcedSecret> get_resource(const std::string& resource);
    /// What a ciphertext that configuration does not hold decrypts to, until the login ends.
    /// Nothing of it is remembered, and its version says nothing.
    [[nodiscard]] Result<SourcedSecret> decrypt(const VaultResource& transit);

    [[nodiscard]] std::string_view type() const noexcept override { return "vault"; }
    [[nodiscard]] RemoteStatus status() const override;
    void forget() noexcept override;
    /// Renews the login and every lease of which two thirds are over.
    [[nodiscard]] Result<void> upkeep() override;

 private:
    struct Held {
        std::shared_ptr<const Secret> value;
        std::uint64_t version;
        Lease lease;
        std::uint64_t generation;  // of the login
        BootTime expires, renew_at;
        BootTime login_ends;  // as of the last time that it was the present login
    };
    struct Refused {
        Error error;
        BootTime until;
    };
    HashiVaultSource(Client client, Clocks clocks, ValueVersions versions)
        : client_(std::move(client)), clocks_(std::move(clocks)), versions_(std::move(versions)) {}
    [[nodiscard]] const Held* held(const std::string& resource);
    [[nodiscard]] BootTime end_of(const Held& held) const;
    void note_lease(Held& held, const Lease& lease);
    void note_login();
    [[nodiscard]] Result<SourcedSecret> taken(const std::string& resource, Value value);
    void remember(const std::string& resource, const Error& error);
    void drop_ended();
    [[nodiscard]] Result<Value> read(const VaultResource& resource);

    Client client_;
    Clocks clocks_;
    ValueVersions versions_;
    std::map<std::string, Held, std::less<>> held_;        // by resource
    std::map<std::string, Refused, std::less<>> refused_;  // by resource
    std::string last_error_;                               // logged once
};

}  // namespace attestd::hashivault
