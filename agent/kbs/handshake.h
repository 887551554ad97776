// One RCAR handshake with a key broker, in two halves (`spec/kbs.md` section 3): the challenge, and
// the evidence that answers it. Between them whoever asked collects the evidence.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/kbs/answer.h"
#include "agent/kbs/messages.h"
#include "agent/kbs/tee_evidence.h"
#include "agent/network/fetcher.h"
#include "config/config.h"
#include "quote/jose/jwk.h"

namespace attestd::kbs {

/// A challenge that was taken: a fresh key of ours, bound with the broker's nonce.
struct OpenHandshake {
    TeeKind kind;
    std::string cookie, nonce;
    JosePrivateKey key;
    nlohmann::json public_jwk;
    Bytes digest;  ///< of nonce and key: what the evidence must carry, padded with zeros
};

/// Sends a request; checks its answer. Errors of the fetcher and of check_answer().
using SendStep =
    std::function<Result<FetchResponse>(FetchRequest, Step step, Fetcher::Deadline deadline)>;

/// The same of the step that ends in a token.
using SendForToken = std::function<Result<SecretFetchResponse>(FetchRequest, Fetcher::Deadline)>;

/// Errors of `send`, Errc::kbs_protocol for a challenge that is none.
[[nodiscard]] Result<OpenHandshake> open_handshake(const KbsSourceConfig& config, TeeKind kind,
                                                   const SendStep& send,
                                                   Fetcher::Deadline deadline);

/// The token in answer to `evidence`, not judged yet. Errors of `send` and of primary_evidence(),
/// Errc::platform_failed for evidence of another kind than the handshake's.
[[nodiscard]] Result<Secret> attest_handshake(const KbsSourceConfig& config,
                                              const OpenHandshake& open, const Evidence& evidence,
                                              const SendForToken& send, Fetcher::Deadline deadline);

}  // namespace attestd::kbs
