// Verifiers on the network: "ita", "maa", "veraison", "kbs" and "coco_as".
#include <fmt/format.h>

#include <algorithm>

#include "config/internal/load_context.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr Millis kMinAnswerTime = std::chrono::milliseconds(100);
constexpr Millis kMaxAnswerTime = std::chrono::minutes(5);
constexpr std::size_t kMaxPolicies = 32, kMaxPolicyLen = 256, kMaxNameLen = 1024;
constexpr std::string_view kKeySetPath = "/.well-known/jwks.json";  // of a Trustee service
constexpr std::string_view kMaaVersion = "2025-06-01";  // the one with both SevSnpVm and TdxVm

// What stands in JSON, in a token or in an address as it is.
Result<std::string> plain_text(const std::string& text, std::size_t max_len) {
    const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
        return c >= ' ' && c <= '~' && c != '"' && c != '\\';
    });
    if (is_plain && !text.empty() && text.size() <= max_len) return text;
    return fail(Errc::bad_value, fmt::format("1 to {} printable characters are expected", max_len));
}

Result<std::string> name_or(JsonObject& members, std::string_view key, std::string otherwise) {
    const auto value = members.optional(key);
    if (!value) return otherwise;
    return parse_text(*value,
                      [](const std::string& text) { return plain_text(text, kMaxNameLen); });
}

Result<std::vector<std::string>> policies_or_none(JsonObject& members) {
    std::vector<std::string> out;
    const auto value = members.optional("policies");
    if (!value) return out;
    ATTESTD_TRY(const auto elements, value->array(kMaxPolicies));
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(out.emplace_back(), parse_text(element, [](const std::string& text) {
                        return plain_text(text, kMaxPolicyLen);
                    }));
    }
    return out;
}

// A version goes into an address.
Result<std::string> parse_api_version(const std::string& text) {
    constexpr std::size_t kMaxVersionLen = 32;
    const bool is_version = std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '.';
    });
    if (is_version && !text.empty() && text.size() <= kMaxVersionLen) return text;
    return fail(Errc::bad_value, "a version such as \"2025-06-01\" is expected");
}

Result<Millis> answer_time(JsonObject& members, Millis otherwise) {
    const auto value = members.optional("timeout");
    ATTESTD_TRY(const Millis out, duration_or(members, "timeout", otherwise, kMinAnswerTime));
    if (value && out > kMaxAnswerTime)
        return value->fail_here(Errc::bad_value, "at most 5m is taken");
    return out;
}

Result<CrlRule> parse_crl_rule(const std::string& text) {
    if (text == "require") return CrlRule::require;
    if (text == "soft") return CrlRule::soft;
    return fail(Errc::bad_value, "\"require\" or \"soft\" is expected");
}

// How the chains of the key set are judged: pointless, and so a mistake, without one.
Result<void> load_ita_chains(JsonObject& members, RemoteVerifierConfig& out) {
    const auto crl = members.optional("crl");
    const auto root = members.optional("root_sha256");
    if (crl) {
        ATTESTD_TRY(out.crl, parse_text(*crl, parse_crl_rule));
    }
    if (root) {
        ATTESTD_TRY(out.signer_root, parse_text(*root, [](const std::string& text) {
                        return array_from_hex<Sha256().size()>(text, "root_sha256");
                    }));
    }
    if ((crl || root) && out.token_keys_url.empty()) {
        return (crl ? *crl : *root)
            .fail_here(Errc::bad_config,
                       "it is about the certificates of a key set: \"token_keys_url\" is not "
                       "given");
    }
    if (!root || !out.token_signer) return {};
    return root->fail_here(Errc::bad_config,
                           "\"token_signer\" pins the authority already: one of them must go");
}

Result<void> load_ita(JsonObject& members, RemoteVerifierConfig& out) {
    ATTESTD_TRY(const JsonValue key, members.required("api_key_file"));
    ATTESTD_TRY(out.api_key_file, path_of(key));
    ATTESTD_TRY(const JsonValue issuer, members.required("issuer"));
    ATTESTD_TRY(out.issuer, issuer.text());
    return load_ita_chains(members, out);
}

// As of a key broker: one of the two, and never the wrong one by oversight.
Result<void> load_coco_as(JsonObject& members, LoadContext& context, RemoteVerifierConfig& out) {
    ATTESTD_TRY(const bool discovers, bool_or(members, "discover_token_signer", false));
    if (discovers == out.token_signer.has_value()) {
        return members.value().fail_here(
            Errc::bad_config,
            discovers
                ? "\"token_signer\" pins who signs tokens, and \"discover_token_signer\" takes "
                  "whose keys the service publishes: one of them must go"
                : "\"token_signer\" must name a file with who signs tokens");
    }
    if (discovers) out.token_keys_url = out.url + std::string(kKeySetPath);
    if (out.policies.empty()) out.policies.emplace_back("default");
    ATTESTD_TRY(out.init_data, file_or_none(members, "init_data", context));
    return {};
}

Result<void> load_maa(JsonObject& members, LoadContext& context, RemoteVerifierConfig& out) {
    if (out.issuer.empty()) out.issuer = out.url;
    out.api_version = kMaaVersion;
    if (const auto version = members.optional("api_version")) {
        ATTESTD_TRY(out.api_version, parse_text(*version, parse_api_version));
    }
    ATTESTD_TRY(const auto paths, paths_or_none(members, "endorsements"));
    for (const auto& path : paths) {
        ATTESTD_TRY(out.endorsements.emplace_back(), context.load(path));
    }
    return {};
}

Result<RemoteVerifierConfig> load_service(VerifierType type, JsonObject& members,
                                          LoadContext& context) {
    RemoteVerifierConfig out;
    ATTESTD_TRY(const JsonValue url, members.required("url"));
    ATTESTD_TRY(out.url, address_of(url));
    ATTESTD_TRY(out.issuer, name_or(members, "issuer", ""));
    ATTESTD_TRY(out.audience, name_or(members, "audience", ""));
    ATTESTD_TRY(out.token_signer, file_or_none(members, "token_signer", context));
    // Of `coco_as` the address is known, and its use has a name of its own.
    const bool may_name_keys = type != VerifierType::coco_as;
    if (const auto keys = may_name_keys ? members.optional("token_keys_url") : std::nullopt) {
        ATTESTD_TRY(out.token_keys_url, address_of(*keys));
    }
    ATTESTD_TRY(out.policies, policies_or_none(members));
    ATTESTD_TRY(out.accept_warning, bool_or(members, "accept_warning", false));
    ATTESTD_TRY(out.fetch_socket, path_or(members, "fetch_socket", out.fetch_socket));
    if (type == VerifierType::ita) ATTESTD_CHECK(load_ita(members, out));
    if (type == VerifierType::maa) ATTESTD_CHECK(load_maa(members, context, out));
    if (type == VerifierType::coco_as) ATTESTD_CHECK(load_coco_as(members, context, out));
    ATTESTD_CHECK(members.finish());
    if (!out.token_signer && out.token_keys_url.empty()) {
        return members.value().fail_here(
            Errc::bad_config,
            "\"token_signer\" must name a file with who signs tokens, or \"token_keys_url\" where "
            "the service publishes its keys");
    }
    return out;
}

Result<BrokerVerifierConfig> load_broker(JsonObject& members, LoadContext& context) {
    BrokerVerifierConfig out;
    ATTESTD_TRY(out.issuer, name_or(members, "issuer", ""));
    ATTESTD_TRY(out.policies, policies_or_none(members));
    ATTESTD_TRY(const JsonValue tee_value, members.required("tee"));
    ATTESTD_TRY(const std::string tee, tee_value.text());
    if (tee != "tdx" && tee != "snp" && tee != "az-tdx-vtpm" && tee != "az-snp-vtpm") {
        return tee_value.fail_here(
            Errc::bad_value,
            "\"tdx\", \"snp\", \"az-tdx-vtpm\" or \"az-snp-vtpm\" is expected: brokers ask before "
            "there is evidence");
    }
    out.tee = tee.find("tdx") != tee.npos ? Tee::tdx : Tee::snp;
    out.is_azure = tee.starts_with("az-");
    ATTESTD_TRY(out.broker, load_kbs_source(members, context));
    return out;
}

}  // namespace

Result<void> load_remote_verifier(VerifierType type, JsonObject& members, LoadContext& context,
                                  VerifierConfig& verifier) {
    verifier.type = type;
    verifier.collateral.fetch = false;  // what it lacks, it gets by itself
    ATTESTD_TRY(verifier.expects_test, bool_or(members, "test", false));
    if (type == VerifierType::kbs) {
        ATTESTD_TRY(verifier.broker, load_broker(members, context));
        verifier.timeout = verifier.broker->broker.timeout;
        verifier.collateral.fetch_socket = verifier.broker->broker.fetch_socket;
        return {};
    }
    ATTESTD_TRY(verifier.timeout, answer_time(members, verifier.timeout));
    ATTESTD_TRY(verifier.remote, load_service(type, members, context));
    verifier.collateral.fetch_socket = verifier.remote->fetch_socket;
    return {};
}

}  // namespace attestd
