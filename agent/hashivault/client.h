// Client: HashiCorp Vault or OpenBao, logged in with a token of this machine's attestation
// (`spec/remote-verifiers.md` section 6.1).
//
//      (no login) --JWT of the attestation--> login --read--> …
//                     ^  at the end of its life, or refused     | renewed at two thirds
//                     +-----------------------------------------+
//
// A login is a token and its life; leases live no longer than it. A token that Vault refused is not
// shown to it again. What it refuses for good is not asked again within one read.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "agent/hashivault/answer.h"
#include "agent/sources/backoff.h"
#include "agent/sources/clocks.h"
#include "agent/sources/identity_token.h"
#include "config/config.h"
#include "config/vault_resource.h"

namespace attestd::hashivault {

struct Counters {
    std::uint64_t num_logins = 0;   ///< that gave a token
    std::uint64_t num_renewed = 0;  ///< tokens and leases
    std::uint64_t num_revoked = 0;  ///< tokens that Vault said it revoked
};

/// What was read. A lease is the source's to keep; it ends with the login at the latest.
struct Value {
    Secret secret;
    std::optional<std::uint32_t> version;
    std::optional<Lease> lease;
};

class Client final {
 public:
    Client(HashiVaultSourceConfig config, std::shared_ptr<Fetcher> fetcher,
           std::shared_ptr<IdentityTokens> tokens, Clocks clocks);

    /// Reads `resource`, with a login when there is none. One call at a time; takes the configured
    /// time at most. Errors of answer.h, of the fetcher and of who gives tokens; Errc::vault_field,
    /// Errc::secret_too_large.
    [[nodiscard]] Result<Value> read(const VaultResource& resource);

    /// Renews the token when two thirds of its life are over, or logs in again where it cannot be
    /// renewed. An error says that there is no login any more.
    [[nodiscard]] Result<void> upkeep();
    /// The lease anew. Errc::vault_refused or Errc::vault_denied when it has come to its end.
    [[nodiscard]] Result<Lease> renew(const Lease& lease);

    /// Drops the login; Vault revokes its token, with all its leases, if it answers within two
    /// seconds.
    void forget() noexcept;

    /// The end of the login; empty without one.
    [[nodiscard]] std::optional<BootTime> expires() const noexcept;
    /// When upkeep() has something to do; empty when it has not.
    [[nodiscard]] std::optional<BootTime> upkeep_at() const noexcept;
    /// Until when Vault is left alone; empty when it may be asked.
    [[nodiscard]] std::optional<BootTime> next_try() const;
    /// Changes with each login: a lease of an earlier one cannot be renewed.
    [[nodiscard]] std::uint64_t generation() const noexcept { return counters_.num_logins; }
    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

    /// When what lives for `life` from now on is renewed: at two thirds of it, a tenth earlier or
    /// later.
    [[nodiscard]] BootTime renewal_time(std::chrono::seconds life);

 private:
    struct Login {
        Secret token;
        std::chrono::seconds duration;
        BootTime expires, renew_at;
        bool renewable;
        std::optional<std::uint32_t> uses_left;  // empty: any number
    };

    [[nodiscard]] Result<Value> read_with_pauses(const VaultResource& resource,
                                                 Fetcher::Deadline deadline);
    [[nodiscard]] Result<Value> read_once(const VaultResource& resource,
                                          Fetcher::Deadline deadline);
    [[nodiscard]] Result<Value> ask(const VaultResource& resource, Fetcher::Deadline deadline);
    [[nodiscard]] Result<Value> decrypt(const VaultResource& resource, Fetcher::Deadline deadline);
    [[nodiscard]] Result<void> log_in(Fetcher::Deadline deadline);
    [[nodiscard]] Result<Auth> show(const IdentityToken& token, Fetcher::Deadline deadline);
    void keep(Auth auth);
    void leave_alone(const Error& error);
    [[nodiscard]] Result<void> renew_token(Fetcher::Deadline deadline);
    [[nodiscard]] Result<SecretFetchResponse> send(FetchRequest request, Step step,
                                                   Fetcher::Deadline deadline);
    [[nodiscard]] FetchRequest request(std::string_view path) const;
    [[nodiscard]] FetchRequest post(std::string_view path, std::string_view body) const;
    [[nodiscard]] bool has_login() const noexcept;
    [[nodiscard]] double jitter();

    HashiVaultSourceConfig config_;
    std::shared_ptr<Fetcher> fetcher_;
    std::shared_ptr<IdentityTokens> tokens_;
    Clocks clocks_;
    std::optional<Login> login_;
    std::optional<Sha256> refused_;  // digest of the attestation token that was refused last
    BootTime next_relogin_{};        // because of a refusal that may be the token's
    Backoff backoff_;
    std::optional<std::chrono::seconds> retry_after_;  // of the last answer that failed
    Counters counters_;
    std::minstd_rand random_;
};

}  // namespace attestd::hashivault
