// Azure: the vTPM's quote, its nonce, its registers and its key.
#include "tests/unit/verifier/azure/azure_spoilt.h"

namespace attestd::azure_test {
namespace {

// SHA-384 of what says what it is for, and of all 64 bytes.
Bytes nonce_of_64(const ReportData& report_data) {
    const std::string label("attestd vtpm nonce v1\0", 22);
    return to_bytes(sha384({as_bytes(label), ByteView(report_data)}));
}

}  // namespace

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

TEST_CASE(
    "Azure: of 64 bytes of report data the quote carries the digest that they are, padded, or "
    "have",
    "[verifier][azure]") {
    AzureCase c(both());
    c.nonce.reset();
    const auto outcome = [&](const ReportData& expected) {
        test::Setting setting = c.setting();
        setting.expected.report_data = expected;
        return test::outcome_of(test::appraise(c.evidence(), setting));
    };
    const ReportData padded{1, 2, 3};
    ReportData full{};
    full.fill(7);
    CHECK(outcome(padded) == "refused: " + of(c, "vtpm.nonce"));
    c.quote.nonce = Bytes(48);
    std::copy_n(padded.begin(), 3, c.quote.nonce.begin());
    CHECK(outcome(padded) == "accepted");
    CHECK(outcome(full) == "refused: " + of(c, "vtpm.nonce"));
    c.quote.nonce = to_bytes(sha384(full));  // what somebody else could ask for
    CHECK(outcome(full) == "refused: " + of(c, "vtpm.nonce"));
    c.quote.nonce = nonce_of_64(full);
    CHECK(outcome(full) == "accepted");
    c.quote.nonce = to_bytes(full);  // more than a vTPM signs
    CHECK(outcome(full) == "refused: " + of(c, "vtpm.nonce"));
}

TEST_CASE("Azure: version 2 evidence for 64 bytes has all of them in user-data",
          "[verifier][azure]") {
    AzureCase c(both());
    c.spoil = [](AzureEvidence& e) { e.user_data = UserDataRule::nonce; };
    c.nonce.reset();
    ReportData full{};
    full.fill(7);
    const Bytes digest = nonce_of_64(full);
    c.quote.nonce = digest;
    test::Setting setting = c.setting();
    setting.expected.report_data = full;
    const auto outcome = [&] { return test::outcome_of(test::appraise(c.evidence(), setting)); };
    c.runtime.user_data = to_hex(full);
    CHECK(outcome() == "accepted");
    // The same nonce is the quote's for report data that is this digest: made for another request.
    c.runtime.user_data = user_data_of(digest);
    CHECK(outcome() == "refused: " + of(c, "hcl.user-data"));
    setting.expected.report_data.reset();
    CHECK(outcome() == "accepted");
    c.runtime.user_data = std::string(128, '1');
    CHECK(outcome() == "refused: " + of(c, "hcl.user-data"));
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

}  // namespace attestd::azure_test
