// Whose tokens a workload may have, and with them their key (DESIGN section 7).
//
// A token says to others that this machine was attested. What a source logs in with is never given
// to a workload: neither that token nor another of the same issuer, which would open as much.
#include <fmt/format.h>

#include <algorithm>

#include "config/internal/load_context.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxTokens = 16;
constexpr std::size_t kMaxAudienceLen = 255;
constexpr std::string_view kVerifier = "verifier";

Result<std::string> parse_audience(const std::string& text) {
    const auto plain = [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; };
    if (!text.empty() && text.size() <= kMaxAudienceLen &&
        std::all_of(text.begin(), text.end(), plain))
        return text;
    return fail(Errc::bad_value,
                "1 to 255 printable characters without blank, '\"' and '\\' are expected");
}

// The source of type "vault" that logs in with tokens of this issuer; empty: none. An empty broker
// is the verifier.
std::string_view logs_in_with(const Config& config, const std::string& broker) {
    for (const auto& [name, vault] : config.hashi_vaults) {
        const bool same = broker.empty() ? vault.login_token == LoginToken::verifier
                                         : vault.login_token == LoginToken::source &&
                                               vault.token_source == broker;
        if (same) return name;
    }
    return {};
}

Result<std::string> broker_of(const JsonValue& from, const Config& config) {
    ATTESTD_TRY(std::string name, from.text());
    const bool is_broker = config.brokers.contains(name);
    if (name != kVerifier) {
        if (is_broker) return name;
        return from.fail_here(
            Errc::bad_reference,
            fmt::format("\"verifier\", or the name of a source of type \"kbs\" is expected: \"{}\" "
                        "is none",
                        name));
    }
    if (is_broker) {
        return from.fail_here(Errc::bad_reference,
                              "\"verifier\" is the verifier, and a source has the same name: call "
                              "the source something else");
    }
    if (gives_identity_token(config.verifier.type)) return std::string();
    return from.fail_here(Errc::bad_config,
                          fmt::format("the verifier \"{}\" gives no token; name a source of type "
                                      "\"kbs\"",
                                      verifier_type_name(config.verifier.type)));
}

Result<TokenGrant> load_token(const JsonValue& value, const Config& config,
                              const std::string& workload) {
    TokenGrant out;
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_TRY(const JsonValue from, in.required("from"));
    ATTESTD_TRY(out.policy.source, broker_of(from, config));
    if (const auto audience = in.optional("audience")) {
        ATTESTD_TRY(out.audience, parse_text(*audience, parse_audience));
    }
    ATTESTD_TRY(out.policy.test, bool_or(in, "test", false));
    ATTESTD_CHECK(in.finish());
    if (const auto user = logs_in_with(config, out.policy.source); !user.empty()) {
        return from.fail_here(Errc::bad_config,
                              fmt::format("source \"{}\" logs in with tokens of this issuer: a "
                                          "workload that had one could log in as attestd",
                                          user));
    }
    out.policy.name =
        fmt::format("token:{}", out.policy.source.empty() ? kVerifier : out.policy.source);
    out.policy.allow = {workload};
    return out;
}

bool has_broker(const Workload& workload) {
    return std::any_of(workload.tokens.begin(), workload.tokens.end(),
                       [](const TokenGrant& token) { return !token.policy.source.empty(); });
}

// Of several brokers a listener of kind "coco" says which one "kbs" is.
Result<void> check_coco_sources(const JsonValue& tokens, const Config& config) {
    if (config.brokers.size() < 2) return {};
    for (const ListenerConfig& listener : config.listeners) {
        if (listener.kind != ListenerKind::coco || !listener.coco_token_source.empty()) continue;
        return tokens.fail_here(
            Errc::bad_config,
            fmt::format("there is more than one source of type \"kbs\": say in listener \"{}\" as "
                        "\"coco_token_source\" whose tokens are had there",
                        listener.name));
    }
    return {};
}

}  // namespace

Result<void> load_tokens(JsonObject& in, const Config& config, Workload& out) {
    const auto tokens = in.optional("tokens");
    const auto key = in.optional("export_key");
    ATTESTD_TRY(out.export_key, bool_or(in, "export_key", false));
    ATTESTD_TRY(const bool full, bool_or(in, "key_is_full_identity", false));
    if (tokens) {
        ATTESTD_TRY(const auto elements, tokens->array(kMaxTokens));
        for (const JsonValue& element : elements) {
            ATTESTD_TRY(TokenGrant one, load_token(element, config, out.id));
            const auto same = [&](const TokenGrant& other) {
                return !one.audience.empty() && other.audience == one.audience;
            };
            if (std::any_of(out.tokens.begin(), out.tokens.end(), same))
                return element.fail_here(Errc::bad_config, "two tokens for one audience");
            out.tokens.push_back(std::move(one));
        }
        if (has_broker(out)) ATTESTD_CHECK(check_coco_sources(*tokens, config));
    }
    if (!out.export_key) return {};
    if (!has_broker(out)) {
        return key->fail_here(Errc::bad_config,
                              "goes with a key broker's token: name its source in \"tokens\"");
    }
    if (full) return {};
    return key->fail_here(Errc::bad_config,
                          "gives the workload the key to which the broker encrypts this machine's "
                          "secrets; say \"key_is_full_identity\": true to grant that");
}

}  // namespace attestd
