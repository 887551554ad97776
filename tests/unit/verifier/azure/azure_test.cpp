// Evidence of Azure confidential VMs under forged hierarchies: each step of `spec/snp.md` section
// 13 that can refuse, for both TEEs, and pitfall 20.
#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/unit/verifier/azure/azure_setting.h"
#include "verifier/claims_json.h"

namespace attestd {
namespace {

using test::AzureCase;
using test::AzureTee;
using test::challenge;
using test::has_finding;
using test::of;
using test::outcome;

AzureTee both() { return GENERATE(AzureTee::snp, AzureTee::tdx); }

using Bank = forge::VtpmQuoteSpec::Bank;

// One thing wrong in a case.
struct Spoilt {
    const char* name;
    void (*spoil)(AzureCase&);
};

std::string upper_hex(ByteView bytes) {
    std::string out = to_hex(bytes);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
    return out;
}

// The runtime data's user-data as a guest leaves it after writing `nonce`.
std::string user_data_of(ByteView nonce) {
    std::string out = upper_hex(nonce);
    out.resize(128, '0');
    return out;
}

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

// -- blob and binding --

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

// -- the hardware's evidence inside --

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

// -- absences --

TEST_CASE("Azure: without a vTPM's quote undecided, and only when nothing else is wrong",
          "[verifier][azure]") {
    AzureCase c(both());
    c.nonce.reset();
    c.spoil = [](AzureEvidence& e) { e.vtpm_quote.reset(); };
    CHECK(outcome(c) == "undecided: " + of(c, "vtpm.missing"));
    REQUIRE_ERRC(Errc::not_affirming, test::appraise(c).affirming());
    c.policy.snp.azure.require_secure_boot = c.policy.tdx.azure.require_secure_boot = true;
    c.runtime.secure_boot = false;
    CHECK(outcome(c) == "refused: " + of(c, "vtpm.missing") + " " + of(c, "hcl.secure-boot"));
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

// -- the vTPM's quote --

TEST_CASE("Azure: a vTPM's quote that is no quote is refused as vtpm.malformed",
          "[verifier][azure]") {
    const auto row = GENERATE(values<Spoilt>({
        {"magic", [](AzureCase& c) { c.quote.magic = 0; }},
        {"type", [](AzureCase& c) { c.quote.type = 0x8017; }},
        {"trailing bytes", [](AzureCase& c) { c.quote.trailing = {0}; }},
        {"signature of another algorithm",
         [](AzureCase& c) {
             c.spoil = [](AzureEvidence& e) {
                 e.vtpm_quote->signature = forge::tpmt_signature(e.vtpm_quote->signature, 0x0016);
             };
         }},
        {"signature of another length",
         [](AzureCase& c) {
             c.spoil = [](AzureEvidence& e) { e.vtpm_quote->signature.pop_back(); };
         }},
    }));
    INFO(row.name);
    AzureCase c(both());
    row.spoil(c);
    CHECK(outcome(c) == "refused: " + of(c, "vtpm.malformed"));
}

TEST_CASE("Azure pitfall 20: the nonce is compared over its whole length",
          "[verifier][azure][pitfall]") {
    const auto row = GENERATE(values<Spoilt>({
        {"a prefix of what is expected", [](AzureCase& c) { c.quote.nonce.pop_back(); }},
        {"what is expected and a byte more", [](AzureCase& c) { c.quote.nonce.push_back(0); }},
        {"another byte", [](AzureCase& c) { c.quote.nonce[0] ^= 1; }},
        {"none", [](AzureCase& c) { c.quote.nonce.clear(); }},
        {"padded to 64 bytes", [](AzureCase& c) { c.quote.nonce.resize(64); }},
    }));
    INFO(row.name);
    AzureCase c(both());
    row.spoil(c);
    CHECK(outcome(c) == "refused: " + of(c, "vtpm.nonce"));
}

TEST_CASE("Azure: an expectation of 64 bytes alone is the nonce in full", "[verifier][azure]") {
    AzureCase c(both());
    c.nonce.reset();
    test::Setting setting = c.setting();
    setting.expected.report_data = ReportData{1, 2, 3};
    CHECK(test::outcome_of(test::appraise(c.evidence(), setting)) ==
          "refused: " + of(c, "vtpm.nonce"));
    c.quote.nonce.assign(64, 0);
    std::copy_n(ReportData{1, 2, 3}.begin(), 3, c.quote.nonce.begin());
    CHECK(test::outcome_of(test::appraise(c.evidence(), setting)) == "accepted");
}

TEST_CASE("Azure pitfall 20: a right digest over another selection is refused",
          "[verifier][azure][pitfall]") {
    const auto row = GENERATE(values<Spoilt>({
        {"one register less",
         [](AzureCase& c) {
             c.quote.banks = {Bank{0x000b, {0xff, 0xff, 0x7f}}};
         }},
        {"none",
         [](AzureCase& c) {
             c.quote.banks = {Bank{0x000b, {0, 0, 0}}};
         }},
        {"no bank", [](AzureCase& c) { c.quote.banks.clear(); }},
        {"the SHA-1 bank", [](AzureCase& c) { c.quote.banks[0].hash = 0x0004; }},
        {"the SHA-384 bank", [](AzureCase& c) { c.quote.banks[0].hash = 0x000c; }},
        {"a second bank",
         [](AzureCase& c) {
             c.quote.banks.push_back(Bank{0x0004, {0xff, 0xff, 0xff}});
         }},
        {"the same bank twice", [](AzureCase& c) { c.quote.banks.push_back(Bank{}); }},
        {"a mask of two bytes",
         [](AzureCase& c) {
             c.quote.banks[0].mask = {0xff, 0xff};
         }},
        {"a mask of four bytes",
         [](AzureCase& c) {
             c.quote.banks[0].mask = {0xff, 0xff, 0xff, 0x00};
         }},
    }));
    INFO(row.name);
    AzureCase c(both());
    row.spoil(c);
    CHECK(outcome(c) == "refused: " + of(c, "vtpm.selection"));
}

TEST_CASE("Azure: values that do not have the quoted digest are refused", "[verifier][azure]") {
    const auto row = GENERATE(values<Spoilt>({
        {"a value changed",
         [](AzureCase& c) { c.spoil = [](AzureEvidence& e) { e.vtpm_quote->pcrs[4][0] ^= 1; }; }},
        {"two values swapped",
         [](AzureCase& c) {
             c.spoil = [](AzureEvidence& e) {
                 std::swap(e.vtpm_quote->pcrs[4], e.vtpm_quote->pcrs[7]);
             };
         }},
        {"a digest cut short", [](AzureCase& c) { c.quote.digest = Bytes(31); }},
        {"an empty digest", [](AzureCase& c) { c.quote.digest = Bytes{}; }},
    }));
    INFO(row.name);
    AzureCase c(both());
    row.spoil(c);
    CHECK(outcome(c) == "refused: " + of(c, "vtpm.digest"));
}

TEST_CASE("Azure pitfall 20: no key but the bound attestation key signs the quote",
          "[verifier][azure][pitfall]") {
    const auto row = GENERATE(values<Spoilt>({
        {"the bound endorsement key", [](AzureCase& c) { c.signer = forge::other_vtpm_key(); }},
        {"a key of nobody's", [](AzureCase& c) { c.signer = forge::VtpmKey(); }},
        {"a flipped bit",
         [](AzureCase& c) { c.spoil = [](AzureEvidence& e) { e.vtpm_quote->signature[9] ^= 1; }; }},
        {"PSS",
         [](AzureCase& c) {
             c.spoil = [key = c.signer](AzureEvidence& e) {
                 e.vtpm_quote->signature = key.sign_pss(e.vtpm_quote->message);
             };
         }},
    }));
    INFO(row.name);
    AzureCase c(both());
    row.spoil(c);
    CHECK(outcome(c) == "refused: " + of(c, "vtpm.signature"));
    CHECK_FALSE(test::appraise(c).azure()->vtpm.has_value());
}

TEST_CASE("Azure: a signature may come as TPMT_SIGNATURE", "[verifier][azure]") {
    AzureCase c(both());
    c.spoil = [](AzureEvidence& e) {
        e.vtpm_quote->signature = forge::tpmt_signature(e.vtpm_quote->signature);
    };
    CHECK(outcome(c) == "accepted");
}

// -- freshness --

TEST_CASE("Azure: without an expectation freshness is not judged, and that is said",
          "[verifier][azure]") {
    AzureCase c(both());
    c.nonce.reset();
    const AttestationResult result = test::appraise(c);
    CHECK(test::outcome_of(result) == "accepted");
    CHECK(has_finding(result, of(c, "hcl.freshness")));
}

TEST_CASE("Azure: without a quote, user-data may carry the nonce", "[verifier][azure]") {
    AzureCase c(both());
    c.policy.snp.azure.require_vtpm_quote = c.policy.tdx.azure.require_vtpm_quote = false;
    c.spoil = [](AzureEvidence& e) { e.vtpm_quote.reset(); };
    CHECK(outcome(c) == "refused: " + of(c, "hcl.freshness"));  // zeros: nobody wrote there
    c.runtime.user_data.reset();
    CHECK(outcome(c) == "refused: " + of(c, "hcl.freshness"));
    c.runtime.user_data = user_data_of(challenge());
    CHECK(outcome(c) == "accepted");
    c.runtime.user_data = user_data_of(to_bytes(as_bytes("challengf")));
    CHECK(outcome(c) == "refused: " + of(c, "hcl.user-data"));
    c.runtime.user_data = user_data_of(to_bytes(as_bytes("challenge!")));  // a longer one
    CHECK(outcome(c) == "refused: " + of(c, "hcl.user-data"));
    c.nonce = Bytes(65, 1);  // cannot be in the field
    c.runtime.user_data = std::string(128, '1');
    CHECK(outcome(c) == "refused: " + of(c, "hcl.user-data"));
}

TEST_CASE("Azure: a missing quote that could carry the nonce is an absence, a wrong user-data not",
          "[verifier][azure]") {
    AzureCase c(both());
    c.spoil = [](AzureEvidence& e) { e.vtpm_quote.reset(); };
    CHECK(outcome(c) == "undecided: " + of(c, "vtpm.missing"));
    c.runtime.user_data = user_data_of(challenge());
    CHECK(outcome(c) == "undecided: " + of(c, "vtpm.missing"));
    c.runtime.user_data = std::string(128, 'A');
    CHECK(outcome(c) == "refused: " + of(c, "vtpm.missing") + " " + of(c, "hcl.user-data"));
}

TEST_CASE("Azure: version 2 evidence promises the nonce in user-data as well",
          "[verifier][azure]") {
    AzureCase c(both());
    c.spoil = [](AzureEvidence& e) { e.user_data = UserDataRule::nonce; };
    CHECK(outcome(c) == "refused: " + of(c, "hcl.user-data"));
    c.runtime.user_data = user_data_of(challenge());
    CHECK(outcome(c) == "accepted");
    c.nonce.reset();  // the promise is about the quote's nonce, whatever is expected
    CHECK(outcome(c) == "accepted");
    c.runtime.user_data = user_data_of(to_bytes(as_bytes("challenge and more")));
    CHECK(outcome(c) == "refused: " + of(c, "hcl.user-data"));
    c.runtime.user_data.reset();
    CHECK(outcome(c) == "refused: " + of(c, "hcl.user-data"));
    c.quote.nonce.assign(66, 1);  // longer than the field
    c.runtime.user_data = std::string(128, '1');
    CHECK(outcome(c) == "refused: " + of(c, "hcl.user-data"));
}

// -- policy --

AzurePolicy& azure_policy(AzureCase& c) {
    return c.tee == AzureTee::snp ? c.policy.snp.azure : c.policy.tdx.azure;
}

TEST_CASE("Azure: secure boot and console are warnings, errors where the policy says so",
          "[verifier][azure][policy]") {
    AzureCase c(both());
    c.runtime.secure_boot = false;
    c.runtime.console_enabled = true;
    AttestationResult result = test::appraise(c);
    CHECK(test::outcome_of(result) == "accepted");
    CHECK(has_finding(result, of(c, "hcl.secure-boot")));
    CHECK(has_finding(result, of(c, "hcl.console")));
    azure_policy(c).require_secure_boot = true;
    CHECK(outcome(c) == "refused: " + of(c, "hcl.secure-boot"));
    azure_policy(c).allow_console = false;
    CHECK(outcome(c) == "refused: " + of(c, "hcl.secure-boot") + " " + of(c, "hcl.console"));
    azure_policy(c).require_secure_boot = false;
    azure_policy(c).allow_console = true;
    result = test::appraise(c);
    CHECK(test::outcome_of(result) == "accepted");
    CHECK_FALSE(has_finding(result, of(c, "hcl.secure-boot")));  // accepted in so many words
    CHECK_FALSE(has_finding(result, of(c, "hcl.console")));
}

// Reference values of the forged paravisors.
void pin_paravisor(AzureCase& c) {
    using Kind = ReferenceValues<48>::Kind;
    c.policy.snp.measurement = {Kind::listed, {c.snp.fields.measurement}};
    c.policy.tdx.mrtd = {Kind::listed, {test::td(c.intel).mrtd}};
}

TEST_CASE("Azure: PCRs of a paravisor that nothing pins prove nothing, and are refused if pinned",
          "[verifier][azure][policy]") {
    AzureCase c(both());
    CHECK(has_finding(test::appraise(c), of(c, "hcl.paravisor-unpinned")));
    CHECK(outcome(c) == "accepted");  // a warning of the baseline
    azure_policy(c).pcrs[4] = {ReferenceValues<32>::Kind::listed, {c.quote.pcrs[4]}};
    CHECK(outcome(c) == "refused: " + of(c, "hcl.paravisor-unpinned"));
    using Kind = ReferenceValues<48>::Kind;
    c.policy.snp.measurement.kind = c.policy.tdx.mrtd.kind = Kind::any;
    CHECK(outcome(c) == "refused: " + of(c, "hcl.paravisor-unpinned"));
    pin_paravisor(c);
    CHECK(outcome(c) == "accepted");
    CHECK_FALSE(has_finding(test::appraise(c), of(c, "hcl.paravisor-unpinned")));
}

TEST_CASE("Azure: the key that signed the paravisor pins it as its measurement does",
          "[verifier][azure][policy]") {
    AzureCase c(AzureTee::snp);
    c.snp.fields.id_key_digest[0] = 1;
    azure_policy(c).pcrs[4] = {ReferenceValues<32>::Kind::listed, {c.quote.pcrs[4]}};
    c.policy.snp.id_key_digest = {ReferenceValues<48>::Kind::listed, {c.snp.fields.id_key_digest}};
    CHECK(outcome(c) == "accepted");
}

TEST_CASE("Azure: a report of what runs above the paravisor is refused, whatever VMPLs are allowed",
          "[verifier][azure]") {
    AzureCase c(AzureTee::snp);
    c.snp.fields.vmpl = GENERATE(1U, 2U, 3U);
    CHECK(outcome(c) == "refused: snp.hcl.vmpl");
}

TEST_CASE("Azure: a nonce alone is expected of no bare evidence", "[verifier][azure]") {
    const AzureCase c(both());
    test::Setting bare = c.tee == AzureTee::snp ? c.snp.setting() : c.intel.setting();
    bare.expected.nonce = challenge();
    CHECK(outcome(bare) == "refused: " + of(c, "report-data.mismatch"));
}

TEST_CASE("Azure: pinned PCRs must have one of their values", "[verifier][azure][policy]") {
    AzureCase c(both());
    pin_paravisor(c);
    using Kind = ReferenceValues<32>::Kind;
    auto& pcrs = azure_policy(c).pcrs;
    pcrs[4] = {Kind::listed, {Sha256{}, c.quote.pcrs[4]}};
    pcrs[7] = {Kind::any, {}};
    const AttestationResult result = test::appraise(c);
    CHECK(test::outcome_of(result) == "accepted");
    CHECK_FALSE(has_finding(result, of(c, "vtpm.pcrs-unpinned")));
    pcrs[4].values.pop_back();
    pcrs[23] = {Kind::listed, {}};  // an empty list accepts nothing
    CHECK(outcome(c) ==
          "refused: " + of(c, "vtpm.pcr4-mismatch") + " " + of(c, "vtpm.pcr23-mismatch"));
}

TEST_CASE("Azure: pinned PCRs demand the quote even where the policy waives it",
          "[verifier][azure][policy]") {
    AzureCase c(both());
    pin_paravisor(c);
    c.nonce.reset();
    c.spoil = [](AzureEvidence& e) { e.vtpm_quote.reset(); };
    azure_policy(c).require_vtpm_quote = false;
    CHECK(outcome(c) == "accepted");
    azure_policy(c).pcrs[0] = {ReferenceValues<32>::Kind::listed, {c.quote.pcrs[0]}};
    CHECK(outcome(c) == "undecided: " + of(c, "vtpm.missing"));
}

TEST_CASE("Azure: a policy that names it refuses bare evidence, one that does not refuses Azure's",
          "[verifier][azure][policy]") {
    AzureCase c(both());
    azure_policy(c).named = true;
    CHECK(outcome(c) == "accepted");
    test::Setting bare = c.tee == AzureTee::snp ? c.snp.setting() : c.intel.setting();
    bare.policy = c.policy;
    CHECK(outcome(bare) == "refused: " + of(c, "policy.azure"));
    azure_policy(c) = {};
    azure_policy(c).allowed = false;
    CHECK(outcome(c) == "refused: " + of(c, "policy.azure"));
    bare.policy = c.policy;
    CHECK(outcome(bare) == "accepted");
}

TEST_CASE("Azure: an SVSM's manifest is not expected of a paravisor", "[verifier][azure]") {
    const AzureCase c(both());
    test::Setting setting = c.setting();
    setting.expected.service_manifest = Bytes{1};
    CHECK(test::outcome_of(test::appraise(c.evidence(), setting)) ==
          "refused: " + of(c, "svsm.evidence"));
}

}  // namespace
}  // namespace attestd
