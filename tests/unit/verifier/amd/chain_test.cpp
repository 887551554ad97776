// The chain behind a leaf (`spec/snp.md` section 10, steps 6 to 8; pitfalls 10 to 12): one defect
// at a time, and the finding that must say so.
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using forge::Product;
using test::outcome;
using test::SnpCase;

std::string amd_oid(std::string_view suffix) {
    return std::string(forge::kAmdArc) + "." + std::string(suffix);
}

forge::CrlSpec list_of(const SnpCase& c, std::vector<forge::RevokedCertificate> revoked = {}) {
    forge::CrlSpec spec = forge::crl_spec(test::fresh(), c.amd().keys().ark);
    spec.revoked = std::move(revoked);
    return spec;
}

TEST_CASE("SNP pitfalls 10, 11: only the pinned key is a root, whoever delivers it",
          "[verifier][snp][pitfall]") {
    SnpCase c;
    test::Setting setting = c.setting();
    const std::vector<Bytes> all = c.endorsements();
    setting.endorsements = {forge::certificate_table(
        {{forge::guid::kVcek, all[0]}, {forge::guid::kAsk, all[1]}, {forge::guid::kArk, all[2]}})};
    CHECK(outcome(setting) == "accepted");
    setting.anchors.clear();
    CHECK(outcome(setting) == "refused: snp.chain.untrusted-root");
    setting.endorsements = all;
    CHECK(outcome(setting) == "refused: snp.chain.untrusted-root");
}

TEST_CASE("SNP pitfall 12: each certificate must be valid at the time asked for",
          "[verifier][snp][pitfall]") {
    struct Row {
        const char* name;
        forge::CertificateSpec SnpCase::*which;
    };
    const Row row = GENERATE(values<Row>({{"leaf", &SnpCase::leaf},
                                          {"intermediate", &SnpCase::intermediate},
                                          {"root", &SnpCase::root}}));
    INFO(row.name);
    SnpCase c;
    (c.*row.which).validity = {test::now() - std::chrono::days(9),
                               test::now() - std::chrono::seconds(1)};
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "refused: snp.chain.expired");
    setting.at -= std::chrono::seconds(1);
    CHECK(outcome(setting) == "accepted");  // old evidence can be judged at its own time
    setting.at -= std::chrono::days(10);
    CHECK(outcome(setting) == "refused: snp.chain.not-yet-valid");
}

TEST_CASE("SNP pitfall 12: PKCS #1 v1.5 in place of PSS is refused where it is read",
          "[verifier][snp][pitfall]") {
    SnpCase c;
    forge::Issuer issuer = c.amd().ask_issuer();
    issuer.signature = forge::Signature::rsa_pkcs1_sha384;
    Endorsements endorsements;
    REQUIRE_ERRC(Errc::chain_algorithm, endorsements.add(forge::issue(c.leaf, issuer), "leaf"));
}

TEST_CASE("SNP pitfall 12: a list is checked when it is there", "[verifier][snp][pitfall]") {
    SnpCase c;
    c.crl = list_of(c);
    CHECK(outcome(c.setting()) == "accepted");
    c.crl = list_of(c, {{c.intermediate.serial, test::now()}});
    CHECK(outcome(c.setting()) == "refused: snp.crl.intermediate-revoked");
    c.crl = list_of(c, {{{}, test::now()}});  // serial 0, which every leaf has, stands for nothing
    CHECK(outcome(c.setting()) == "accepted");
    c.leaf.serial = {0x77};
    c.crl = list_of(c, {{{0x77}, test::now()}});
    CHECK(outcome(c.setting()) == "refused: snp.crl.leaf-revoked");
    c = SnpCase();
    c.crl = list_of(c);
    c.crl->validity.until = test::now() - std::chrono::seconds(1);
    CHECK(outcome(c.setting()) == "refused: snp.crl.expired");
    c.crl->validity = {test::now() + std::chrono::seconds(1), test::now() + std::chrono::days(1)};
    CHECK(outcome(c.setting()) == "refused: snp.crl.not-yet-valid");
    c.crl = list_of(c);
    c.crl_issuer = forge::Issuer{c.amd().ark_issuer().name, c.amd().keys().ask,
                                 forge::Signature::rsa_pss_sha384};
    CHECK(outcome(c.setting()) == "refused: snp.crl.signature");
}

TEST_CASE("SNP: a demanded list that is absent leaves the result undecided", "[verifier][snp]") {
    SnpCase c;
    test::Setting setting = c.setting();
    setting.policy.snp.require_crl = true;
    CHECK(outcome(setting) == "undecided: snp.crl.missing");
    c.crl = list_of(c);
    setting.endorsements = c.endorsements();
    CHECK(outcome(setting) == "accepted");
    CHECK(test::appraise(setting).valid_until() == test::fresh().until);
}

TEST_CASE("SNP: another product's list is none of this chain's", "[verifier][snp]") {
    SnpCase c;
    const SnpCase genoa(Product::genoa);
    c.crl = list_of(genoa, {{c.intermediate.serial, test::now()}});
    c.crl_issuer = genoa.amd().ark_issuer();
    const AttestationResult result = test::appraise(c.setting());
    CHECK(test::outcome_of(result) == "accepted");
    CHECK(test::has_finding(result, "snp.crl.not-given"));
}

TEST_CASE("SNP: each defect of the chain is refused for its own reason", "[verifier][snp]") {
    struct Row {
        const char* name;
        void (*spoil)(SnpCase&);
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {"the leaf signed by the root",
         [](auto& c) {
             c.leaf_issuer = forge::Issuer{c.amd().ask_issuer().name, c.amd().keys().ark,
                                           forge::Signature::rsa_pss_sha384};
         },
         "chain.signature"},
        {"the intermediate signed by itself",
         [](auto& c) {
             c.intermediate_issuer = forge::Issuer{c.amd().ark_issuer().name, c.amd().keys().ask,
                                                   forge::Signature::rsa_pss_sha384};
         },
         "chain.signature"},
        {"an intermediate that is no authority",
         [](auto& c) {
             forge::find_extension(c.intermediate.extensions, forge::oid::kBasicConstraints).value =
                 forge::der::sequence({});
         },
         "chain.constraints"},
        {"an intermediate without basic constraints",
         [](auto& c) {
             forge::remove_extension(c.intermediate.extensions, forge::oid::kBasicConstraints);
         },
         "chain.constraints"},
        {"an intermediate without key usage",
         [](auto& c) { forge::remove_extension(c.intermediate.extensions, forge::oid::kKeyUsage); },
         "chain.constraints"},
        {"an intermediate that may not sign certificates",
         [](auto& c) {
             forge::find_extension(c.intermediate.extensions, forge::oid::kKeyUsage) =
                 forge::key_usage(forge::kSignAndNonRepudiation);
         },
         "chain.constraints"},
        {"a root that is no authority",
         [](auto& c) { forge::remove_extension(c.root.extensions, forge::oid::kBasicConstraints); },
         "chain.constraints"},
        {"a root with path length 0",
         [](auto& c) {
             forge::find_extension(c.root.extensions, forge::oid::kBasicConstraints) =
                 forge::basic_constraints({true, std::uint8_t{0}});
         },
         "chain.constraints"},
        {"a leaf that is an authority",
         [](auto& c) {
             c.leaf.extensions.push_back(forge::basic_constraints({true, {}}));
         },
         "chain.constraints"},
        {"a leaf that may sign certificates",
         [](auto& c) { c.leaf.extensions.push_back(forge::key_usage(forge::kCertSign)); },
         "chain.constraints"},
        {"an unknown critical extension",
         [](auto& c) {
             c.leaf.extensions.push_back({"1.2.3.4", true, forge::der::null()});
         },
         "chain.constraints"},
        {"a leaf's name of another organization",
         [](auto& c) { c.leaf.subject[4].text = "Advanced Mikro Devices"; }, "chain.name"},
        {"a leaf without AMD's extensions",
         [](auto& c) {
             std::erase_if(c.leaf.extensions,
                           [](const auto& e) { return e.oid.starts_with(forge::kAmdArc); });
         },
         "chain.extension"},
        {"a further extension under AMD's arc",
         [](auto& c) {
             c.leaf.extensions.push_back({amd_oid("6"), false, forge::der::null()});
         },
         "chain.extension"},
        {"a key on P-256", [](auto& c) { c.leaf.spki = forge::shared_intel_keys().pck.spki(); },
         "chain.algorithm"},
        {"an intermediate on P-384",
         [](auto& c) { c.intermediate.spki = c.amd().keys().vcek.spki(); }, "chain.algorithm"},
    }));
    INFO(row.name);
    SnpCase c;
    row.spoil(c);
    CHECK(outcome(c.setting()) == std::string("refused: snp.") + row.want);
}

// Dates are a statement of the certificate's: believed only once its signature holds.
TEST_CASE("SNP: a damaged root is refused for its signature, whatever date the damage shows",
          "[verifier][snp][chain]") {
    SnpCase c;
    c.root.validity.until = test::now() - std::chrono::seconds(1);
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "refused: snp.chain.expired");
    setting.endorsements[2].back() ^= 1;
    CHECK(outcome(setting) == "refused: snp.chain.signature");
}

// "RSA-PSS SHA-384 at every link; RSA modulus 4096": also under an anchor that somebody added.
TEST_CASE("SNP: a root with another kind of key is refused although it is an anchor",
          "[verifier][snp]") {
    SnpCase c;
    const forge::SigningKey key(KeyKind::p256);
    const forge::Issuer issuer{c.amd().ark_issuer().name, key, forge::Signature::ecdsa_sha256};
    c.root.spki = key.spki();
    c.intermediate_issuer = issuer;
    const Bytes root = forge::issue(c.root, issuer);
    test::Setting setting = c.setting();
    setting.endorsements[2] = root;
    setting.anchors = {root};
    CHECK(outcome(setting) == "refused: snp.chain.algorithm");
}

}  // namespace
}  // namespace attestd
