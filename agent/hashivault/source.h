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
    /// refusal is remembered for five seconds. An answer under a lease serves while the lease
    /// lasts, for whatever is cut out of it: its receivers share one, and so do its fields.
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
        AnswerPtr answer;
        Lease lease;
        std::uint64_t generation;  // of the login
        BootTime expires, renew_at;
    };
    struct Refused {
        Error error;
        BootTime until;
    };
    HashiVaultSource(Client client, Clocks clocks, ValueVersions versions)
        : client_(std::move(client)), clocks_(std::move(clocks)), versions_(std::move(versions)) {}
    [[nodiscard]] const Held* held(const std::string& place);
    [[nodiscard]] BootTime end_of(const Held& held) const;
    void note_lease(Held& held, const Lease& lease);
    [[nodiscard]] Result<void> renew(Held& held, Fetcher::Deadline deadline);
    [[nodiscard]] Result<SourcedSecret> read(const std::string& resource,
                                             const VaultResource& named);
    [[nodiscard]] Result<BootTime> hold(const std::string& place, const AnswerPtr& answer);
    [[nodiscard]] SourcedSecret given(const std::string& resource, Value value,
                                      std::optional<BootTime> until);
    void note(const std::string& resource, const Error& error);
    void drop_ended();

    Client client_;
    Clocks clocks_;
    ValueVersions versions_;
    std::map<std::string, Held, std::less<>> held_;        // by place_of()
    std::map<std::string, Refused, std::less<>> refused_;  // by resource
    std::map<std::string, Errc, std::less<>> logged_;      // by resource; until it is read
};

}  // namespace attestd::hashivault
