// Every bit of every part of a message changed: nothing opens, and the reason is the part's own.
#include <set>

#include "tests/support/mutations.h"
#include "tests/unit/quote/jose/jose_samples.h"

using namespace attestd;
using namespace attestd::test;

namespace {

struct MutationSample {
    JosePrivateKey key;
    nlohmann::json message;
};

MutationSample mutation_sample(JoseKeyKind kind) {
    JosePrivateKey key = JosePrivateKey::generate(kind).value();
    const Secret plaintext = secret_of("twenty bytes or more");
    const JweParameters parameters{.typ = "t",
                                   .cty = {},
                                   .kid = "k",
                                   .apu = kind == JoseKeyKind::p256 ? Bytes{9} : Bytes{},
                                   .apv = {}};
    const auto text = encrypt_jwe(key.public_key(), parameters, plaintext, JweForm::flattened);
    return {std::move(key), nlohmann::json::parse(text.value())};
}

Result<Secret> open_sample(const MutationSample& sample, const nlohmann::json& message) {
    ATTESTD_TRY(const Jwe jwe, Jwe::parse(message.dump(), "message"));
    return jwe.decrypt(sample.key);
}

// Each bit of the decoded part; the codes that its mutants gave.
std::set<Errc> codes_of(const MutationSample& sample, const char* part) {
    std::set<Errc> codes;
    std::size_t num_opened = 0;
    nlohmann::json message = sample.message;
    const Bytes bytes = from_base64url(message[part].get<std::string>(), part).value();
    for_each_bit_flip(bytes, [&](ByteView mutant, std::size_t) {
        message[part] = to_base64url(mutant);
        const auto opened = open_sample(sample, message);
        num_opened += opened ? 1 : 0;
        if (!opened) codes.insert(opened.error().code);
    });
    CHECK(num_opened == 0);
    return codes;
}

}  // namespace

TEST_CASE("JWE: a changed bit of key, nonce, ciphertext or tag is not-decrypted, whichever it is",
          "[quote][jose]") {
    const auto kind = GENERATE(JoseKeyKind::p256, JoseKeyKind::rsa2048);
    const MutationSample sample = mutation_sample(kind);
    REQUIRE_OK(open_sample(sample, sample.message));
    for (const char* part : {"encrypted_key", "iv", "ciphertext", "tag"}) {
        INFO(part);
        CHECK(codes_of(sample, part) == std::set<Errc>{Errc::jwe_undecrypted});
    }
}

TEST_CASE("JWE: a changed bit of the header is refused", "[quote][jose]") {
    const auto kind = GENERATE(JoseKeyKind::p256, JoseKeyKind::rsa2048);
    const MutationSample sample = mutation_sample(kind);
    const std::set<Errc> codes = codes_of(sample, "protected");
    // Broken JSON, other names, other values, other points; and what still reads the same kind of
    // header, which the tag covers.
    const std::set<Errc> known{Errc::bad_json,       Errc::jose_algorithm, Errc::jose_header,
                               Errc::missing_key,    Errc::unknown_key,    Errc::bad_encoding,
                               Errc::bad_value,      Errc::bad_length,     Errc::duplicate_key,
                               Errc::jwe_undecrypted};
    for (const Errc code : codes) {
        INFO(errc_name(code));
        CHECK(known.contains(code));
    }
    CHECK(codes.contains(Errc::jose_algorithm));
    CHECK(codes.contains(Errc::jwe_undecrypted));
}

TEST_CASE("JWE: a changed bit of the ephemeral key is a point off the curve, or does not decrypt",
          "[quote][jose]") {
    const MutationSample sample = mutation_sample(JoseKeyKind::p256);
    std::set<Errc> codes;
    for (const char* coordinate : {"x", "y"}) {
        OpenMessage open = OpenMessage::of(sample.message.dump());
        const Bytes bytes =
            from_base64url(open.header["epk"][coordinate].get<std::string>(), "epk").value();
        for_each_bit_flip(bytes, [&](ByteView mutant, std::size_t) {
            open.header["epk"][coordinate] = to_base64url(mutant);
            const auto opened = open_sample(sample, nlohmann::json::parse(open.closed()));
            codes.insert(opened ? Errc::internal : opened.error().code);
        });
    }
    CHECK(codes == std::set<Errc>{Errc::bad_value});
}
