// IdentityTokens: who gives a token that says to others that this machine was attested.
//
// A source that logs in with one asks here; a bearer token is a secret (`spec/remote-verifiers.md`
// section 6.1), and none that a source logs in with reaches a workload. A verifier that issues such
// tokens is one more implementation, made where identity_tokens_for() chooses.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include "agent/clock.h"
#include "quote/base/secret.h"

namespace attestd {

struct IdentityToken {
    Secret text;                      ///< compact JWS
    std::optional<BootTime> expires;  ///< empty: it does not say
};

/// What a workload is given: a token about this machine, and the key that it is about where policy
/// grants that (`export_key`).
struct GivenToken {
    Secret text;  ///< compact JWS
    std::optional<Secret> key_pem{};
    std::optional<BootTime> expires{};
};

enum class KeyExport : std::uint8_t { no, yes };

enum class TokenAge : std::uint8_t {
    any,
    fresh,  ///< the last one was refused: another, where there is a way to another
};

class IdentityTokens {
 public:
    using Deadline = std::chrono::steady_clock::time_point;

    virtual ~IdentityTokens() = default;

    /// The present token. Blocks. Errc::identity_unavailable, or the error of who makes it.
    [[nodiscard]] virtual Result<IdentityToken> token(TokenAge age, Deadline deadline) = 0;
};

/// What stands in a file that another service writes, read each time: at most 16 KiB, in a regular
/// file of root's or this process' user's that others can neither read nor write; its group may
/// read it. Blanks and line ends around it are left out. Errc::identity_unavailable,
/// Errc::io_failed.
[[nodiscard]] std::shared_ptr<IdentityTokens> tokens_of_file(std::filesystem::path file);

/// "exp" of a compact JWS, which is not verified here: who takes the token does. Empty when there
/// is none.
[[nodiscard]] std::optional<Time> expiry_of_token(std::string_view token);

}  // namespace attestd
