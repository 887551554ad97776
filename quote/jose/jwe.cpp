#include "quote/jose/jwe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "quote/base/base64url.h"
#include "quote/jose/internal/primitives.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxHeaderLen = 8 * 1024;  // an epk on P-521 takes 300 bytes
constexpr int kMaxDepth = 4;                     // header, epk
constexpr std::size_t kMaxPartyLen = 1024;       // of apu and of apv
constexpr std::string_view kEnc = "A256GCM";

std::string named(std::string_view text) {
    constexpr std::size_t kShown = 32;
    std::string out(text.substr(0, kShown));
    for (char& c : out) {
        if (c < 0x20 || c > 0x7e) c = '?';
    }
    return out;
}

Result<std::string> header_text(JsonObject& header, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, header.required(key));
    return value.text();
}

Result<std::string> optional_text(JsonObject& header, std::string_view key) {
    const auto value = header.optional(key);
    return value ? value->text() : Result<std::string>(std::string());
}

Result<Bytes> optional_party(JsonObject& header, std::string_view key) {
    const auto value = header.optional(key);
    if (!value) return Bytes{};
    ATTESTD_TRY(const std::string text, value->text());
    ATTESTD_TRY(Bytes party, from_base64url(text, key));
    if (party.size() > kMaxPartyLen) return value->fail_here(Errc::too_large, "too long");
    return party;
}

Result<JoseAlgorithm> read_algorithms(JsonObject& header) {
    ATTESTD_TRY(const std::string alg, header_text(header, "alg"));
    ATTESTD_TRY(const std::string enc, header_text(header, "enc"));
    if (enc != kEnc) {
        return header.value().fail_here(Errc::jose_algorithm,
                                        fmt::format("`enc` is {}, not {}", named(enc), kEnc));
    }
    for (const JoseAlgorithm known : {JoseAlgorithm::ecdh_es_a256kw, JoseAlgorithm::rsa_oaep_256}) {
        if (alg == jose_name(known)) return known;
    }
    return header.value().fail_here(Errc::jose_algorithm,
                                    fmt::format("`alg` is {}, which is not taken", named(alg)));
}

Result<Bytes> exact_part(std::string_view text, std::string_view what, std::size_t len) {
    ATTESTD_TRY(Bytes part, from_base64url(text, what));
    if (part.size() == len) return part;
    return fail(Errc::bad_length,
                fmt::format("{}: {} bytes where {} belong", what, part.size(), len));
}

void put_text(nlohmann::json& header, const char* key, std::string_view text) {
    if (!text.empty()) header[key] = text;
}

// A content key, and how it travels.
struct SentKey {
    Secret content_key;
    Bytes encrypted;
};

Result<SentKey> send_by_agreement(const JosePublicKey& to, const JweParameters& parameters,
                                  Secret content_key, nlohmann::json& header) {
    ATTESTD_TRY(const JosePrivateKey ephemeral, JosePrivateKey::generate(to.kind()));
    ATTESTD_TRY(const EvpPkey own, ephemeral.to_openssl());
    ATTESTD_TRY(const EvpPkey peer, to.to_openssl());
    ATTESTD_TRY(const Secret z, jose::agree(*own, *peer));
    ATTESTD_TRY(const Secret kek,
                jose::concat_kdf(z, jose_name(JoseAlgorithm::ecdh_es_a256kw), parameters.apu,
                                 parameters.apv, jose::kContentKeyLen));
    ATTESTD_TRY(Bytes wrapped, jose::wrap_key(kek, content_key));
    header["epk"] = nlohmann::json::parse(ephemeral.public_key().required_members());
    put_text(header, "apu", to_base64url(parameters.apu));
    put_text(header, "apv", to_base64url(parameters.apv));
    return SentKey{std::move(content_key), std::move(wrapped)};
}

Result<SentKey> send_key(const JosePublicKey& to, const JweParameters& parameters,
                         nlohmann::json& header) {
    ATTESTD_TRY(Secret content_key, Secret::random(jose::kContentKeyLen));
    if (jose_algorithm(to.kind()) == JoseAlgorithm::ecdh_es_a256kw) {
        return send_by_agreement(to, parameters, std::move(content_key), header);
    }
    if (!parameters.apu.empty() || !parameters.apv.empty()) {
        return fail(Errc::jose_header, "`apu` and `apv` belong to a key agreement, not to RSA");
    }
    ATTESTD_TRY(const EvpPkey key, to.to_openssl());
    ATTESTD_TRY(Bytes encrypted, jose::oaep_encrypt(*key, content_key));
    return SentKey{std::move(content_key), std::move(encrypted)};
}

}  // namespace

Result<void> Jwe::read_header(const JsonValue& value) {
    ATTESTD_TRY(JsonObject header, value.object());
    for (const std::string_view refused : {"crit", "zip"}) {
        if (header.optional(refused)) {
            return value.fail_here(Errc::jose_header, fmt::format("`{}` is not taken", refused));
        }
    }
    ATTESTD_TRY(algorithm_, read_algorithms(header));
    ATTESTD_TRY(parameters_.typ, optional_text(header, "typ"));
    ATTESTD_TRY(parameters_.cty, optional_text(header, "cty"));
    ATTESTD_TRY(parameters_.kid, optional_text(header, "kid"));
    if (algorithm_ == JoseAlgorithm::ecdh_es_a256kw) {
        ATTESTD_TRY(const JsonValue epk, header.required("epk"));
        ATTESTD_TRY(epk_, JosePublicKey::from_epk(epk));
        ATTESTD_TRY(parameters_.apu, optional_party(header, "apu"));
        ATTESTD_TRY(parameters_.apv, optional_party(header, "apv"));
    }
    if (const auto rest = header.rest(); !rest.empty()) {
        return value.fail_here(Errc::jose_header,
                               fmt::format("`{}` is not taken with {}", named(rest.front().first),
                                           jose_name(algorithm_)));
    }
    return {};
}

Result<Jwe> Jwe::from_parts(Parts parts) {
    Jwe jwe;
    ATTESTD_TRY(const Bytes header, from_base64url(parts.header, "protected"));
    const JsonLimits limits{.max_len = kMaxHeaderLen, .max_depth = kMaxDepth};
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(header), "protected", limits));
    ATTESTD_CHECK(jwe.read_header(document.root()));
    ATTESTD_TRY(jwe.encrypted_key_, from_base64url(parts.encrypted_key, "encrypted_key"));
    if (jwe.algorithm_ == JoseAlgorithm::ecdh_es_a256kw &&
        jwe.encrypted_key_.size() != jose::kWrappedKeyLen) {
        return fail(Errc::bad_length, fmt::format("encrypted_key: {} bytes where {} belong",
                                                  jwe.encrypted_key_.size(), jose::kWrappedKeyLen));
    }
    ATTESTD_TRY(jwe.iv_, exact_part(parts.iv, "iv", jose::kIvLen));
    ATTESTD_TRY(jwe.tag_, exact_part(parts.tag, "tag", jose::kTagLen));
    ATTESTD_TRY(jwe.ciphertext_, from_base64url(parts.ciphertext, "ciphertext"));
    jwe.aad_ = std::move(parts.header);
    if (parts.aad) {  // RFC 7516 section 5.1, step 14
        ATTESTD_CHECK(from_base64url(*parts.aad, "aad"));
        jwe.aad_ += '.';
        jwe.aad_ += *parts.aad;
    }
    return jwe;
}

Result<Jwe> Jwe::from_json(const JsonValue& message) {
    ATTESTD_TRY(JsonObject object, message.object());
    Parts parts;
    const std::array<std::pair<const char*, std::string*>, 5> members{
        {{"protected", &parts.header},
         {"encrypted_key", &parts.encrypted_key},
         {"iv", &parts.iv},
         {"ciphertext", &parts.ciphertext},
         {"tag", &parts.tag}}};
    for (const auto& [key, text] : members) {
        ATTESTD_TRY(*text, header_text(object, key));
    }
    if (const auto aad = object.optional("aad")) {
        ATTESTD_TRY(parts.aad, aad->text());
    }
    ATTESTD_CHECK(object.finish());
    auto jwe = from_parts(std::move(parts));
    if (!jwe) return fail_in(message.where(), jwe.error());
    return jwe;
}

Result<Jwe> Jwe::parse(std::string_view text, std::string name, std::size_t max_len) {
    const JsonLimits limits{.max_len = max_len, .max_depth = 1};
    ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(text, std::move(name), limits));
    return from_json(document.root());
}

Result<Jwe> Jwe::parse_compact(std::string_view text, std::size_t max_len) {
    if (text.size() > max_len) return fail(Errc::too_large, "the message is too long");
    if (std::count(text.begin(), text.end(), '.') != 4) {
        return fail(Errc::bad_encoding, "a compact JWE has five parts with dots between");
    }
    const auto next = [&text] {
        const std::size_t dot = std::min(text.find('.'), text.size());
        std::string part(text.substr(0, dot));
        text.remove_prefix(std::min(dot + 1, text.size()));
        return part;
    };
    Parts parts;
    for (std::string* part :
         {&parts.header, &parts.encrypted_key, &parts.iv, &parts.ciphertext, &parts.tag}) {
        *part = next();
    }
    return from_parts(std::move(parts));
}

Result<Secret> Jwe::content_key(const JosePrivateKey& key) const {
    ATTESTD_TRY(const EvpPkey own, key.to_openssl());
    if (algorithm_ == JoseAlgorithm::rsa_oaep_256) return jose::oaep_decrypt(*own, encrypted_key_);
    ATTESTD_TRY(const EvpPkey peer, epk_->to_openssl());
    ATTESTD_TRY(const Secret z, jose::agree(*own, *peer));
    ATTESTD_TRY(const Secret kek, jose::concat_kdf(z, jose_name(algorithm_), parameters_.apu,
                                                   parameters_.apv, jose::kContentKeyLen));
    return jose::unwrap_key(kek, encrypted_key_);
}

Result<Secret> Jwe::decrypt(const JosePrivateKey& key) const {
    const JoseKeyKind kind = key.public_key().kind();
    if (jose_algorithm(kind) != algorithm_ || (epk_ && epk_->kind() != kind)) {
        return fail(Errc::jose_algorithm,
                    fmt::format("the message is encrypted by {}, for another kind of key",
                                jose_name(algorithm_)));
    }
    auto content = content_key(key);
    if (!content) {
        // RFC 7516 section 11.5: go on with another key, so that no step tells where it failed.
        if (content.error().code != Errc::jwe_undecrypted) return content;
        content = Secret::random(jose::kContentKeyLen);
        if (!content) return content;
    }
    return jose::gcm_open(*content, iv_, as_bytes(aad_), ciphertext_, tag_);
}

Result<std::string> encrypt_jwe(const JosePublicKey& to, const JweParameters& parameters,
                                const Secret& plaintext, JweForm form) {
    nlohmann::json header{{"alg", jose_name(jose_algorithm(to.kind()))}, {"enc", kEnc}};
    put_text(header, "typ", parameters.typ);
    put_text(header, "cty", parameters.cty);
    put_text(header, "kid", parameters.kid);
    ATTESTD_TRY(const SentKey key, send_key(to, parameters, header));
    using nlohmann::json;
    const std::string aad = to_base64url(
        as_bytes(header.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace)));
    ATTESTD_TRY(const jose::Sealed sealed,
                jose::gcm_seal(key.content_key, as_bytes(aad), plaintext));
    const std::string wrapped = to_base64url(key.encrypted);
    const std::string iv = to_base64url(sealed.iv);
    const std::string ciphertext = to_base64url(sealed.ciphertext);
    const std::string tag = to_base64url(sealed.tag);
    if (form == JweForm::compact) {
        return fmt::format("{}.{}.{}.{}.{}", aad, wrapped, iv, ciphertext, tag);
    }
    return fmt::format(
        R"({{"ciphertext":"{}","encrypted_key":"{}","iv":"{}","protected":"{}","tag":"{}"}})",
        ciphertext, wrapped, iv, aad, tag);
}

}  // namespace attestd
