// The pitfalls of `spec/snp.md` section 15, by their numbers, and every step of section 10 that can
// refuse. (9, 10, parts of 3, 4, 5, 6: also tests/unit/quote. 13, 17, 20, 22 concern fetching,
// devices, TPM, keys.)
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using forge::Product;
using forge::ReportKey;
using test::outcome;
using test::SnpCase;

forge::SnpTcb typical(Product product = Product::milan) { return forge::SnpTcb::typical(product); }

std::string amd_oid(std::string_view suffix) {
    return std::string(forge::kAmdArc) + "." + std::string(suffix);
}

TEST_CASE("SNP pitfall 0: the unspoilt cases are accepted", "[verifier][snp][pitfall]") {
    CHECK(outcome(SnpCase().setting()) == "accepted");
    CHECK(outcome(SnpCase(Product::turin, 5).setting()) == "accepted");
    CHECK(outcome(SnpCase(Product::milan, 5, ReportKey::vlek).setting()) == "accepted");
}

TEST_CASE("SNP pitfall 1: a VCEK of another chip is refused", "[verifier][snp][pitfall]") {
    const auto product = GENERATE(Product::milan, Product::turin);
    SnpCase c(product);
    ByteArray<64> chip = c.fields.chip_id;
    chip[forge::hwid_len(product) - 1] ^= 1;
    c.leaf = c.amd().vcek_spec(chip, typical(product));
    CHECK(outcome(c.setting()) == "refused: snp.leaf.chip");
}

TEST_CASE("SNP: a Turin CHIP_ID with more than eight bytes is refused", "[verifier][snp]") {
    SnpCase c(Product::turin);
    c.fields.chip_id[8] = 1;
    CHECK(outcome(c.setting()) == "refused: snp.leaf.chip");
}

TEST_CASE("SNP: a masked CHIP_ID is refused unless the policy allows it, a VLEK is not asked",
          "[verifier][snp]") {
    SnpCase c;
    c.fields.chip_id = {};
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "refused: snp.leaf.chip-id-masked");
    setting.policy.snp.allow_masked_chip_id = true;
    CHECK(outcome(setting) == "accepted");
    SnpCase vlek(Product::milan, 3, ReportKey::vlek);
    CHECK(outcome(vlek.setting()) == "accepted");
}

TEST_CASE("SNP pitfall 2: leaf kind, SIGNING_KEY and intermediate must agree",
          "[verifier][snp][pitfall]") {
    const SnpCase vlek(Product::milan, 3, ReportKey::vlek);
    SnpCase c;
    c.leaf = vlek.leaf;
    c.intermediate = vlek.intermediate;
    c.leaf_issuer = c.amd().asvk_issuer();
    CHECK(outcome(c.setting()) == "refused: snp.leaf.kind");

    c = SnpCase(Product::milan, 3, ReportKey::vlek);
    c.leaf = SnpCase().leaf;
    CHECK(outcome(c.setting()) == "refused: snp.leaf.kind");

    c = SnpCase();  // a VCEK under the VLEKs' authority
    c.intermediate = vlek.intermediate;
    c.leaf_issuer = c.amd().asvk_issuer();
    CHECK(outcome(c.setting()) == "refused: snp.chain.name");

    c = SnpCase();  // a VCEK that calls itself a VLEK
    forge::common_name(c.leaf.subject) = "SEV-VLEK";
    CHECK(outcome(c.setting()) == "refused: snp.chain.name");
}

TEST_CASE("SNP pitfall 3: reports that nothing signed are refused", "[verifier][snp][pitfall]") {
    SnpCase c;
    c.fields.set_signing_key(ReportKey::none);
    CHECK(outcome(c.setting()) == "refused: snp.report.unsigned");
    c = SnpCase();
    c.fields.key_info |= 2;
    CHECK(outcome(c.setting()) == "refused: snp.report.unsigned");
    c = SnpCase();
    c.spoil_report = [](Bytes& r) { std::fill(r.begin() + 0x2a0, r.end(), std::uint8_t{0}); };
    CHECK(outcome(c.setting()) == "refused: snp.report.unsigned");
}

TEST_CASE("SNP pitfall 5: family 0x19 model 0xa0 is Genoa's line", "[verifier][snp][pitfall]") {
    SnpCase c(Product::genoa, 5);
    c.fields.cpuid_model = 0xa0;
    CHECK(outcome(c.setting()) == "accepted");
    c.fields.cpuid_model = 0x20;
    CHECK(outcome(c.setting()) == "refused: snp.report.product-unknown");
    c.fields.cpuid_family = 0x1a;
    c.fields.cpuid_model = 0x50;  // Venice
    CHECK(outcome(c.setting()) == "refused: snp.report.product-unknown");
}

TEST_CASE("SNP pitfall 6: POLICY bit 25 and PLATFORM_INFO bit 6 do not refuse",
          "[verifier][snp][pitfall]") {
    SnpCase c(Product::turin, 5);
    c.fields.policy |= 0x02000000;
    c.fields.platform_info = 0x65;
    const AttestationResult result = test::appraise(c.setting());
    CHECK(test::outcome_of(result) == "accepted");
    CHECK(test::has_finding(result, "snp.platform-info.unknown"));
    c.fields.platform_info = 0x25;
    CHECK_FALSE(test::has_finding(test::appraise(c.setting()), "snp.platform-info.unknown"));
}

TEST_CASE("SNP pitfall 7: the signature covers the bytes as they came",
          "[verifier][snp][pitfall]") {
    const std::size_t at =
        GENERATE(0x04U, 0x40U, 0x50U, 0x90U, 0xc0U, 0x140U, 0x160U, 0x18aU, 0x1f0U);
    SnpCase c;
    c.spoil_report = [&](Bytes& r) { r[at] ^= 0x04; };
    CHECK(outcome(c.setting()) == "refused: snp.report.signature");
}

TEST_CASE("SNP pitfall 8: the order REPORTED, COMMITTED, CURRENT holds for each component",
          "[verifier][snp][pitfall]") {
    const Product product = GENERATE(Product::milan, Product::turin);
    using Member = std::uint8_t forge::SnpTcb::*;
    std::vector<Member> members{&forge::SnpTcb::bootloader, &forge::SnpTcb::tee,
                                &forge::SnpTcb::snp, &forge::SnpTcb::microcode};
    if (product == Product::turin) members.push_back(&forge::SnpTcb::fmc);
    for (const Member member : members) {
        forge::SnpTcb higher = typical(product);
        ++(higher.*member);
        SnpCase c(product);
        c.fields.committed_tcb = forge::tcb_bytes(higher, product);
        CHECK(outcome(c.setting()) == "refused: snp.tcb.order");
        c.fields.current_tcb = c.fields.committed_tcb;
        CHECK(outcome(c.setting()) == "accepted");  // REPORTED may lie behind
        c = SnpCase(product);
        c.fields.current_tcb = forge::tcb_bytes(higher, product);
        CHECK(outcome(c.setting()) == "accepted");
        c = SnpCase(product);
        c.fields.reported_tcb = forge::tcb_bytes(higher, product);
        c.leaf = c.amd().vcek_spec(c.fields.chip_id, higher);
        CHECK(outcome(c.setting()) == "refused: snp.tcb.order");
    }
}

TEST_CASE("SNP: a committed firmware version above the current one is refused", "[verifier][snp]") {
    SnpCase c;
    c.fields.committed_version.build = 30;
    CHECK(outcome(c.setting()) == "refused: snp.tcb.order");
    c.fields.current_version.minor = 56;
    CHECK(outcome(c.setting()) == "accepted");
}

TEST_CASE("SNP: reserved bytes of the product's TCB layout are refused", "[verifier][snp]") {
    SnpCase c;
    c.fields.launch_tcb[3] = 1;
    CHECK(outcome(c.setting()) == "refused: snp.report.malformed");
    c = SnpCase(Product::turin);
    c.fields.current_tcb[6] = 1;
    CHECK(outcome(c.setting()) == "refused: snp.report.malformed");
}

TEST_CASE("SNP: the leaf's TCB equals REPORTED_TCB, neither lower nor higher", "[verifier][snp]") {
    for (const int by : {-1, 1}) {
        SnpCase c;
        forge::SnpTcb tcb = typical();
        tcb.microcode = static_cast<std::uint8_t>(tcb.microcode + by);
        c.leaf = c.amd().vcek_spec(c.fields.chip_id, tcb);
        CHECK(outcome(c.setting()) == "refused: snp.leaf.tcb");
    }
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

forge::CrlSpec list_of(const SnpCase& c, std::vector<forge::RevokedCertificate> revoked = {}) {
    forge::CrlSpec spec = forge::crl_spec(test::fresh(), c.amd().keys().ark);
    spec.revoked = std::move(revoked);
    return spec;
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

TEST_CASE("SNP pitfall 13: of several leaves the one for the report's TCB is found",
          "[verifier][snp][pitfall]") {
    SnpCase c;
    test::Setting setting = c.setting();
    setting.endorsements.insert(
        setting.endorsements.begin(),
        c.amd().vcek(c.fields.chip_id, forge::SnpTcb::outdated(Product::milan)));
    CHECK(outcome(setting) == "accepted");
    SnpCase expired;
    expired.leaf.validity.until = test::now() - std::chrono::seconds(1);
    setting.endorsements.insert(setting.endorsements.begin(), expired.endorsements()[0]);
    CHECK(outcome(setting) == "accepted");
}

// Every provider has a VLEK of its own for a product and TCB: only the signature tells them apart.
TEST_CASE("SNP: of several providers' VLEKs the one that signed is found", "[verifier][snp]") {
    const SnpCase c(Product::milan, 3, ReportKey::vlek);
    SnpCase other(Product::milan, 3, ReportKey::vlek);
    const forge::SigningKey key(KeyKind::p384);
    other.leaf.spki = key.spki();
    forge::find_extension(other.leaf.extensions, amd_oid("5")).value =
        forge::der::text(forge::der::Tag::ia5_string, "CN=other");
    test::Setting setting = c.setting();
    setting.policy.snp.csp_ids = {std::string(test::kCspId)};
    setting.endorsements.push_back(other.endorsements()[0]);
    test::Setting turned = setting;
    std::reverse(turned.endorsements.begin(), turned.endorsements.end());
    CHECK(outcome(setting) == "accepted");
    CHECK(outcome(turned) == "accepted");
    // One verifier, both reports: what it remembers of one is not taken for the other.
    LocalVerifier verifier(test::anchors_of(setting));
    test::Setting theirs = setting;
    theirs.evidence = forge::forge_report(c.fields, key);
    CHECK(test::outcome_of(test::appraise_by(verifier, setting)) == "accepted");
    CHECK(test::outcome_of(test::appraise_by(verifier, theirs)) == "refused: snp.csp-id.mismatch");
    theirs.policy.snp.csp_ids = {"CN=other"};
    CHECK(test::outcome_of(test::appraise_by(verifier, theirs)) == "accepted");
    // The authority absent: undecided for either key, refused for a third.
    setting.endorsements.erase(setting.endorsements.begin() + 1);
    theirs.endorsements.erase(theirs.endorsements.begin() + 1);
    CHECK(outcome(setting) == "undecided: snp.chain.missing");
    CHECK(outcome(theirs) == "undecided: snp.chain.missing");
    theirs.evidence = forge::forge_report(c.fields, c.amd().keys().vcek);
    CHECK(outcome(theirs) == "refused: snp.report.signature");
}

TEST_CASE("SNP pitfall 14: report data is compared over all 64 bytes", "[verifier][snp][pitfall]") {
    SnpCase c;
    c.fields.report_data.fill(0x33);
    test::Setting setting = c.setting();
    setting.expected.report_data = c.fields.report_data;
    CHECK(outcome(setting) == "accepted");
    const std::size_t at = GENERATE(0U, 31U, 32U, 63U);
    setting.expected.report_data->at(at) ^= 1;
    CHECK(outcome(setting) == "refused: snp.report-data.mismatch");
}

TEST_CASE("SNP pitfall 15: VMPLs outside the policy's list are refused",
          "[verifier][snp][pitfall]") {
    SnpCase c;
    c.fields.vmpl = 1;
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "accepted");  // the baseline lists all four
    setting.policy.snp.vmpl = {0};
    CHECK(outcome(setting) == "refused: snp.policy.vmpl");
    setting.policy.snp.vmpl = {};
    CHECK(outcome(setting) == "refused: snp.policy.vmpl");
}

TEST_CASE("SNP pitfall 16: an empty list of measurements refuses", "[verifier][snp][pitfall]") {
    SnpCase c;
    test::Setting setting = c.setting();
    CHECK(test::has_finding(test::appraise(setting), "snp.measurement.unpinned"));
    auto& measurement = setting.policy.snp.measurement;
    measurement.kind = ReferenceValues<48>::Kind::listed;
    CHECK(outcome(setting) == "refused: snp.measurement.mismatch");
    measurement.values = {c.fields.measurement};
    CHECK(outcome(setting) == "accepted");
    measurement.values[0][47] ^= 1;
    CHECK(outcome(setting) == "refused: snp.measurement.mismatch");
    measurement.kind = ReferenceValues<48>::Kind::any;
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("SNP pitfall 18: a version 2 report takes its product from a verified leaf alone",
          "[verifier][snp][pitfall]") {
    SnpCase c(Product::genoa, 2);
    const AttestationResult result = test::appraise(c.setting());
    CHECK(test::outcome_of(result) == "accepted");
    CHECK(std::get<SnpReport>(result.claims()).product == attestd::Product::genoa);
    test::Setting alone = c.setting();
    alone.endorsements.clear();
    const AttestationResult unknown = test::appraise(alone);
    CHECK(test::outcome_of(unknown) == "undecided: snp.leaf.missing");
    CHECK_FALSE(std::get<SnpReport>(unknown.claims()).product);
}

TEST_CASE("SNP: report, leaf and chain of different products are refused", "[verifier][snp]") {
    SnpCase c;
    const SnpCase genoa(Product::genoa);
    test::Setting setting = c.setting();
    setting.endorsements = genoa.endorsements();
    setting.anchors = genoa.setting().anchors;
    CHECK(outcome(setting) == "refused: snp.report.product-mismatch");
    c = SnpCase();  // productName of another product than the issuer's
    forge::find_extension(c.leaf.extensions, amd_oid("2")).value =
        forge::der::text(forge::der::Tag::ia5_string, "Genoa");
    CHECK(outcome(c.setting()) == "refused: snp.chain.name");
}

TEST_CASE("SNP pitfall 19: the high-S twin verifies and has the same evidence digest",
          "[verifier][snp][pitfall]") {
    SnpCase c;
    const test::Setting setting = c.setting();
    test::Setting twin = setting;
    // s := n - s, little-endian, over 48 bytes.
    const Bytes n = from_hex(
                        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248"
                        "b0a77aecec196accc52973",
                        "n")
                        .value();
    int borrow = 0;
    for (std::size_t i = 0; i < 48; ++i) {
        std::uint8_t& s = twin.evidence[0x2a0 + 72 + i];
        const int digit = n[47 - i] - s - borrow;
        borrow = digit < 0 ? 1 : 0;
        s = static_cast<std::uint8_t>(digit + 256 * borrow);
    }
    REQUIRE(twin.evidence != setting.evidence);
    const AttestationResult a = test::appraise(setting), b = test::appraise(twin);
    CHECK(test::outcome_of(b) == "accepted");
    CHECK(a.evidence_digest() == b.evidence_digest());
}

TEST_CASE("SNP: signatures that no key makes are refused", "[verifier][snp]") {
    const auto spoil = GENERATE(
        as<void (*)(Bytes&)>{},
        [](Bytes& r) { std::fill_n(r.begin() + 0x2a0, 48, std::uint8_t{0}); },
        [](Bytes& r) { std::fill_n(r.begin() + 0x2a0 + 72, 48, std::uint8_t{0}); },
        [](Bytes& r) { std::fill_n(r.begin() + 0x2a0, 48, std::uint8_t{0xff}); },
        [](Bytes& r) { std::fill_n(r.begin() + 0x2a0 + 72, 48, std::uint8_t{0xff}); });
    SnpCase c;
    c.spoil_report = spoil;
    CHECK(outcome(c.setting()) == "refused: snp.report.signature");
}

TEST_CASE("SNP pitfall 21: leaves with serial number 0 are accepted", "[verifier][snp][pitfall]") {
    SnpCase c;
    REQUIRE(c.leaf.serial.empty());
    CHECK(outcome(c.setting()) == "accepted");
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

// "RSA-PSS SHA-384 at every link; RSA modulus 4096": also under an anchor that somebody added.
// Whatever is damaged, 1184 bytes that are no quote are a report that does not parse.
TEST_CASE("SNP: a damaged report is refused as a report", "[verifier][snp]") {
    struct Row {
        const char* name;
        std::size_t at;
        std::uint8_t value;
    };
    const Row row = GENERATE(values<Row>({{"VERSION 0x13", 0, 0x13},
                                          {"VERSION 0x01000003", 3, 0x01},
                                          {"SIGNATURE_ALGO 3", 0x34, 3},
                                          {"SIGNATURE_ALGO 0x80000001", 0x37, 0x80}}));
    INFO(row.name);
    SnpCase c;
    c.spoil_report = [&](Bytes& report) { report.at(row.at) = row.value; };
    CHECK(outcome(c.setting()) == "refused: snp.report.malformed");
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

TEST_CASE("SNP: a report of another length or version is refused as a malformed report",
          "[verifier][snp]") {
    SnpCase c;
    test::Setting setting = c.setting();
    setting.evidence[0] = 6;
    CHECK(outcome(setting) == "refused: snp.report.malformed");
    setting = c.setting();
    setting.evidence.pop_back();
    CHECK(outcome(setting) == "refused: snp.report.malformed");
    setting = c.setting();
    setting.evidence.push_back(0);
    CHECK(outcome(setting) == "refused: snp.report.malformed");
}

}  // namespace
}  // namespace attestd
