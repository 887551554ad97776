// The report itself (`spec/snp.md` section 10, steps 1 to 4, 10, 11 and 13; pitfalls 3, 5 to 8, 14
// to 16, 19). (9, 10, parts of 3, 4, 5, 6: also tests/unit/quote. 17, 20, 22 concern devices, TPM
// and keys.)
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd::report_test {
namespace {

using forge::Product;
using forge::ReportKey;
using test::outcome;
using test::SnpCase;

forge::SnpTcb typical(Product product = Product::milan) { return forge::SnpTcb::typical(product); }

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
}  // namespace attestd::report_test
