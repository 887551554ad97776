// A Vault that answers at once and well, but for what a test puts before; and a clock that stands
// still until it is moved.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/hashivault/client.h"
#include "tests/support/catch.h"

namespace attestd::hashivault {

class ScriptedVault final : public Fetcher {
 public:
    std::vector<std::string> calls;  // "login JWT", "renew TOKEN", "GET path TOKEN", ...
    std::vector<FetchRequest> requests;
    std::deque<Result<FetchResponse>> next;  // answers before the good ones
    std::string value = "secret";
    std::int64_t lease = 300, renewed_lease = 300, num_uses = 0;
    bool renewable = true;

    Result<FetchResponse> fetch(const FetchRequest& request, Deadline) override {
        requests.push_back(request);
        const std::string path = request.url.substr(request.url.find("/v1/") + 4);
        calls.push_back(call_of(request, path));
        if (!next.empty()) {
            auto answer = std::move(next.front());
            next.pop_front();
            if (!answer || answer->status != 0) return answer;
        }
        return good_answer(path);
    }

    static FetchResponse pass() { return {}; }
    static FetchResponse error(unsigned status, std::string_view words = "no") {
        FetchResponse out;
        out.status = status;
        out.body = to_bytes(as_bytes(R"({"errors":[")" + std::string(words) + "\"]}"));
        return out;
    }
    static FetchResponse json(const std::string& body) {
        FetchResponse out;
        out.status = 200;
        out.headers.emplace_back("content-type", "application/json");
        out.body = to_bytes(as_bytes(body));
        return out;
    }

 private:
    static std::string header_of(const FetchRequest& request, std::string_view name) {
        for (const auto& [key, text] : request.headers) {
            if (key == name) return text;
        }
        return {};
    }
    static std::string call_of(const FetchRequest& request, const std::string& path) {
        const std::string token = header_of(request, "X-Vault-Token");
        if (path.ends_with("/login")) {
            const std::string body(as_text(request.body));
            const auto at = body.find("\"jwt\":\"") + 7;
            return "login " + body.substr(at, body.find('"', at) - at);
        }
        return request.method + " " + path + " " + token;
    }
    FetchResponse good_answer(const std::string& path) {
        if (path.ends_with("/login")) return auth("t" + std::to_string(++num_), lease);
        if (path == "auth/token/renew-self") return auth("t" + std::to_string(num_), renewed_lease);
        if (path == "auth/token/revoke-self") {
            FetchResponse out;
            out.status = 204;
            return out;
        }
        if (path == "auth/token/lookup-self") return json("{}");
        if (path == "sys/leases/renew")
            return json(R"({"lease_id":"L1","renewable":true,"lease_duration":60})");
        if (path.starts_with("database/"))
            return json(R"({"lease_id":"L1","renewable":true,"lease_duration":60,"data":{"p":")" +
                        value + "\",\"u\":\"user\",\"n\":7}}");
        if (path.starts_with("transit/")) return json(R"({"data":{"plaintext":"YWJj"}})");
        return json(R"({"data":{"data":{"p":")" + value + R"("},"metadata":{"version":4}}})");
    }
    FetchResponse auth(const std::string& token, std::int64_t seconds) const {
        return json(R"({"auth":{"client_token":")" + token + R"(","lease_duration":)" +
                    std::to_string(seconds) + R"(,"renewable":)" + (renewable ? "true" : "false") +
                    R"(,"num_uses":)" + std::to_string(num_uses) + "}}");
    }
    int num_ = 0;
};

class ScriptedTokens final : public IdentityTokens {
 public:
    std::string any = "jwt1", fresh = "jwt2";
    std::optional<Error> error{};
    Result<IdentityToken> token(TokenAge age, Deadline) override {
        if (error) return tl::make_unexpected(*error);
        const std::string& text = age == TokenAge::fresh ? fresh : any;
        return IdentityToken{Secret::copy_of(as_bytes(text)).value(), std::nullopt};
    }
};

struct Setting {
    std::shared_ptr<ScriptedVault> vault = std::make_shared<ScriptedVault>();
    std::shared_ptr<ScriptedTokens> tokens = std::make_shared<ScriptedTokens>();
    std::shared_ptr<BootTime> boot = std::make_shared<BootTime>(std::chrono::seconds(1000));
    std::shared_ptr<int> num_slept = std::make_shared<int>(0);

    HashiVaultSourceConfig config() const {
        HashiVaultSourceConfig out;
        out.url = "https://vault.example:8200";
        out.role = "app";
        return out;
    }
    Clocks clocks() const {
        return {[boot = boot] {
                    return Time(std::chrono::floor<std::chrono::seconds>(boot->time_since_epoch()));
                },
                [boot = boot] { return *boot; },
                [num = num_slept](std::chrono::milliseconds) { ++*num; }};
    }
    Client client() const { return Client(config(), vault, tokens, clocks()); }
    void pass(std::chrono::seconds time) const { *boot += time; }
};

using Calls = std::vector<std::string>;
inline const VaultResource kKv = {VaultResource::Kind::kv2, "kv", "db", "p", {}, {}, "", ""};
inline const VaultResource kCreds = {
    VaultResource::Kind::read, "database", "creds/x", "p", {}, {}, "", ""};

inline bool is_text(const Secret& secret, std::string_view text) {
    return secret.expose([&](ByteView bytes) { return as_text(bytes) == text; });
}

}  // namespace attestd::hashivault
