// What tests of verifiers on the network share: a key set on a scripted network, and tokens of it.
#pragma once

#include <deque>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/clock.h"
#include "agent/network/fetcher.h"
#include "agent/remote/token_keys.h"
#include "quote/base/encoding.h"
#include "tests/support/jws_forge.h"

namespace attestd::remote::remote_test {

constexpr std::int64_t kSeconds = 1'700'000'000;
inline const Time kNow{std::chrono::seconds(kSeconds)};

inline FetchResponse answered(unsigned status, std::string_view body) {
    FetchResponse out;
    out.status = status;
    out.body = to_bytes(as_bytes(body));
    return out;
}

/// Answers by the address's end, and keeps what it was asked.
class ScriptedNetwork final : public Fetcher {
 public:
    std::map<std::string, Result<FetchResponse>> answers;
    std::vector<FetchRequest> asked;

    Result<FetchResponse> fetch(const FetchRequest& request, Deadline) override {
        asked.push_back(request);
        for (const auto& [end, answer] : answers) {
            if (request.url.ends_with(end)) return answer;
        }
        return fail(Errc::fetch_unreachable, request.url);
    }
    [[nodiscard]] std::size_t count(std::string_view end) const {
        std::size_t n = 0;
        for (const FetchRequest& request : asked) n += request.url.ends_with(end) ? 1 : 0;
        return n;
    }
};

/// A JWK of an RSA key, or of one on P-256, with a name.
inline nlohmann::json named_jwk(const test::JwsForge& key, const std::string& kid) {
    nlohmann::json out = key.jwk();
    out["kid"] = kid;
    return out;
}

inline std::string key_set(const std::vector<nlohmann::json>& keys) {
    return nlohmann::json{{"keys", keys}}.dump();
}

/// What every token says at least.
inline nlohmann::json sound_claims() {
    return {{"iss", "https://verifier.example"},
            {"aud", "us"},
            {"iat", kSeconds - 10},
            {"nbf", kSeconds - 10},
            {"exp", kSeconds + 300}};
}

inline Fetcher::Deadline soon() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(5);
}

}  // namespace attestd::remote::remote_test
