// Client: HashiCorp Vault or OpenBao, logged in with a token of this machine's attestation
// (`spec/remote-verifiers.md` section 6.1).
//
//      (no login) --JWT of the attestation--> login --read--> …
//                     ^  at the end of its life, or refused     | renewed at two thirds
//                     +-----------------------------------------+
//
// A login is a token and its life; leases live no longer than it. It stays until there is another
// or its end: an attestation token that is refused, or a Vault that is away, costs no login that is
// good. An attestation token that Vault refused is not shown to it again. What it refuses for good
// is not asked again within one read.
//
// What fails at one path is left alone by itself; all of Vault is when it cannot be reached, is
// sealed, or gives no login.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

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

using AnswerPtr = std::shared_ptr<const ReadAnswer>;

/// What `resource` names of an answer to it. The answer is let go before the value is decoded.
/// Errc::vault_field, Errc::secret_too_large.
[[nodiscard]] Result<Secret> value_of(AnswerPtr answer, const VaultResource& resource);

/// Where the resource is read, whatever is cut out of the answer: its kind, mount, path and
/// version.
[[nodiscard]] std::string place_of(const VaultResource& resource);

class Client final {
 public:
    Client(HashiVaultSourceConfig config, std::shared_ptr<Fetcher> fetcher,
           std::shared_ptr<IdentityTokens> tokens, Clocks clocks);

    /// Reads `resource`, with a login when there is none. One call at a time; takes the configured
    /// time at most. Errors of answer.h, of the fetcher and of who gives tokens; Errc::vault_field,
    /// Errc::secret_too_large.
    [[nodiscard]] Result<Value> read(const VaultResource& resource);
    /// The same uncut, of all but transit: value_of() gives what the resource names. The lease is
    /// the caller's to keep, whatever comes of that.
    [[nodiscard]] Result<AnswerPtr> read_answer(const VaultResource& resource);

    /// The time that the configuration gives a call.
    [[nodiscard]] Fetcher::Deadline deadline() const;

    /// Renews the token when two thirds of its life are over, or logs in with a fresh attestation
    /// token where it cannot be renewed. An error says that neither was done: the login serves
    /// until its end, but for one that Vault refused to renew (Errc::vault_denied).
    [[nodiscard]] Result<void> upkeep(Fetcher::Deadline deadline);
    [[nodiscard]] Result<void> upkeep() { return upkeep(deadline()); }
    /// The lease anew. Errc::vault_refused or Errc::vault_denied when it has come to its end.
    [[nodiscard]] Result<Lease> renew(const Lease& lease, Fetcher::Deadline deadline);

    /// Drops the login; Vault revokes its token, and those of earlier logins that are not over,
    /// with all their leases, as far as it answers within two seconds. Also while the process
    /// stops.
    void forget() noexcept;

    /// The end of the login; empty without one.
    [[nodiscard]] std::optional<BootTime> expires() const noexcept;
    /// When upkeep() has something to do; empty when it has not.
    [[nodiscard]] std::optional<BootTime> upkeep_at() const noexcept;
    /// Until when Vault is left alone; empty when it may be asked.
    [[nodiscard]] std::optional<BootTime> next_try() const;
    /// Of the login; 0 without one. A lease of another one cannot be renewed.
    [[nodiscard]] std::uint64_t generation() const noexcept {
        return login_ ? login_->generation : 0;
    }
    /// When the login of this generation ends, and its leases: in the past also when its token's
    /// uses are spent.
    [[nodiscard]] BootTime end_of_login(std::uint64_t generation) const noexcept;
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
        std::uint64_t generation;
    };
    // What failed at one path.
    struct OfPath {
        Backoff backoff;
        BootTime next_relogin{};  // because of a refusal that may be the token's
        std::chrono::seconds relogin_pause{0};
    };

    template <class F>
    [[nodiscard]] std::invoke_result_t<F&, Fetcher::Deadline> ask_patiently(const std::string& path,
                                                                            F ask);
    template <class F>
    [[nodiscard]] std::invoke_result_t<F&, Fetcher::Deadline> ask_logged_in(
        const std::string& path, F& ask, Fetcher::Deadline deadline);
    template <class F>
    [[nodiscard]] std::invoke_result_t<F&, Fetcher::Deadline> ask_by_another_login(
        OfPath& path, F& ask, Error denied, Fetcher::Deadline deadline);
    [[nodiscard]] Result<AnswerPtr> get(const VaultResource& resource, Fetcher::Deadline deadline);
    [[nodiscard]] Result<Secret> decrypt(const VaultResource& resource, Fetcher::Deadline deadline);
    [[nodiscard]] Result<void> log_in(TokenAge first, Fetcher::Deadline deadline);
    [[nodiscard]] Result<Auth> show(const IdentityToken& token, Fetcher::Deadline deadline);
    void keep(Auth auth);
    void supersede(Login old);
    void drop_ended();
    [[nodiscard]] bool is_over(const Login& login) const noexcept;
    [[nodiscard]] bool is_known(const Login& login, Fetcher::Deadline deadline);
    void revoke(const Login& login, Fetcher::Deadline deadline);
    void leave_alone(Backoff& what, const Error& error);
    [[nodiscard]] const Error* holds(const std::string& path) const;
    [[nodiscard]] Result<void> renew_token(Fetcher::Deadline deadline);
    [[nodiscard]] Result<SecretFetchResponse> send(FetchRequest request, Step step,
                                                   Fetcher::Deadline deadline);
    [[nodiscard]] FetchRequest request(std::string_view path) const;
    [[nodiscard]] FetchRequest post(std::string_view path, std::string_view body) const;
    [[nodiscard]] double jitter();

    HashiVaultSourceConfig config_;
    std::shared_ptr<Fetcher> fetcher_;
    std::shared_ptr<IdentityTokens> tokens_;
    Clocks clocks_;
    std::optional<Login> login_;
    std::vector<Login> superseded_;  // by a later one, with leases that last; the oldest first
    std::optional<Sha256> refused_;  // digest of the attestation token that was refused last
    BootTime next_relogin_{};        // as OfPath has it, for all paths
    Backoff backoff_;
    std::map<std::string, OfPath, std::less<>> of_path_;
    std::optional<std::chrono::seconds> retry_after_;  // of the last answer that failed
    Counters counters_;
    std::minstd_rand random_;
};

}  // namespace attestd::hashivault
