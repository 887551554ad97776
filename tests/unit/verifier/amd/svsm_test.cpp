// Reports that an SVSM made: REPORT_DATA binds nonce and service manifest together, at VMPL 0.
// (No recorded report of this kind exists: the forged ones follow the text of `spec/snp.md`
// section 8.)
#include "quote/amd/service_manifest.h"
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::has_finding;
using test::outcome;
using test::SnpCase;

constexpr ReportData kNonce{0x11, 0x22, 0x33};
const Bytes kManifest{'o', 'n', 'e', ' ', 's', 'e', 'r', 'v', 'i', 'c', 'e'};

// A report of an SVSM, and the expectations that it meets.
test::Setting setting_of(SnpCase c, const ReportData& nonce, ByteView manifest) {
    c.fields.report_data = svsm_report_data(nonce, manifest);
    test::Setting setting = c.setting();
    setting.expected.report_data = nonce;
    setting.expected.service_manifest = to_bytes(manifest);
    return setting;
}

}  // namespace

TEST_CASE("SVSM: a report that binds nonce and manifest is accepted, and says so",
          "[verifier][snp][svsm]") {
    const AttestationResult result = test::appraise(setting_of(SnpCase(), kNonce, kManifest));
    CHECK(test::outcome_of(result) == "accepted");
    CHECK(has_finding(result, "snp.svsm.manifest"));
    CHECK(outcome(setting_of(SnpCase(), kNonce, {})) == "accepted");  // an empty manifest too
}

TEST_CASE("SVSM: plain equality with the nonce is refused once a manifest is expected",
          "[verifier][snp][svsm]") {
    test::Setting setting = setting_of(SnpCase(), kNonce, kManifest);
    SnpCase plain;
    plain.fields.report_data = kNonce;
    setting.evidence = plain.report();
    CHECK(outcome(setting) == "refused: snp.report-data.mismatch");
    setting.expected.service_manifest = Bytes{};
    CHECK(outcome(setting) == "refused: snp.report-data.mismatch");
    setting.expected.service_manifest.reset();
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("SVSM: another nonce or another manifest is refused", "[verifier][snp][svsm]") {
    test::Setting setting = setting_of(SnpCase(), kNonce, kManifest);
    (*setting.expected.report_data)[63] ^= 1;
    CHECK(outcome(setting) == "refused: snp.report-data.mismatch");
    setting = setting_of(SnpCase(), kNonce, kManifest);
    setting.expected.service_manifest->push_back(0);
    CHECK(outcome(setting) == "refused: snp.report-data.mismatch");
    setting = setting_of(SnpCase(), kNonce, kManifest);
    setting.expected.service_manifest.reset();  // the hash is no nonce
    CHECK(outcome(setting) == "refused: snp.report-data.mismatch");
}

TEST_CASE("SVSM: a report of a lower privilege level is not the SVSM's", "[verifier][snp][svsm]") {
    SnpCase c;
    c.fields.vmpl = 1;
    CHECK(outcome(setting_of(c, kNonce, kManifest)) == "refused: snp.svsm.vmpl");
}

TEST_CASE("SVSM: a manifest without a nonce is judged by nothing, and refused",
          "[verifier][snp][svsm]") {
    test::Setting setting = setting_of(SnpCase(), kNonce, kManifest);
    setting.expected.report_data.reset();
    CHECK(outcome(setting) == "refused: snp.svsm.nonce");
}

TEST_CASE("SVSM: a bound list of services that is malformed is refused", "[verifier][snp][svsm]") {
    Bytes list{0xbb, 0x9e, 0x84, 0x63, 0x92, 0x3d, 0x70, 0x46, 0xa1, 0xff, 0x58, 0xf9,
               0xc9, 0x4b, 0x87, 0xbb, 24,   0,    0,    0,    0,    0,    0,    0};
    CHECK(outcome(setting_of(SnpCase(), kNonce, list)) == "accepted");
    list[16] = 25;
    CHECK(outcome(setting_of(SnpCase(), kNonce, list)) == "refused: snp.svsm.manifest");
}

TEST_CASE("SVSM: no SVSM makes evidence of TDX", "[verifier][snp][svsm]") {
    test::Setting setting = test::IntelCase().setting();
    setting.expected.service_manifest = kManifest;
    CHECK(outcome(setting) == "refused: tdx.svsm.evidence");
}

}  // namespace attestd
