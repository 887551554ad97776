// Undecided (DESIGN section 6): an endorsement is absent and nothing else is wrong. Any definite
// failure outranks that, and nothing undecided opens anything.
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::intel;
using test::IntelCase;
using test::outcome;
using test::Setting;
using test::SnpCase;

// The parts of a TDX collateral that can be left out, by their place in taken_apart().
enum Part : std::size_t { tcb_info, qe_identity, root_crl, pck_crl, root, pck_ca, signer };

Setting without(const IntelCase& c, std::initializer_list<Part> parts) {
    Setting setting = c.setting();
    setting.endorsements = test::taken_apart(c.signed_collateral(), intel());
    std::vector<Bytes> kept;
    for (std::size_t i = 0; i < setting.endorsements.size(); ++i) {
        if (std::find(parts.begin(), parts.end(), i) == parts.end())
            kept.push_back(setting.endorsements[i]);
    }
    setting.endorsements = kept;
    return setting;
}

TEST_CASE("undecided: TDX, each endorsement that is absent is named, and no other",
          "[verifier][undecided]") {
    const IntelCase c;
    CHECK(outcome(without(c, {})) == "accepted");
    CHECK(outcome(without(c, {tcb_info})) == "undecided: tdx.tcb-info.missing");
    CHECK(outcome(without(c, {qe_identity})) == "undecided: tdx.qe-identity.missing");
    CHECK(outcome(without(c, {root_crl})) == "undecided: tdx.crl.missing");
    CHECK(outcome(without(c, {pck_crl})) == "undecided: tdx.crl.missing");
    CHECK(outcome(without(c, {root_crl, pck_crl})) == "undecided: tdx.crl.missing tdx.crl.missing");
    CHECK(outcome(without(c, {signer})) == "undecided: tdx.chain.missing tdx.chain.missing");
    CHECK(outcome(without(c, {root, pck_ca})) == "accepted");  // they come with the quote
    CHECK(
        outcome(without(c, {tcb_info, qe_identity, root_crl, pck_crl, root, pck_ca, signer})) ==
        "undecided: tdx.crl.missing tdx.crl.missing tdx.tcb-info.missing tdx.qe-identity.missing");
}

TEST_CASE("undecided: no such result is affirming, accepted or has a term",
          "[verifier][undecided]") {
    const AttestationResult result = test::appraise(without(IntelCase(), {root_crl}));
    REQUIRE(result.verdict() == Verdict::undecided);
    REQUIRE_ERRC(Errc::not_affirming, result.affirming());
    CHECK_FALSE(result.valid_until());
    CHECK(result.grade() == Grade::test);
}

TEST_CASE("undecided: TDX, what the evidence itself gets wrong is refused without any endorsement",
          "[verifier][undecided]") {
    const auto all = {tcb_info, qe_identity, root_crl, pck_crl, root, pck_ca, signer};
    IntelCase c;
    c.spoil_quote = [](auto& parts) { parts.signed_part[200] ^= 1; };
    CHECK(outcome(without(c, all)) == "refused: tdx.quote.signature");
    c.spoil_quote = [](auto& parts) { parts.auth_data[0] ^= 1; };
    CHECK(outcome(without(c, all)) == "refused: tdx.qe-report.binding");
    c.spoil_quote = [](auto& parts) { parts.sign_qe(intel().keys.root); };
    CHECK(outcome(without(c, all)) == "refused: tdx.qe-report.signature");
    c.spoil_quote = nullptr;
    c.spec.header.vendor_id[3] ^= 1;
    CHECK(outcome(without(c, all)) == "refused: tdx.quote.qe-vendor");
}

TEST_CASE("undecided: TDX, a policy failure beside an absence refuses", "[verifier][undecided]") {
    IntelCase c;
    test::td(c).td_attributes |= 1;
    CHECK(outcome(without(c, {root_crl})) == "refused: tdx.crl.missing tdx.policy.debug");
    Setting setting = without(IntelCase(), {tcb_info});
    setting.expected.report_data = ReportData{1};
    CHECK(outcome(setting) == "refused: tdx.tcb-info.missing tdx.report-data.mismatch");
    setting = without(IntelCase(), {tcb_info});
    setting.policy.names_tdx = false;
    CHECK(outcome(setting) == "refused: tdx.tcb-info.missing tdx.policy.tee");
}

TEST_CASE("undecided: TDX, a bad endorsement beside an absent one refuses",
          "[verifier][undecided]") {
    IntelCase c;
    c.collateral.qe_identity.next_update = test::now() - std::chrono::seconds(1);
    CHECK(outcome(without(c, {root_crl, tcb_info})) == "refused: tdx.qe-identity.expired");
    c = IntelCase();
    c.collateral.pck_crl.revoked = {{intel().pck_spec({}).serial, test::now()}};
    CHECK(outcome(without(c, {root_crl})) == "refused: tdx.crl.leaf-revoked");
    c = IntelCase();
    c.collateral.tcb_info.fmspc[0] ^= 1;
    CHECK(outcome(without(c, {pck_crl})) == "refused: tdx.tcb-info.fmspc");
    c = IntelCase();
    ++c.spec.qe.report.isvprodid;
    CHECK(outcome(without(c, {tcb_info})) == "refused: tdx.qe-report.mismatch");
}

// Only a revocation list lacks: all that TCB info and identity say is known, and a failure there is
// definite.
TEST_CASE("undecided: TDX, module and TCB status are judged although a list is absent",
          "[verifier][undecided]") {
    const Part absent = GENERATE(root_crl, pck_crl);
    IntelCase c;
    test::td(c).mrsignerseam[0] = 1;
    CHECK(outcome(without(c, {absent})) == "refused: tdx.tdx-module.mismatch");
    c = IntelCase();
    c.machine.components[0] = 2;
    CHECK(outcome(without(c, {absent})) == "refused: tdx.crl.missing tdx.tcb.status");
    c = IntelCase();
    c.collateral.tcb_info.levels[0].status = "Revoked";
    CHECK(outcome(without(c, {absent})) == "refused: tdx.crl.missing tdx.tcb.status");
    c = IntelCase();
    c.collateral.tcb_info.levels.clear();
    CHECK(outcome(without(c, {absent})) == "refused: tdx.crl.missing tdx.tcb.not-supported");
    Setting setting = without(IntelCase(), {absent});
    setting.policy.tdx.tcb.min_tcb_evaluation_data_number = 100;
    CHECK(outcome(setting) == "refused: tdx.crl.missing tdx.tcb.evaluation-number");
    setting = without(IntelCase(), {absent});
    setting.policy.tdx.ppid.kind = ReferenceValues<16>::Kind::listed;
    CHECK(outcome(setting) == "refused: tdx.crl.missing tdx.ppid.mismatch");
    CHECK(std::get<IntelTcb>(test::appraise(without(IntelCase(), {absent})).tcb()).status ==
          "UpToDate");
}

// A quote with certification data of another type, whose chain nobody gave.
IntelCase chainless() {
    IntelCase c;
    c.spoil_quote = [](auto& parts) {
        parts.certification_type = 3;
        parts.certification_data = forge::ppid_data(3, forge::PckFields{});
    };
    return c;
}

TEST_CASE("undecided: TDX, a quote without its chain lacks the chain, whatever else lacks",
          "[verifier][undecided]") {
    const IntelCase c = chainless();
    const char* const missing = "undecided: tdx.chain.missing";
    CHECK(outcome(c.setting()) == missing);
    CHECK(outcome(without(c, {})) == missing);
    CHECK(outcome(without(c, {root})) == missing);
    CHECK(outcome(without(c, {root, signer})) == missing);
    CHECK(outcome(without(c, {root_crl, pck_crl})) == missing);
    CHECK(outcome(without(c, {tcb_info})) == missing);
    CHECK(outcome(without(c, {tcb_info, qe_identity, root_crl, pck_crl, root, pck_ca, signer})) ==
          missing);
    Setting whole = without(c, {});
    whole.endorsements.push_back(intel().pck({}));
    CHECK(outcome(whole) == "accepted");
}

TEST_CASE("undecided: TDX, what is given and wrong is refused although the chain is absent",
          "[verifier][undecided]") {
    struct Row {
        const char* name;
        void (*spoil)(IntelCase&);
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {"TCB info over",
         [](auto& c) { c.collateral.tcb_info.next_update = test::now() - std::chrono::seconds(1); },
         "tcb-info.expired"},
        {"TCB info damaged",
         [](auto& c) {
             c.spoil_collateral = [](auto& out) { out.tcb_info[out.tcb_info.find("TDX")] = 'S'; };
         },
         "tcb-info.signature"},
        {"TCB info of version 2", [](auto& c) { c.collateral.tcb_info.version = 2; },
         "tcb-info.version"},
        {"TCB info for SGX",
         [](auto& c) {
             c.collateral.tcb_info =
                 forge::sgx_collateral(intel(), c.machine, test::fresh()).tcb_info;
         },
         "tcb-info.tee"},
        {"identity to come",
         [](auto& c) {
             c.collateral.qe_identity.issue_date = test::now() + std::chrono::seconds(1);
         },
         "qe-identity.not-yet-valid"},
        {"another quoting enclave", [](auto& c) { ++c.collateral.qe_identity.isvprodid; },
         "qe-report.mismatch"},
        {"another module", [](auto& c) { test::td(c).mrsignerseam[0] = 1; }, "tdx-module.mismatch"},
        {"root list over",
         [](auto& c) {
             c.collateral.root_crl.validity.until = test::now() - std::chrono::seconds(1);
         },
         "crl.expired"},
        {"the signer revoked",
         [](auto& c) {
             c.collateral.root_crl.revoked = {{intel().tcb_signing_spec().serial, test::now()}};
         },
         "crl.tcb-signer-revoked"},
        {"the binding of the attestation key",
         [](auto& c) {
             c.spoil_quote = [](auto& parts) {
                 parts.certification_type = 3;
                 parts.certification_data = forge::ppid_data(3, forge::PckFields{});
                 parts.auth_data[0] ^= 1;
             };
         },
         "qe-report.binding"},
    }));
    INFO(row.name);
    IntelCase c = chainless();
    row.spoil(c);
    CHECK(outcome(c.setting()) == std::string("refused: tdx.") + row.want);
    CHECK(outcome(without(c, {})) == std::string("refused: tdx.") + row.want);
}

TEST_CASE("undecided: TDX, the PCK list of a collateral file is judged by its dates alone",
          "[verifier][undecided]") {
    IntelCase c = chainless();
    c.collateral.pck_crl.validity.until = test::now() - std::chrono::seconds(1);
    CHECK(outcome(c.setting()) == "refused: tdx.crl.expired");
    // Given apart it may be any authority's.
    CHECK(outcome(without(c, {})) == "undecided: tdx.chain.missing");
    c = chainless();
    c.spoil_collateral = [](auto& out) { out.pck_crl.pop_back(); };
    CHECK(outcome(c.setting()) == "refused: tdx.crl.malformed");
}

TEST_CASE("undecided: TDX, one good document excuses a bad one while the chain is absent",
          "[verifier][undecided]") {
    IntelCase c = chainless(), old = chainless();
    old.collateral.tcb_info.next_update = test::now() - std::chrono::seconds(1);
    old.collateral.tcb_info.fmspc[0] ^= 1;
    Setting setting = without(c, {});
    setting.endorsements.push_back(test::taken_apart(old.signed_collateral(), intel())[tcb_info]);
    CHECK(outcome(setting) == "undecided: tdx.chain.missing");
    // Documents of a hierarchy that nobody trusts hold under no root.
    setting = c.setting();
    setting.anchors.clear();
    CHECK(outcome(setting) == "refused: tdx.tcb-info.chain");
}

TEST_CASE("undecided: what lacked is asked for again, and given then", "[verifier][undecided]") {
    const Setting whole = without(IntelCase(), {});
    const Setting part = without(IntelCase(), {pck_crl});
    LocalVerifier verifier(test::anchors_of(whole));
    for (int i = 0; i < 2; ++i) {
        CHECK(test::outcome_of(test::appraise_by(verifier, part)) == "undecided: tdx.crl.missing");
    }
    CHECK(test::outcome_of(test::appraise_by(verifier, whole)) == "accepted");
    CHECK(test::outcome_of(test::appraise_by(verifier, part)) == "undecided: tdx.crl.missing");
}

Setting without(const SnpCase& c, std::initializer_list<std::size_t> places) {
    Setting setting = c.setting();
    std::vector<Bytes> kept;
    for (std::size_t i = 0; i < setting.endorsements.size(); ++i) {
        if (std::find(places.begin(), places.end(), i) == places.end())
            kept.push_back(setting.endorsements[i]);
    }
    setting.endorsements = kept;
    return setting;
}
constexpr std::size_t kLeaf = 0, kIntermediate = 1, kRoot = 2;

TEST_CASE("undecided: SNP, each certificate that is absent is named", "[verifier][undecided]") {
    const SnpCase c;
    CHECK(outcome(without(c, {kLeaf})) == "undecided: snp.leaf.missing");
    CHECK(outcome(without(c, {kIntermediate})) == "undecided: snp.chain.missing");
    CHECK(outcome(without(c, {kRoot})) == "undecided: snp.chain.missing");
    CHECK(outcome(without(c, {kLeaf, kIntermediate, kRoot})) == "undecided: snp.leaf.missing");
}

TEST_CASE("undecided: SNP, a definite failure of report or leaf outranks an absent issuer",
          "[verifier][undecided]") {
    const std::size_t absent = GENERATE(kIntermediate, kRoot);
    SnpCase c;
    c.spoil_report = [](Bytes& r) { r[0x90] ^= 1; };
    CHECK(outcome(without(c, {absent})) == "refused: snp.report.signature");
    c = SnpCase();
    c.leaf.validity.until = test::now() - std::chrono::seconds(1);
    CHECK(outcome(without(c, {absent})) == "refused: snp.chain.expired");
    c = SnpCase();
    c.leaf = c.amd().vcek_spec(c.fields.chip_id, forge::SnpTcb::outdated(forge::Product::milan));
    CHECK(outcome(without(c, {absent})) == "refused: snp.leaf.tcb");
    c = SnpCase();
    c.fields.chip_id[0] ^= 1;
    CHECK(outcome(without(c, {absent})) == "refused: snp.leaf.chip");
    c = SnpCase();
    c.fields.committed_version.major = 9;
    CHECK(outcome(without(c, {absent})) == "refused: snp.tcb.order");
    c = SnpCase();
    c.fields.policy |= 1 << 19;
    CHECK(outcome(without(c, {absent})) == "refused: snp.chain.missing snp.policy.debug");
}

TEST_CASE("undecided: SNP, a demanded list that is absent hides no failure",
          "[verifier][undecided]") {
    SnpCase c;
    c.leaf = c.amd().vcek_spec(c.fields.chip_id, forge::SnpTcb::outdated(forge::Product::milan));
    Setting setting = c.setting();
    setting.policy.snp.require_crl = true;
    CHECK(outcome(setting) == "refused: snp.leaf.tcb");
    c = SnpCase();
    c.spoil_report = [](Bytes& r) { r[0x90] ^= 1; };
    setting = c.setting();
    setting.policy.snp.require_crl = true;
    CHECK(outcome(setting) == "refused: snp.report.signature");
}

TEST_CASE("undecided: SNP, a leaf that is another's changes nothing about the report's own",
          "[verifier][undecided]") {
    const SnpCase c, vlek(forge::Product::milan, 3, forge::ReportKey::vlek),
        genoa(forge::Product::genoa);
    Setting setting = without(c, {kIntermediate});
    setting.endorsements.push_back(vlek.endorsements()[0]);
    setting.endorsements.push_back(genoa.endorsements()[0]);
    CHECK(outcome(setting) == "undecided: snp.chain.missing");
    // The report's own leaf decides which error is said.
    SnpCase revoked;
    revoked.crl = forge::crl_spec(test::fresh(), revoked.amd().keys().ark);
    revoked.crl->revoked = {{revoked.intermediate.serial, test::now()}};
    setting = revoked.setting();
    setting.endorsements.push_back(vlek.endorsements()[0]);
    setting.endorsements.push_back(genoa.endorsements()[0]);
    CHECK(outcome(setting) == "refused: snp.crl.intermediate-revoked");
}

TEST_CASE("undecided: SNP, an expired copy of a leaf does not decide for the good one",
          "[verifier][undecided]") {
    SnpCase c, expired;
    expired.leaf.validity.until = test::now() - std::chrono::seconds(1);
    Setting setting = without(c, {kIntermediate});
    setting.endorsements.push_back(expired.endorsements()[0]);
    CHECK(outcome(setting) == "undecided: snp.chain.missing");
    std::reverse(setting.endorsements.begin(), setting.endorsements.end());
    CHECK(outcome(setting) == "undecided: snp.chain.missing");
}

TEST_CASE("undecided: SNP, an absent VLEK does not fail the policy's list of CSP ids",
          "[verifier][undecided]") {
    const SnpCase c(forge::Product::milan, 3, forge::ReportKey::vlek);
    Setting setting = c.setting();
    setting.policy.snp.csp_ids = {std::string(test::kCspId)};
    CHECK(outcome(setting) == "accepted");
    setting.policy.snp.csp_ids = {"CN=other"};
    CHECK(outcome(setting) == "refused: snp.csp-id.mismatch");
    setting = without(c, {kLeaf});
    setting.policy.snp.csp_ids = {std::string(test::kCspId)};
    CHECK(outcome(setting) == "undecided: snp.leaf.missing");
}

}  // namespace
}  // namespace attestd
