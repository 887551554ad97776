// Azure: what a policy pins of paravisor and vTPM.
#include <fmt/format.h>

#include "quote/boot/event_log.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/support/forge/writer.h"
#include "tests/unit/verifier/azure/azure_spoilt.h"

namespace attestd::azure_test {
namespace {

AzurePolicy& azure_policy(AzureCase& c) {
    return c.tee == AzureTee::snp ? c.policy.snp.azure : c.policy.tdx.azure;
}

// Reference values of the forged paravisors.
void pin_paravisor(AzureCase& c) {
    using Kind = ReferenceValues<48>::Kind;
    c.policy.snp.measurement = {Kind::listed, {c.snp.fields.measurement}};
    c.policy.tdx.mrtd = {Kind::listed, {test::td(c.intel).mrtd}};
}

}  // namespace

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

namespace {

// A log of SHA-256 alone, as a paravisor's firmware writes it.
Bytes pcr_log(const std::vector<std::pair<std::uint32_t, Sha256>>& events) {
    forge::Writer spec, out;
    spec.bytes(as_bytes("Spec ID Event03")).u8(0).u32(0).u8(0).u8(2).u8(0).u8(2);
    spec.u32(1).u16(kAlgSha256).u16(sizeof(Sha256)).u8(0);
    out.u32(0).u32(kEvNoAction).zeros(20).u32(static_cast<std::uint32_t>(spec.size()));
    out.bytes(std::move(spec).take());
    for (const auto& [pcr, digest] : events)
        out.u32(pcr).u32(forge::kEvEfiAction).u32(1).u16(kAlgSha256).bytes(digest).u32(0);
    return std::move(out).take();
}

}  // namespace

TEST_CASE("Azure: firmware's PCRs must be as the log says, later ones are not believed otherwise",
          "[verifier][azure][event-log]") {
    const Sha256 measured = sha256(as_bytes("measured")), zeros{};
    const Sha256 value = sha256({zeros, measured});
    AzureCase c(test::AzureTee::tdx);
    c.quote.pcrs[0] = c.quote.pcrs[7] = c.quote.pcrs[9] = value;
    const auto judged = [&](const Bytes& log) {
        test::Setting setting = c.setting();
        setting.expected.event_log = log;
        return test::appraise(c.evidence(), setting);
    };
    const Bytes log = pcr_log({{0, measured}, {7, measured}, {9, measured}});

    const AttestationResult good = judged(log);
    CHECK(test::outcome_of(good) == "accepted");
    CHECK(test::has_finding(good, "tdx.event-log.replayed"));
    CHECK_FALSE(test::has_finding(good, "tdx.event-log.not-covered"));

    c.quote.pcrs[7] = sha256({value, measured});  // extended with more than the log holds
    CHECK(test::outcome_of(judged(log)) ==
          fmt::format("refused: tdx.{}", errc_name(Errc::event_log_mismatch)));
    c.quote.pcrs[7] = value;
    c.quote.pcrs[9] = sha256({value, measured});
    const AttestationResult later = judged(log);
    CHECK(test::outcome_of(later) == "accepted");
    CHECK(test::has_finding(later, "tdx.event-log.not-covered"));

    const Bytes of_rtmrs = forge::event_log(forge::boot_events("ro"));
    CHECK(test::outcome_of(judged(of_rtmrs)) ==
          fmt::format("refused: tdx.{}", errc_name(Errc::event_log_malformed)));
}

}  // namespace attestd::azure_test
