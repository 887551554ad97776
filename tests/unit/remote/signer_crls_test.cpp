// Revocation of token signers: which lists are asked for, which count, and what is done without
// one.
#include "agent/remote/signer_crls.h"

#include "quote/x509/pem.h"
#include "tests/support/forge/x509_forge.h"
#include "tests/unit/remote/remote_samples.h"

namespace attestd::remote::signer_crls_test {
namespace {

using namespace remote_test;
using forge::CrlSpec;
using nlohmann::json;
using test::ContainsSubstring;

const Bytes kLeafSerial{11}, kSigningSerial{12};
constexpr std::string_view kLeafList = "https://crl.example/leaf";
const Window kLife{kNow - std::chrono::hours(1), kNow + std::chrono::hours(1)};

struct Names {
    forge::SigningKey leaf{KeyKind::p256}, stranger_key{KeyKind::p256};
    forge::Issuer signing{{{std::string(forge::oid::kCommonName), "Signing CA"}},
                          forge::SigningKey(KeyKind::p256)};
    forge::Issuer root{{{std::string(forge::oid::kCommonName), "Root CA"}},
                       forge::SigningKey(KeyKind::p256)};
    forge::Issuer stranger{{{std::string(forge::oid::kCommonName), "Another"}},
                           forge::SigningKey(KeyKind::p256)};
};
const Names& names() {
    static const Names made;
    return made;
}

Bytes authority(const forge::Issuer& subject, const forge::Issuer& issuer,
                forge::Extensions more = {}) {
    forge::CertificateSpec spec;
    spec.serial = kSigningSerial;
    spec.subject = subject.name;
    spec.validity = kLife;
    spec.spki = subject.key.spki();
    spec.extensions = std::move(more);
    spec.extensions.push_back(forge::basic_constraints({.ca = true, .path_len = {}}));
    return forge::issue(spec, issuer);
}

Bytes leaf(const std::vector<std::string>& addresses = {std::string(kLeafList)}) {
    forge::CertificateSpec spec;
    spec.serial = kLeafSerial;
    spec.subject = {{std::string(forge::oid::kCommonName), "Leaf"}};
    spec.validity = kLife;
    spec.spki = names().leaf.spki();
    for (const std::string& address : addresses)
        spec.extensions.push_back(forge::crl_distribution_point(address));
    return forge::issue(spec, names().signing);
}
Bytes signing(const std::optional<forge::KeyUsage>& usage = std::nullopt) {
    forge::Extensions more{forge::crl_distribution_point("https://crl.example/ca")};
    if (usage) more.push_back(forge::key_usage(*usage));
    return authority(names().signing, names().root, std::move(more));
}
const Bytes& root() {
    static const Bytes made = authority(names().root, names().root);
    return made;
}

Bytes list_by(const forge::Issuer& issuer, const Window& validity = kLife,
              const std::vector<Bytes>& revoked = {}) {
    CrlSpec spec = forge::crl_spec(validity, issuer.key);
    for (const Bytes& serial : revoked) spec.revoked.push_back({serial, kNow, 1});
    return forge::issue(spec, issuer);
}

json named_key(const forge::SigningKey& key) {
    const Bytes point = key.point();
    return {{"kid", "1"},
            {"kty", "EC"},
            {"crv", "P-256"},
            {"alg", "ES256"},
            {"x", to_base64url(ByteView(point).first(32))},
            {"y", to_base64url(ByteView(point).last(32))}};
}

json entry(const std::vector<Bytes>& certificates) {
    json out = named_key(names().leaf);
    out["x5c"] = json::array();
    for (const Bytes& der : certificates) out["x5c"].push_back(to_base64(der));
    return out;
}

Result<SignerChain> chain_of(const json& jwk, const std::optional<Sha256>& digest = std::nullopt) {
    const auto document = JsonDocument::parse(jwk.dump(), "jwk");
    REQUIRE_OK(document);
    return SignerChain::of_key(document->root(), JwsAlgorithm::es256, {}, digest, kNow);
}

struct Setting {
    std::shared_ptr<ScriptedNetwork> network = std::make_shared<ScriptedNetwork>();
    SignerCrls crls;
    Time now = kNow;

    explicit Setting(CrlRule rule = CrlRule::require) : crls(rule, network) {
        serve("/leaf", list_by(names().signing));
        serve("/ca", list_by(names().root));
    }
    void serve(const std::string& end, const Bytes& list) {
        network->answers.insert_or_assign(end, answered(200, as_text(list)));
    }
    Result<Findings> check(const json& jwk = entry({leaf(), signing(), root()})) {
        const auto chain = chain_of(jwk);
        REQUIRE_OK(chain);
        return crls.check(*chain, now, soon());
    }
};

}  // namespace

TEST_CASE(
    "signer chain: leaf, signing CA and root are found in any order, and no other set of them",
    "[remote][chain]") {
    const auto chain = chain_of(entry({root(), leaf(), signing()}));
    REQUIRE_OK(chain);
    REQUIRE(chain->certificates().size() == 3);
    CHECK(signer_name(*chain->certificates()[0]) == "/CN=Leaf");
    CHECK(signer_name(*chain->certificates()[2]) == "/CN=Root CA");
    REQUIRE_OK(chain_of(entry({leaf(), signing(), root()}), sha256(root())));

    struct Row {
        const char* name;
        json jwk;
        const char* says;
    };
    const Bytes other_root = authority(names().stranger, names().stranger);
    json another_key = named_key(names().stranger_key);
    another_key["x5c"] = entry({leaf(), signing(), root()})["x5c"];
    json no_list = another_key;
    no_list["x5c"] = "text";
    const auto row = GENERATE_COPY(values<Row>(
        {{"no certificate", entry({}), "1 to 10"},
         {"no list", no_list, "1 to 10"},
         {"eleven", entry(std::vector<Bytes>(11, signing())), "1 to 10"},
         {"no leaf", entry({signing(), root()}), "not exactly one"},
         {"two leaves", entry({leaf(), leaf(), signing(), root()}), "not exactly one"},
         {"no root", entry({leaf(), signing()}), "no root"},
         {"two roots", entry({leaf(), signing(), root(), other_root}), "more than one root"},
         {"another root", entry({leaf(), signing(), other_root}), "issuer"},
         {"no signing CA", entry({leaf(), root()}), "issuer"},
         {"junk", entry({leaf(), Bytes{1, 2}, root()}), "no certificate"},
         {"another key beside it", another_key, "another key"}}));
    INFO(row.name);
    const auto refused = chain_of(row.jwk);
    REQUIRE_ERRC(Errc::token_untrusted, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("signer chain: a pinned digest is the root's, and nothing else will do",
          "[remote][chain]") {
    const auto refused = chain_of(entry({leaf(), signing(), root()}), sha256(signing()));
    REQUIRE_ERRC(Errc::token_untrusted, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(to_hex(sha256(root()))));
}

TEST_CASE("signer revocation: lists of leaf and signing CA are fetched, and kept to their end",
          "[remote][crl]") {
    Setting s;
    const auto first = s.check();
    REQUIRE_OK(first);
    CHECK(first->empty());
    CHECK(s.network->asked.size() == 2);
    s.now += std::chrono::seconds(3599);
    REQUIRE_OK(s.check());
    CHECK(s.network->asked.size() == 2);
    s.now += std::chrono::seconds(1);  // both are due
    REQUIRE_ERRC(Errc::crl_expired, s.check());
    CHECK(s.network->asked.size() == 3);
    const Window next{kNow + std::chrono::hours(1), kNow + std::chrono::hours(2)};
    s.serve("/leaf", list_by(names().signing, next));
    s.serve("/ca", list_by(names().root, next));
    REQUIRE_OK(s.check());
    CHECK(s.network->asked.size() == 5);
}

TEST_CASE("signer revocation: a revoked certificate and a list that is no good refuse, soft or not",
          "[remote][crl]") {
    struct Row {
        const char* name;
        const char* end;
        Bytes list;
        Errc want;
    };
    const forge::Issuer impostor{names().signing.name, names().stranger_key};
    const Window ended{kNow - std::chrono::hours(2), kNow - std::chrono::seconds(1)};
    const Window to_come{kNow + std::chrono::seconds(100), kNow + std::chrono::hours(1)};
    CrlSpec differences = forge::crl_spec(kLife, names().signing.key);
    differences.extensions.push_back({"2.5.29.27", /*critical=*/true, Bytes{0x02, 0x01, 0x01}});
    Bytes trailing = list_by(names().signing);
    trailing.push_back(0);
    const auto row = GENERATE_COPY(values<Row>({
        {"leaf", "/leaf", list_by(names().signing, kLife, {{5}, kLeafSerial}), Errc::leaf_revoked},
        {"signing CA", "/ca", list_by(names().root, kLife, {kSigningSerial}),
         Errc::intermediate_revoked},
        {"expired", "/leaf", list_by(names().signing, ended), Errc::crl_expired},
        {"of the future", "/leaf", list_by(names().signing, to_come), Errc::crl_not_yet_valid},
        {"another key", "/leaf", list_by(impostor), Errc::crl_signature},
        {"another issuer", "/leaf", list_by(names().root), Errc::crl_issuer},
        {"no end", "/leaf", list_by(names().signing, {kLife.from, Time::max()}),
         Errc::crl_malformed},
        {"differences alone", "/leaf", forge::issue(differences, names().signing),
         Errc::crl_malformed},
        {"a byte more", "/leaf", trailing, Errc::crl_malformed},
        {"no list", "/leaf", Bytes{1, 2, 3}, Errc::crl_malformed},
    }));
    INFO(row.name);
    for (const CrlRule rule : {CrlRule::require, CrlRule::soft}) {
        Setting s(rule);
        s.serve(row.end, row.list);
        REQUIRE_ERRC(row.want, s.check());
        // A list is kept when it is good, and no other: the next attempt looks again.
        const bool is_good =
            row.want == Errc::leaf_revoked || row.want == Errc::intermediate_revoked;
        const Setting honest(rule);
        s.network->answers = honest.network->answers;
        REQUIRE(s.check().has_value() == !is_good);
    }
}

TEST_CASE(
    "signer revocation: a list as PEM is one, too, and an authority may be kept from signing any",
    "[remote][crl]") {
    Setting s;
    const Bytes list = list_by(names().signing);
    s.serve("/leaf", to_bytes(as_bytes(to_pem("X509 CRL", list))));
    REQUIRE_OK(s.check());
    Setting other;
    other.serve("/leaf", to_bytes(as_bytes(to_pem("CERTIFICATE", list))));
    REQUIRE_ERRC(Errc::crl_malformed, other.check());
    REQUIRE_ERRC(Errc::crl_issuer,
                 Setting().check(entry({leaf(), signing(forge::kCertSign), root()})));
    REQUIRE_OK(Setting().check(entry({leaf(), signing(forge::kCertAndCrlSign), root()})));
}

TEST_CASE(
    "signer revocation: a list that cannot be had is an outage, or by configuration a warning",
    "[remote][crl]") {
    struct Row {
        const char* name;
        std::vector<std::string> addresses;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"none is named", {}, "it names none"},
        {"unreachable", {"https://crl.example/nowhere"}, "fetch.unreachable"},
        {"not found", {"https://crl.example/404"}, "status 404"},
        {"no address", {""}, "it names none"},
        {"blanks", {"https://crl.example/leaf x"}, "it names none"},
    }));
    INFO(row.name);
    const json jwk = entry({leaf(row.addresses), signing(), root()});
    Setting strict;
    strict.network->answers.insert_or_assign("/404", answered(404, "gone"));
    const auto refused = strict.check(jwk);
    REQUIRE_ERRC(Errc::crl_missing, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
    Setting soft(CrlRule::soft);
    soft.network->answers = strict.network->answers;
    const auto warned = soft.check(jwk);
    REQUIRE_OK(warned);
    REQUIRE(warned->size() == 1);
    CHECK(warned->front().id == "crl.missing");
    CHECK(warned->front().severity == Severity::warning);
    CHECK_THAT(warned->front().detail, ContainsSubstring("/CN=Leaf"));
}

TEST_CASE("signer revocation: a list signed over SHA-1 is signed by nobody", "[remote][crl]") {
    using OpensslList = std::unique_ptr<X509_CRL, Free<X509_CRL_free>>;
    const test::JwsForge key("P-256");
    const auto issuer = parse_signer_certificate(test::jws_certificate(
        key, "Signing CA", key, "Signing CA", /*is_authority=*/true, kSeconds));
    REQUIRE(issuer);
    const auto signed_over = [&](const EVP_MD* digest) {
        const Bytes forged = list_by(names().signing);
        const unsigned char* at = forged.data();
        const OpensslList list(d2i_X509_CRL(nullptr, &at, static_cast<long>(forged.size())));
        REQUIRE(X509_CRL_sign(list.get(), key.key(), digest) > 0);
        unsigned char* der = nullptr;
        const int len = i2d_X509_CRL(list.get(), &der);
        REQUIRE(len > 0);
        const auto parsed = SignerCrl::parse(ByteView(der, static_cast<std::size_t>(len)));
        OPENSSL_free(der);
        REQUIRE_OK(parsed);
        return parsed->check(*issuer, kNow);
    };
    REQUIRE_OK(signed_over(EVP_sha384()));
    REQUIRE_ERRC(Errc::crl_signature, signed_over(EVP_sha1()));
}

}  // namespace attestd::remote::signer_crls_test
