// Sources of type "kbs": a Trustee key broker.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "config/internal/load_context.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxExtraParamsLen = 16384;
constexpr Millis kMinTimeout = std::chrono::milliseconds(100);
constexpr Millis kMaxTimeout = std::chrono::minutes(5);
constexpr std::string_view kOwnParam = "supported-hash-algorithms";
constexpr std::array<std::string_view, 7> kTokenAlgorithms{"ES256", "ES384", "RS256", "RS384",
                                                           "PS256", "PS384", "PS512"};

Result<KbsProtocol> parse_protocol(const std::string& text) {
    if (text == "0.4.0") return KbsProtocol::v0_4_0;
    if (text == "0.2.0") return KbsProtocol::v0_2_0;
    return fail(Errc::bad_value, "\"0.4.0\" or \"0.2.0\" is expected");
}

Result<TeeKeyType> parse_tee_key(const std::string& text) {
    if (text == "p256") return TeeKeyType::p256;
    if (text == "p521") return TeeKeyType::p521;
    if (text == "rsa3072") return TeeKeyType::rsa3072;
    return fail(Errc::bad_value, "\"p256\", \"p521\" or \"rsa3072\" is expected");
}

Result<std::string> parse_token_algorithm(const std::string& text) {
    if (std::find(kTokenAlgorithms.begin(), kTokenAlgorithms.end(), text) != kTokenAlgorithms.end())
        return text;
    return fail(Errc::bad_value,
                "one of ES256, ES384, RS256, RS384, PS256, PS384 and PS512 is "
                "expected");
}

Result<std::string> extra_params_of(const JsonValue& value) {
    ATTESTD_CHECK(value.object());
    if (value.raw().contains(kOwnParam)) {
        return value.fail_here(Errc::bad_config,
                               fmt::format("\"{}\" is attestd's own to say", kOwnParam));
    }
    std::string text = value.raw().dump();
    if (text.size() > kMaxExtraParamsLen)
        return value.fail_here(Errc::too_large, "at most 16384 bytes are taken");
    return text;
}

// What a token is worth rests on one of the two, and never on the wrong one by oversight.
Result<void> check_signer(const JsonObject& members, const KbsSourceConfig& config) {
    if (config.token_signer.has_value() != config.discover_token_signer) return {};
    return members.value().fail_here(
        Errc::bad_config,
        config.token_signer
            ? "\"token_signer\" pins who signs tokens, and \"discover_token_signer\" takes "
              "anybody: one of them must go"
            : "\"token_signer\" must name a file with who signs tokens");
}

}  // namespace

Result<std::optional<LoadedFile>> file_or_none(JsonObject& members, std::string_view key,
                                               LoadContext& context) {
    const auto value = members.optional(key);
    if (!value) return std::optional<LoadedFile>();
    ATTESTD_TRY(const auto path, path_of(*value));
    ATTESTD_TRY(LoadedFile file, context.load(path));
    return std::optional<LoadedFile>(std::move(file));
}

Result<KbsSourceConfig> load_kbs_source(JsonObject& members, LoadContext& context) {
    KbsSourceConfig out;
    ATTESTD_TRY(const JsonValue url, members.required("url"));
    ATTESTD_TRY(out.url, address_of(url));
    ATTESTD_TRY(out.token_signer, file_or_none(members, "token_signer", context));
    ATTESTD_TRY(out.discover_token_signer, bool_or(members, "discover_token_signer", false));
    if (const auto algorithm = members.optional("token_algorithm")) {
        ATTESTD_TRY(out.token_algorithm, parse_text(*algorithm, parse_token_algorithm));
    }
    if (const auto protocol = members.optional("protocol")) {
        ATTESTD_TRY(out.protocol, parse_text(*protocol, parse_protocol));
    }
    if (const auto tee_key = members.optional("tee_key")) {
        ATTESTD_TRY(out.tee_key, parse_text(*tee_key, parse_tee_key));
    }
    ATTESTD_TRY(out.legacy_tee_names, bool_or(members, "legacy_tee_names", false));
    if (const auto extra = members.optional("extra_params")) {
        ATTESTD_TRY(out.extra_params, extra_params_of(*extra));
    }
    ATTESTD_TRY(out.init_data, file_or_none(members, "init_data", context));
    ATTESTD_TRY(out.accept_warning, bool_or(members, "accept_warning", false));
    const auto timeout = members.optional("timeout");
    ATTESTD_TRY(out.timeout, duration_or(members, "timeout", out.timeout, kMinTimeout));
    ATTESTD_TRY(out.fetch_socket, path_or(members, "fetch_socket", out.fetch_socket));
    if (timeout && out.timeout > kMaxTimeout)
        return timeout->fail_here(Errc::bad_value, "at most 5m is taken");
    ATTESTD_CHECK(members.finish());
    ATTESTD_CHECK(check_signer(members, out));
    if (out.init_data && out.protocol == KbsProtocol::v0_2_0) {
        return members.value().fail_here(Errc::bad_config,
                                         "protocol 0.2.0 carries no \"init_data\"");
    }
    return out;
}

}  // namespace attestd
