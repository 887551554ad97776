#include "agent/sealed/sealed_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/log.h"
#include "config/kbs_resource.h"
#include "config/sealed_resource.h"
#include "quote/base/encoding.h"
#include "quote/base/lower_case.h"

namespace attestd::sealed {
namespace {

constexpr std::size_t kMaxKidLen = 1024;  // of a resource's URI
constexpr std::size_t kMaxShownLen = 64;  // of what a text says, in an error
constexpr std::size_t kMaxKeyIdLen = 1024;
constexpr std::string_view kVersion = "0.1.0";
constexpr JsonLimits kPayloadLimits{.max_len = kMaxPayloadLen, .max_depth = 8};

std::string shown(std::string_view text) { return escaped(text, kMaxShownLen); }

// JOSE's own codes are about tokens and messages: these are about a sealed secret.
Errc code_of_jose(Errc code) noexcept {
    if (code == Errc::token_algorithm) return Errc::sealed_algorithm;
    if (code == Errc::token_signature) return Errc::sealed_signature;
    return Errc::sealed_malformed;
}

tl::unexpected<Error> malformed(std::string_view why) {
    return fail(Errc::sealed_malformed, fmt::format("the sealed secret: {}", why));
}

tl::unexpected<Error> bad_payload(std::string_view why) {
    return fail(Errc::sealed_payload, fmt::format("the signed payload: {}", why));
}

tl::unexpected<Error> unsupported(std::string_view why) {
    return fail(Errc::sealed_unsupported, fmt::format("the signed payload: {}", why));
}

// Whatever JSON says of a payload is about its form.
template <class T>
Result<T> of_payload(Result<T> result) {
    if (result) return result;
    return bad_payload(result.error().detail);
}

Result<std::string> payload_text(JsonObject& in, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, of_payload(in.required(key)));
    return of_payload(value.text());
}

Result<Bytes> payload_bytes(JsonObject& in, std::string_view key) {
    ATTESTD_TRY(const std::string text, payload_text(in, key));
    return of_payload(from_base64(text, key));
}

Result<JsonObject> payload_object(JsonObject& in, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, of_payload(in.required(key)));
    return of_payload(value.object());
}

Result<std::string> take_kid(const JsonDocument& header) {
    auto in = header.root().object();
    if (!in) return malformed(in.error().detail);
    static_cast<void>(in->optional("alg"));  // Jws::parse() took it
    static_cast<void>(in->optional("typ"));
    const auto value = in->optional("kid");
    const auto kid = value ? value->text() : Result<std::string>(std::string());
    if (!kid || kid->empty())
        return malformed("its header names no signer: \"kid\" says whose key signed it");
    if (const auto rest = in->finish(); !rest) return malformed(rest.error().detail);
    if (is_kid(*kid)) return kid;
    return fail(Errc::sealed_untrusted,
                fmt::format("the sealed secret: its \"kid\" is \"{}\", and a signer's is a plain "
                            "name or kbs:///REPOSITORY/TYPE/TAG",
                            shown(*kid)));
}

Result<Pointer> pointer_in(JsonObject& in, std::string provider) {
    Pointer out;
    out.provider = std::move(provider);
    ATTESTD_TRY(out.name, payload_text(in, "name"));
    return out;
}

Result<Envelope> envelope_in(JsonObject& in, std::string provider) {
    Envelope out;
    out.provider = std::move(provider);
    ATTESTD_TRY(const std::string cipher, payload_text(in, "wrap_type"));
    if (cipher == "A256CTR")
        return unsupported("A256CTR does not notice changes: seal it again with A256GCM");
    if (cipher != "A256GCM")
        return unsupported(fmt::format("the cipher \"{}\" is none, A256GCM is", shown(cipher)));
    ATTESTD_TRY(out.key_id, payload_text(in, "key_id"));
    if (out.key_id.empty() || out.key_id.size() > kMaxKeyIdLen)
        return bad_payload("\"key_id\" has 1 to 1024 characters");
    ATTESTD_TRY(out.encrypted_key, payload_bytes(in, "encrypted_key"));
    if (out.encrypted_key.empty()) return bad_payload("\"encrypted_key\" is empty");
    ATTESTD_TRY(const Bytes iv, payload_bytes(in, "iv"));
    if (iv.size() != out.iv.size())
        return bad_payload(fmt::format("\"iv\" has {} bytes, A256GCM takes 12", iv.size()));
    std::copy(iv.begin(), iv.end(), out.iv.begin());
    ATTESTD_TRY(out.encrypted_data, payload_bytes(in, "encrypted_data"));
    if (out.encrypted_data.size() < kA256GcmTagLen)
        return bad_payload("\"encrypted_data\" is shorter than its tag");
    return out;
}

Result<VerifiedSealed::Content> content_in(JsonObject& in) {
    ATTESTD_TRY(const std::string type, payload_text(in, "type"));
    if (type != "vault" && type != "envelope") {
        return unsupported(
            fmt::format("the type \"{}\" is none, \"vault\" and \"envelope\" are", shown(type)));
    }
    ATTESTD_TRY(std::string provider, payload_text(in, "provider"));
    provider = lower_case(provider);  // section 10: compared without case
    if (type == "vault") {
        ATTESTD_TRY(Pointer pointer, pointer_in(in, std::move(provider)));
        return pointer;
    }
    ATTESTD_TRY(Envelope envelope, envelope_in(in, std::move(provider)));
    return envelope;
}

Result<std::optional<std::string>> name_in(JsonObject& annotations) {
    const auto value = annotations.optional(kNameAnnotation);
    if (!value) return std::optional<std::string>();
    ATTESTD_TRY(std::string name, of_payload(value->text()));
    return std::optional<std::string>(std::move(name));
}

}  // namespace

bool is_kid(std::string_view kid) {
    if (kid.empty() || kid.size() > kMaxKidLen) return false;
    if (is_kbs_uri(kid)) return true;
    const bool is_visible =
        std::all_of(kid.begin(), kid.end(), [](char c) { return c > ' ' && c <= '~'; });
    return is_visible && kid.find('/') == kid.npos && kid.find("..") == kid.npos;
}

Result<SealedText> SealedText::parse(std::string_view text) {
    if (!text.starts_with(kSealedPrefix)) return malformed("it does not begin \"sealed.\"");
    if (text.size() > kMaxSealedLen) {
        return malformed(
            fmt::format("it has {} bytes, {} at most are taken", text.size(), kMaxSealedLen));
    }
    auto jws = Jws::parse(text.substr(kSealedPrefix.size()));
    if (!jws) {
        return fail(code_of_jose(jws.error().code), "the sealed secret: " + jws.error().detail);
    }
    if (jws->algorithm() != JwsAlgorithm::es256) {
        return fail(Errc::sealed_algorithm,
                    fmt::format("the sealed secret: its signature is {}, only ES256 is taken",
                                jws_algorithm_name(jws->algorithm())));
    }
    ATTESTD_TRY(std::string kid, take_kid(jws->header()));
    if (jws->payload().size() > kMaxPayloadLen) return malformed("its payload is over 256 KiB");
    return SealedText(*std::move(jws), std::move(kid));
}

Result<Signer> Signer::from_jwk(std::string kid, const JsonValue& jwk) {
    const auto refuse = [&](std::string_view why) {
        return fail(Errc::sealed_untrusted,
                    fmt::format("the key of signer \"{}\": {}", shown(kid), why));
    };
    if (!is_kid(kid)) return refuse("its \"kid\" is no plain name and no kbs:/// URI");
    auto in = jwk.object();
    if (!in) return refuse(in.error().detail);
    if (const auto own = in->optional("kid")) {
        const auto text = own->text();
        if (!text || *text != kid) return refuse("it states another \"kid\"");
    }
    auto key = JwsKey::from_jwk(jwk, JwsAlgorithm::es256);
    if (!key) return refuse(key.error().detail + "; a public JWK on P-256 is expected");
    return Signer(std::move(kid), *std::move(key));
}

Result<ByteView> VerifiedSealed::signed_payload(const SealedText& text, const Signer& signer) {
    if (text.kid_ != signer.kid_) {
        return fail(Errc::sealed_untrusted,
                    fmt::format("the sealed secret names the signer \"{}\", the key is of \"{}\"",
                                shown(text.kid_), shown(signer.kid_)));
    }
    if (const auto good = text.jws_.verify(signer.key_); !good) {
        return fail(code_of_jose(good.error().code),
                    fmt::format("the sealed secret: it is not signed by the key of \"{}\"",
                                shown(signer.kid_)));
    }
    return text.jws_.payload();
}

Result<VerifiedSealed> verify_sealed(const SealedText& text, const Signer& signer) {
    ATTESTD_TRY(const ByteView payload, VerifiedSealed::signed_payload(text, signer));
    ATTESTD_TRY(const JsonDocument document,
                of_payload(JsonDocument::parse(as_text(payload), "payload", kPayloadLimits)));
    ATTESTD_TRY(JsonObject in, of_payload(document.root().object()));
    ATTESTD_TRY(const std::string version, payload_text(in, "version"));
    if (version != kVersion) {
        return unsupported(
            fmt::format("version \"{}\", only \"{}\" is read", shown(version), kVersion));
    }
    ATTESTD_TRY(VerifiedSealed::Content content, content_in(in));
    ATTESTD_CHECK(payload_object(in, "provider_settings"));
    ATTESTD_TRY(JsonObject annotations, payload_object(in, "annotations"));
    ATTESTD_TRY(std::optional<std::string> name, name_in(annotations));
    ATTESTD_CHECK(of_payload(in.finish()));
    return VerifiedSealed(std::move(content), std::move(name));
}

}  // namespace attestd::sealed
