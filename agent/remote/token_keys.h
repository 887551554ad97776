// TokenKeys: by whose keys a verifier's tokens count: those of a file that configuration pins, or
// of the key set at an address that it names.
//
// What a token's header says of keys ("jwk", "jku", "x5u", "x5c") is never looked at, but for the
// certificates that lead to an authority of the file. A key set comes by way of attestd-fetch, so
// nothing but TLS vouches for it unless its certificates lead to an authority that is pinned.
//
// Of a kind whose key sets come with chains, an entry counts by its chain alone, and as far as no
// issuer in it has revoked what it certified (SignerCrls).
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "agent/clock.h"
#include "agent/network/fetcher.h"
#include "agent/remote/signer_crls.h"
#include "config/config.h"
#include "quote/jose/token_signers.h"

namespace attestd::remote {

/// What a key set's entry has to bring.
enum class KeySetEntries : std::uint8_t {
    keys,    ///< a key; certificates where an authority is pinned
    chains,  ///< certificates up to the root, with the addresses of revocation lists
};

class TokenKeys final {
 public:
    /// Errors of TokenSigners::parse(); Errc::bad_config when file and address do not go together.
    [[nodiscard]] static Result<TokenKeys> make(const RemoteVerifierConfig& config,
                                                std::shared_ptr<Fetcher> fetcher,
                                                std::function<BootTime()> clock,
                                                KeySetEntries entries = KeySetEntries::keys);

    /// Whether one of the keys signed `token`, whose algorithm the caller has found to be one of
    /// the kind's. A key set is kept as long as the service says (5 minutes to a day), and fetched
    /// once more, once a minute at most, for a key that it does not have. Errc::token_algorithm,
    /// Errc::token_signature, Errc::token_untrusted; the fetcher's errors and
    /// Errc::remote_verifier_* when the set cannot be had; errors of SignerCrls::check().
    [[nodiscard]] Result<void> verify(const Jws& token, Time now, Fetcher::Deadline deadline);

    /// What the last verify() has to say besides, once: lists of revoked certificates that it did
    /// without.
    [[nodiscard]] Findings take_warnings() { return std::exchange(warnings_, {}); }

 private:
    TokenKeys(const RemoteVerifierConfig& config, std::optional<TokenSigners> signers,
              std::shared_ptr<Fetcher> fetcher, std::function<BootTime()> clock)
        : url_(config.token_keys_url),
          file_(config.token_signer),
          signers_(std::move(signers)),
          root_(config.signer_root),
          fetcher_(std::move(fetcher)),
          clock_(std::move(clock)) {}
    [[nodiscard]] Result<void> verify_by_file(const Jws& token, Time now) const;
    [[nodiscard]] Result<void> fetch(Fetcher::Deadline deadline);
    [[nodiscard]] Result<std::vector<JsonValue>> keys_for(const Jws& token) const;
    [[nodiscard]] Result<void> verify_by_set(const Jws& token, Time now,
                                             Fetcher::Deadline deadline);
    [[nodiscard]] Result<void> verify_by_entry(const JsonValue& jwk, const Jws& token, Time now,
                                               Fetcher::Deadline deadline);
    [[nodiscard]] Result<void> verify_by_chain(const JsonValue& jwk, const Jws& token, Time now,
                                               Fetcher::Deadline deadline);

    std::string url_;  // empty: the file says it all
    std::optional<LoadedFile> file_;
    std::optional<TokenSigners> signers_;  // of the file
    std::optional<Sha256> root_;
    std::optional<SignerCrls> crls_;  // where entries have chains
    Findings warnings_;
    std::shared_ptr<Fetcher> fetcher_;
    std::function<BootTime()> clock_;
    std::optional<JsonDocument> set_;
    BootTime fetched_{}, until_{};  // of the set
};

}  // namespace attestd::remote
