#include "agent/sealed/unseal.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/log.h"
#include "config/kbs_resource.h"
#include "config/sealed_resource.h"

namespace attestd::sealed {
namespace {

constexpr std::size_t kMaxProviderLen = 32;  // of what an error shows
constexpr std::size_t kMaxCiphertextLen = 16384;
constexpr std::string_view kTransitPrefix = "vault:v";

tl::unexpected<Error> no_provider(std::string_view type, const std::string& provider,
                                  std::string_view offered) {
    return fail(Errc::sealed_unsupported,
                fmt::format("a sealed secret of type \"{}\": the provider \"{}\" is not offered, "
                            "\"{}\" is",
                            type, escaped(provider, kMaxProviderLen), offered));
}

tl::unexpected<Error> no_source(std::string_view type, std::string_view member) {
    return fail(Errc::sealed_unsupported,
                fmt::format("a sealed secret of type \"{}\": its source names no source as \"{}\"",
                            type, member));
}

bool is_sealed(const Secret& value) {
    return value.expose([](ByteView bytes) { return as_text(bytes).starts_with(kSealedPrefix); });
}

// "vault:v1:..." as it goes into a request.
Result<std::string> transit_ciphertext(const Bytes& encrypted_key) {
    const std::string_view text = as_text(encrypted_key);
    const bool is_visible =
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (text.starts_with(kTransitPrefix) && is_visible && text.size() <= kMaxCiphertextLen)
        return std::string(text);
    return fail(Errc::sealed_payload,
                "the signed payload: \"encrypted_key\" is no ciphertext of Vault's (\"vault:v1:\" "
                "and base64, all of it in base64 again)");
}

Result<Given> opened(const Envelope& envelope, const Given& key) {
    auto plain = open_a256gcm(*key.value, envelope.iv, envelope.encrypted_data);
    if (!plain && plain.error().code != Errc::jwe_undecrypted)
        return tl::make_unexpected(std::move(plain).error());
    if (!plain) {
        return fail(Errc::sealed_undecrypted,
                    fmt::format("the data key that \"{}\" gave ({} bytes of 32) does not open the "
                                "envelope: seal it again",
                                envelope.provider, key.value->size()));
    }
    return Given{std::make_shared<const Secret>(*std::move(plain)), key.expires};
}

}  // namespace

Result<Given> unseal(const VerifiedSealed& sealed, Providers& providers) {
    if (const auto* const envelope = std::get_if<Envelope>(&sealed.content())) {
        ATTESTD_TRY(const Given key, providers.data_key(*envelope));
        return opened(*envelope, key);
    }
    ATTESTD_TRY(Given given, providers.pointed_to(std::get<Pointer>(sealed.content())));
    if (!is_sealed(*given.value)) return given;
    return fail(Errc::sealed_nested,
                "what the sealed secret points to is a sealed secret again: point to the value");
}

Result<Given> SourceProviders::pointed_to(const Pointer& pointer) {
    if (pointer.provider != "kbs") return no_provider("vault", pointer.provider, "kbs");
    if (config_.broker.empty()) return no_source("vault", "kbs");
    // Where secrets lie is no part of an error that status shows to everybody.
    if (!is_kbs_uri(pointer.name)) {
        return fail(Errc::sealed_payload,
                    "the signed payload: \"name\" is not of the form kbs:///REPOSITORY/TYPE/TAG");
    }
    ATTESTD_TRY(SourcedSecret secret, others_.read_broker(pointer.name));
    return Given{std::move(secret.value), secret.expires};
}

Result<Given> SourceProviders::data_key(const Envelope& envelope) {
    if (envelope.provider != "vault") return no_provider("envelope", envelope.provider, "vault");
    if (config_.hashi_vault.empty()) return no_source("envelope", "vault");
    if (!is_url_path(envelope.key_id) || envelope.key_id.find('/') != std::string::npos) {
        return fail(Errc::sealed_payload,
                    "the signed payload: \"key_id\" is no name of a transit key: one part of "
                    "[A-Za-z0-9._~-]");
    }
    VaultResource asked;
    asked.kind = VaultResource::Kind::transit;
    asked.mount = config_.transit_mount;
    asked.path = envelope.key_id;
    ATTESTD_TRY(asked.ciphertext, transit_ciphertext(envelope.encrypted_key));
    ATTESTD_TRY(SourcedSecret key, others_.decrypt(asked));
    return Given{std::move(key.value), key.expires};
}

}  // namespace attestd::sealed
