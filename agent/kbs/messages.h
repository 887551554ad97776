// The JSON bodies of the handshake with a key broker (`spec/kbs.md` sections 3.1 and 3.3). Writing
// and parsing in one place; what is parsed is hostile.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "agent/kbs/runtime_data.h"
#include "config/config.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd::kbs {

/// Body of POST auth. `hashes` are offered_hashes(); `extra_params` is an object's JSON, or empty.
[[nodiscard]] std::string auth_body(KbsProtocol protocol, std::string_view tee,
                                    std::span<const std::string_view> hashes,
                                    std::string_view extra_params);

struct Challenge {
    std::string nonce;  ///< 1 byte to kMaxNonceLen, as it came
    HashName hash;
};

/// The answer to it; members that are not known are passed over. Errc::kbs_protocol.
[[nodiscard]] Result<Challenge> parse_challenge(std::string_view text,
                                                std::span<const std::string_view> hashes);

/// What POST attest says. There is no evidence of devices: "additional_evidence" is empty.
struct Attestation {
    const std::string& nonce;
    const nlohmann::json& public_jwk;
    const nlohmann::json& primary;    ///< primary_evidence()
    std::string_view init_data = {};  ///< TOML; empty: none. UTF-8.
};
[[nodiscard]] std::string attest_body(KbsProtocol protocol, const Attestation& attestation);

/// The token in the answer to it. Errc::kbs_protocol, Errc::memory_locked.
[[nodiscard]] Result<Secret> parse_token_answer(Secret answer);

/// Whether a text can stand in such a body.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace attestd::kbs
