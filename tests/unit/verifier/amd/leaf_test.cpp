// The leaf for a report (`spec/snp.md` section 10, steps 5 and 9; pitfalls 1, 2, 13, 18, 21): kind,
// chip, TCB and product, and which of several is the one.
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd::leaf_test {
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

TEST_CASE("SNP: the leaf's TCB equals REPORTED_TCB, neither lower nor higher", "[verifier][snp]") {
    for (const int by : {-1, 1}) {
        SnpCase c;
        forge::SnpTcb tcb = typical();
        tcb.microcode = static_cast<std::uint8_t>(tcb.microcode + by);
        c.leaf = c.amd().vcek_spec(c.fields.chip_id, tcb);
        CHECK(outcome(c.setting()) == "refused: snp.leaf.tcb");
    }
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

TEST_CASE("SNP pitfall 21: leaves with serial number 0 are accepted", "[verifier][snp][pitfall]") {
    SnpCase c;
    REQUIRE(c.leaf.serial.empty());
    CHECK(outcome(c.setting()) == "accepted");
}

}  // namespace
}  // namespace attestd::leaf_test
