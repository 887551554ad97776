// TokenKeys: by whose keys a verifier's tokens count: those of a file that configuration pins, or
// of the key set at an address that it names.
//
// What a token's header says of keys ("jwk", "jku", "x5u", "x5c") is never looked at, but for the
// certificates that lead to an authority of the file. A key set comes by way of attestd-fetch, so
// nothing but TLS vouches for it unless its certificates lead to an authority that is pinned.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "agent/clock.h"
#include "agent/network/fetcher.h"
#include "config/config.h"
#include "quote/jose/token_signers.h"

namespace attestd::remote {

class TokenKeys final {
 public:
    /// Errors of TokenSigners::parse(); Errc::bad_config when file and address do not go together.
    [[nodiscard]] static Result<TokenKeys> make(const RemoteVerifierConfig& config,
                                                std::shared_ptr<Fetcher> fetcher,
                                                std::function<BootTime()> clock);

    /// Whether one of the keys signed `token`, whose algorithm the caller has found to be one of
    /// the kind's. A key set is kept as long as the service says (5 minutes to a day), and fetched
    /// once more, once a minute at most, for a key that it does not have. Errc::token_algorithm,
    /// Errc::token_signature, Errc::token_untrusted; the fetcher's errors and
    /// Errc::remote_verifier_* when the set cannot be had.
    [[nodiscard]] Result<void> verify(const Jws& token, Time now, Fetcher::Deadline deadline);

 private:
    TokenKeys(std::string url, std::optional<LoadedFile> file, std::optional<TokenSigners> signers,
              std::shared_ptr<Fetcher> fetcher, std::function<BootTime()> clock)
        : url_(std::move(url)),
          file_(std::move(file)),
          signers_(std::move(signers)),
          fetcher_(std::move(fetcher)),
          clock_(std::move(clock)) {}
    [[nodiscard]] Result<void> verify_by_file(const Jws& token, Time now) const;
    [[nodiscard]] Result<void> fetch(Fetcher::Deadline deadline);
    [[nodiscard]] Result<std::vector<JsonValue>> keys_for(const Jws& token) const;
    [[nodiscard]] Result<void> verify_by_set(const Jws& token, Time now) const;
    [[nodiscard]] Result<JwsKey> key_of(const JsonValue& jwk, JwsAlgorithm algorithm,
                                        Time now) const;

    std::string url_;  // empty: the file says it all
    std::optional<LoadedFile> file_;
    std::optional<TokenSigners> signers_;  // of the file
    std::shared_ptr<Fetcher> fetcher_;
    std::function<BootTime()> clock_;
    std::optional<JsonDocument> set_;
    BootTime fetched_{}, until_{};  // of the set
};

}  // namespace attestd::remote
