// What Vault and OpenBao answer: their errors, and the envelope around every success
// (`spec/remote-verifiers.md` section 6.1).
//
// The code alone says what is done about an error: remedy_of().
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/hashivault/secret_json.h"
#include "agent/network/fetcher.h"

namespace attestd::hashivault {

enum class Step : std::uint8_t { login, renew, read, decrypt, revoke };

enum class Remedy : std::uint8_t {
    none,   ///< asking again gives the same answer
    login,  ///< the token may be the reason: one new login
    later,  ///< the same again, after a pause
};
[[nodiscard]] Remedy remedy_of(Errc code) noexcept;

/// The error that a status of 400 or more is: Errc::vault_unauthorized (at the login),
/// Errc::vault_denied, Errc::vault_missing, Errc::vault_deleted, Errc::vault_refused,
/// Errc::vault_sealed, Errc::vault_throttled, Errc::vault_unavailable; Errc::vault_protocol for a
/// refusal in a form that is not Vault's. Its detail holds the server's own words, escaped, at most
/// 200 bytes of them.
[[nodiscard]] Error error_of(unsigned status, const Secret& body, Step step);

/// Checks that an answer is a success with a body of JSON: status 200. The error that it is
/// otherwise.
[[nodiscard]] Result<void> check_answer(const SecretFetchResponse& answer, Step step);

struct Lease {
    std::string id;
    std::chrono::seconds duration{0};
    bool renewable = false;
};

/// A token as a login or its renewal gives it.
struct Auth {
    Secret token;
    std::chrono::seconds duration{0};  ///< 0: it does not end
    bool renewable = false;
    std::uint32_t num_uses = 0;  ///< 0: any number
};
/// Errc::vault_protocol.
[[nodiscard]] Result<Auth> parse_auth(Secret body, Step step);

/// A success of a read: the object that is secret, and what came with it.
struct ReadAnswer {
    SecretJson json;
    std::optional<Lease> lease;
    std::optional<std::uint32_t> version;  ///< of KV version 2

    /// The member of this name as a text; the whole object's JSON for an empty one.
    /// Errc::vault_field.
    [[nodiscard]] Result<Secret> field(const std::string& name) const;
};
/// What GET of a KV version 2 secret gives. Errc::vault_deleted for a version that is deleted or
/// destroyed; Errc::vault_protocol, also for another version than the one asked for.
[[nodiscard]] Result<ReadAnswer> parse_kv2(Secret body, std::optional<std::uint32_t> version);
/// What GET of anything else gives, with a lease where it has one. Errc::vault_protocol.
[[nodiscard]] Result<ReadAnswer> parse_read(Secret body);
/// What transit decrypts. Errc::vault_protocol.
[[nodiscard]] Result<Secret> parse_plaintext(Secret body);
/// What the renewal of a lease gives. Errc::vault_protocol.
[[nodiscard]] Result<Lease> parse_lease(Secret body);

/// The bytes of a secret base64 text. Errc::bad_encoding.
[[nodiscard]] Result<Secret> decoded(const Secret& base64, std::string_view what);

}  // namespace attestd::hashivault
