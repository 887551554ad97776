// Evidence of Azure confidential VMs under forged hierarchies: each step of `spec/snp.md` section
#include <nlohmann/json.hpp>

#include "tests/unit/verifier/azure/azure_spoilt.h"
#include "verifier/claims_json.h"

namespace attestd::azure_test {

TEST_CASE("Azure: the unspoilt cases are accepted, with the claims of report and vTPM",
          "[verifier][azure]") {
    const AzureCase c(both());
    const AttestationResult result = test::appraise(c);
    CHECK(test::outcome_of(result) == "accepted");
    CHECK(result.format() ==
          (c.tee == AzureTee::snp ? "azure-snp-report-v3" : "azure-tdx-quote-v4"));
    REQUIRE_OK(result.affirming());
    const auto claims = to_json(result)["claims"];
    CHECK(claims.contains(c.tee == AzureTee::snp ? "measurement" : "mrtd"));
    const auto& azure = claims["azure"];
    CHECK(azure["nonce"] == to_hex(challenge()));
    CHECK(azure["pcrs"]["4"] == to_hex(c.quote.pcrs[4]));
    CHECK(azure["pcrs"].size() == 24);
    CHECK(azure["vm_configuration"]["secure_boot"] == true);
    CHECK(azure["vm_configuration"]["console_enabled"] == false);
    CHECK(azure["vm_configuration"]["vm_unique_id"] == c.runtime.vm_unique_id);
    CHECK(azure["user_data"] == std::string(128, '0'));
    CHECK(azure["ak_modulus"] == to_hex(c.signer.modulus()));
    CHECK(azure["ak_thumbprint"].get<std::string>().size() == 64);
    CHECK_FALSE(has_finding(result, of(c, "hcl.freshness")));
    CHECK(has_finding(result, of(c, "vtpm.pcrs-unpinned")));
}

TEST_CASE("Azure: evidence that is not Azure's has no such claims", "[verifier][azure]") {
    const AttestationResult result = test::appraise(test::SnpCase().setting());
    CHECK(result.azure() == nullptr);
    CHECK_FALSE(to_json(result)["claims"].contains("azure"));
}

TEST_CASE("Azure: every hash type that the blob may name is bound", "[verifier][azure]") {
    AzureCase c(both());
    c.hcl.hash = GENERATE(1U, 2U, 3U);
    CHECK(outcome(c) == "accepted");
}

TEST_CASE("Azure: TDX 1.5 quotes of version 5 match their TDREPORT too", "[verifier][azure]") {
    AzureCase c(AzureTee::tdx);
    c.intel = test::IntelCase(forge::tdx_v5(forge::BodyType::td15));
    CHECK(outcome(c) == "accepted");
    c.spoil_tdreport = [](forge::TdBody& body) { body.tee_tcb_svn2[0] ^= 1; };
    CHECK(outcome(c) == "refused: tdx.hcl.td-quote-mismatch");
}

TEST_CASE("Azure: a blob that is not what its header states is refused as hcl.malformed",
          "[verifier][azure]") {
    AzureCase c(both());
    c.spoil = [](AzureEvidence& e) { e.hcl_blob[8] ^= 1; };
    CHECK(outcome(c) == "refused: " + of(c, "hcl.malformed"));
    c.spoil = [](AzureEvidence& e) { e.hcl_blob.resize(0x4d4); };
    CHECK(outcome(c) == "refused: " + of(c, "hcl.malformed"));
    c.spoil = [](AzureEvidence& e) { e.hcl_blob.clear(); };
    CHECK(outcome(c) == "refused: " + of(c, "hcl.malformed"));
}

TEST_CASE("Azure: a blob that names the other TEE than the evidence beside it is refused",
          "[verifier][azure]") {
    AzureCase c(AzureTee::snp);
    c.spoil = [](AzureEvidence& e) { e.td_quote = AzureCase(AzureTee::tdx).evidence().td_quote; };
    CHECK(outcome(c) == "refused: snp.hcl.malformed");
    c = AzureCase(AzureTee::tdx);
    c.spoil = [](AzureEvidence& e) { e.td_quote = test::SnpCase().report(); };
    CHECK(outcome(c) == "refused: tdx.quote.malformed");
    c.spoil = [](AzureEvidence& e) {
        e.td_quote = test::IntelCase(forge::sgx_v3()).setting().evidence;
    };
    CHECK(outcome(c) == "refused: tdx.quote.malformed");
}

TEST_CASE("Azure: runtime data that the report does not vouch for is refused as hcl.binding",
          "[verifier][azure]") {
    AzureCase c(both());
    const std::string json = forge::runtime_json(c.runtime);
    c.spoil = [](AzureEvidence& e) { e.hcl_blob[0x4d4 + 20] ^= 1; };
    CHECK(outcome(c) == "refused: " + of(c, "hcl.binding"));
    // Said to be SHA-512, while REPORT_DATA holds SHA-256.
    c.spoil = [](AzureEvidence& e) { e.hcl_blob[0x4cc] = 3; };
    CHECK(outcome(c) == "refused: " + of(c, "hcl.binding"));
    // Another machine's blob around this machine's report.
    c.spoil = [&](AzureEvidence& e) {
        AzureCase other(c.tee);
        other.runtime.vm_unique_id[0] = 'F';
        const Bytes theirs = other.evidence().hcl_blob;
        std::copy(theirs.begin() + 0x4c0, theirs.end(), e.hcl_blob.begin() + 0x4c0);
    };
    CHECK(outcome(c) == "refused: " + of(c, "hcl.binding"));
}

TEST_CASE("Azure: REPORT_DATA with anything behind the hash is refused as hcl.binding",
          "[verifier][azure]") {
    AzureCase c(AzureTee::snp);
    c.spoil = [&](AzureEvidence& e) {
        test::SnpCase snp = c.snp;
        snp.fields.report_data = forge::bound_report_data(forge::runtime_json(c.runtime));
        snp.fields.report_data[63] = 1;
        const Bytes report = snp.report();
        std::copy(report.begin(), report.end(), e.hcl_blob.begin() + 0x20);
    };
    CHECK(outcome(c) == "refused: snp.hcl.binding");
}

TEST_CASE("Azure: bound runtime data that is not in its form is refused as hcl.malformed",
          "[verifier][azure]") {
    const auto row = GENERATE(values<Spoilt>({
        {"user-data longer than the field",
         [](AzureCase& c) { c.runtime.user_data = std::string(130, '0'); }},
        {"user-data far longer than the field",
         [](AzureCase& c) { c.runtime.user_data = std::string(600, 'A'); }},
        {"user-data that is no hexadecimal",
         [](AzureCase& c) { c.runtime.user_data = std::string(128, 'x'); }},
        {"a member that comes twice", [](AzureCase& c) { c.runtime.more_json = R"(,"keys":[])"; }},
        {"an attestation key of 1024 bits",
         [](AzureCase& c) { c.runtime.key = forge::VtpmKey(1024); }},
        {"an attestation key with exponent 3",
         [](AzureCase& c) { c.runtime.key = forge::VtpmKey(2048, 3); }},
    }));
    INFO(row.name);
    AzureCase c(both());
    row.spoil(c);
    CHECK(outcome(c) == "refused: " + of(c, "hcl.malformed"));
}

TEST_CASE("Azure: members that nobody knows do no harm", "[verifier][azure]") {
    AzureCase c(both());
    c.runtime.more_json = R"(,"future":{"a":[1]})";
    c.runtime.more_vm_json = R"(,"filtered-vpci-devices-allowed":true)";
    CHECK(outcome(c) == "accepted");
}

TEST_CASE("Azure: what is wrong with the hardware report refuses, and nothing else is judged",
          "[verifier][azure]") {
    AzureCase c(AzureTee::snp);
    c.spoil = [](AzureEvidence& e) {
        e.hcl_blob[0x20 + 0x90] ^= 1;  // MEASUREMENT
        e.hcl_blob[0x4d4 + 20] ^= 1;
    };
    const AttestationResult result = test::appraise(c);
    CHECK(test::outcome_of(result) == "refused: snp.report.signature");
    CHECK(result.azure() == nullptr);
    c.spoil = [](AzureEvidence& e) { e.hcl_blob[0x20] = 9; };
    CHECK(outcome(c) == "refused: snp.report.malformed");
    c = AzureCase(AzureTee::tdx);
    c.spoil = [](AzureEvidence& e) { e.td_quote[600] ^= 1; };
    CHECK(outcome(c) == "refused: tdx.quote.signature");
    c.spoil = [](AzureEvidence& e) { e.hcl_blob[0x20 + 600] ^= 1; };
    CHECK(outcome(c) == "refused: tdx.hcl.malformed");  // TDINFO's hash does not fit
}

TEST_CASE("Azure: hardware policy holds as for bare evidence", "[verifier][azure]") {
    AzureCase c(AzureTee::snp);
    c.snp.fields.policy |= 1U << 19;
    CHECK(outcome(c) == "refused: snp.policy.debug");
    c = AzureCase(AzureTee::tdx);
    test::td(c.intel).td_attributes |= 1;
    CHECK(outcome(c) == "refused: tdx.policy.debug");
    c.policy.names_tdx = false;
    CHECK(outcome(c) == "refused: tdx.policy.tee tdx.policy.debug");
}

TEST_CASE("Azure: each field in which TDREPORT and TD quote differ is refused",
          "[verifier][azure]") {
    struct Row {
        const char* name;
        void (*spoil)(forge::TdBody&);
    };
    const auto row = GENERATE(values<Row>({
        {"report_data", [](forge::TdBody& b) { b.report_data[0] ^= 1; }},
        {"tee_tcb_svn", [](forge::TdBody& b) { b.tee_tcb_svn[0] ^= 1; }},
        {"mrseam", [](forge::TdBody& b) { b.mrseam[0] ^= 1; }},
        {"mrsignerseam", [](forge::TdBody& b) { b.mrsignerseam[0] ^= 1; }},
        {"seam_attributes", [](forge::TdBody& b) { b.seam_attributes ^= 1; }},
        {"td_attributes", [](forge::TdBody& b) { b.td_attributes ^= 1; }},
        {"xfam", [](forge::TdBody& b) { b.xfam ^= 4; }},
        {"mrtd", [](forge::TdBody& b) { b.mrtd[0] ^= 1; }},
        {"mrconfigid", [](forge::TdBody& b) { b.mrconfigid[0] ^= 1; }},
        {"mrowner", [](forge::TdBody& b) { b.mrowner[0] ^= 1; }},
        {"mrownerconfig", [](forge::TdBody& b) { b.mrownerconfig[0] ^= 1; }},
        {"rtmr0", [](forge::TdBody& b) { b.rtmr[0][0] ^= 1; }},
        {"rtmr3", [](forge::TdBody& b) { b.rtmr[3][0] ^= 1; }},
    }));
    INFO(row.name);
    AzureCase c(AzureTee::tdx);
    c.spoil_tdreport = row.spoil;
    const AttestationResult result = test::appraise(c);
    CHECK(test::outcome_of(result) == "refused: tdx.hcl.td-quote-mismatch");
    CHECK_THAT(result.findings().back().detail, test::ContainsSubstring(row.name));
}

TEST_CASE("Azure: a TD quote of another TD is refused although TDREPORT and blob agree",
          "[verifier][azure]") {
    AzureCase c(AzureTee::tdx);
    c.spoil = [](AzureEvidence& e) {
        e.td_quote = test::IntelCase().setting().evidence;  // zero report data
    };
    CHECK(outcome(c) == "refused: tdx.hcl.td-quote-mismatch");
}

TEST_CASE("Azure: a TDREPORT without a TD quote is undecided by name", "[verifier][azure]") {
    AzureCase c(AzureTee::tdx);
    c.spoil = [](AzureEvidence& e) { e.td_quote.clear(); };
    CHECK(outcome(c) == "undecided: tdx.hcl.td-quote-missing");
    CHECK(test::appraise(c).format() == "azure-tdx");
    c.spoil = [](AzureEvidence& e) {
        e.td_quote.clear();
        e.vtpm_quote.reset();
    };
    CHECK(outcome(c) == "undecided: tdx.hcl.td-quote-missing tdx.vtpm.missing");
    c.spoil = [](AzureEvidence& e) {
        e.td_quote.clear();
        e.hcl_blob[0x4d4 + 20] ^= 1;
    };
    CHECK(outcome(c) == "refused: tdx.hcl.td-quote-missing tdx.hcl.binding");
}

TEST_CASE("Azure: absent endorsements of the hardware leave it undecided, a bad quote outranks",
          "[verifier][azure]") {
    AzureCase c(both());
    test::Setting setting = c.setting();
    setting.endorsements.clear();
    const std::string without = test::outcome_of(test::appraise(c.evidence(), setting));
    CHECK(without.starts_with("undecided: "));
    c.signer = forge::other_vtpm_key();
    CHECK(test::outcome_of(test::appraise(c.evidence(), setting)) ==
          "refused" + without.substr(9) + " " + of(c, "vtpm.signature"));
}

}  // namespace attestd::azure_test
