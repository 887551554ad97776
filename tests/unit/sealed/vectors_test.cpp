// The recorded sealed secrets: each ends as the file says, and for the reason that it stands for.
#include <map>

#include "agent/sealed/signers.h"
#include "agent/sealed/unseal.h"
#include "quote/base/encoding.h"
#include "tests/support/vectors.h"
#include "tests/unit/sealed/sealing.h"

namespace attestd::sealed::vectors_test {
namespace {

// The vectors' own: what it decrypts is the key behind a fixed text.
class LocalTest final : public Providers {
 public:
    Result<Given> pointed_to(const Pointer&) override {
        return fail(Errc::internal, "no pointer is followed here");
    }
    Result<Given> data_key(const Envelope& envelope) override {
        constexpr std::string_view kBefore = "wrapped-by-provider:";
        REQUIRE(envelope.provider == "local-test");
        REQUIRE(as_text(envelope.encrypted_key).starts_with(kBefore));
        ATTESTD_TRY(Secret key,
                    Secret::copy_of(ByteView(envelope.encrypted_key).subspan(kBefore.size())));
        return Given{std::make_shared<const Secret>(std::move(key)), std::nullopt};
    }
};

const std::map<std::string, Errc>& reasons() {
    static const std::map<std::string, Errc> all{{"wrong-signer", Errc::sealed_signature},
                                                 {"alg-none", Errc::sealed_algorithm},
                                                 {"alg-hs256", Errc::sealed_algorithm},
                                                 {"no-kid", Errc::sealed_malformed},
                                                 {"kid-path-traversal", Errc::sealed_untrusted},
                                                 {"fake-signature", Errc::sealed_malformed},
                                                 {"bad-version", Errc::sealed_unsupported},
                                                 {"unknown-type", Errc::sealed_unsupported},
                                                 {"no-prefix", Errc::sealed_malformed},
                                                 {"tampered-payload", Errc::sealed_signature},
                                                 {"duplicate-key", Errc::sealed_payload}};
    return all;
}

}  // namespace

TEST_CASE("sealed vectors: every one, by its reason", "[sealed][vectors]") {
    NEED_VECTORS(file, "kbs/sealed-secrets.json");
    const json vectors = json::parse(test::load_text(file));
    SealedSourceConfig config;
    config.trusted_keys =
        LoadedFile{"signers", to_bytes(as_bytes(vectors.at("signer_jwks").dump()))};
    const auto signers = Signers::make(config);
    REQUIRE_OK(signers);
    std::size_t num_refused = 0;
    for (const json& one : vectors.at("cases")) {
        const std::string name = one.at("name");
        CAPTURE(name);
        const auto parsed = SealedText::parse(one.at("sealed").get<std::string>());
        const Signer* const signer = parsed ? signers->pinned(parsed->kid()) : nullptr;
        REQUIRE((!parsed || signer != nullptr));
        const auto taken = parsed ? verify_sealed(*parsed, *signer)
                                  : Result<VerifiedSealed>(tl::make_unexpected(parsed.error()));
        if (one.at("expect") != "ok") {
            REQUIRE(reasons().contains(name));
            REQUIRE_ERRC(reasons().at(name), taken);
            ++num_refused;
            continue;
        }
        REQUIRE_OK(taken);
        if (const auto* const pointer = std::get_if<Pointer>(&taken->content())) {
            CHECK(pointer->name == one.at("payload").at("name").get<std::string>());
            continue;
        }
        LocalTest provider;
        const auto given = unseal(*taken, provider);
        REQUIRE_OK(given);
        CHECK(given->value->expose([](ByteView bytes) { return std::string(as_text(bytes)); }) ==
              one.at("plaintext").get<std::string>());
    }
    CHECK(num_refused == reasons().size());
}

}  // namespace attestd::sealed::vectors_test
