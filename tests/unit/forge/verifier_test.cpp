// The unmodified verifier and forged evidence: believed under the forged root as an additional
// trust anchor, in test grade, and under nothing else.
#include "verifier/verifier.h"

#include "tests/support/catch.h"
#include "tests/support/forge/case_forge.h"
#include "tests/support/forge/collateral_forge.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::verifier_test {
namespace {

const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

struct Given {
    Bytes evidence;
    std::vector<Bytes> endorsements;
    std::vector<Bytes> anchors;
};

AttestationResult appraise(const Given& given) {
    TrustAnchors anchors;
    for (const Bytes& anchor : given.anchors) REQUIRE_OK(anchors.add_certificate(anchor));
    Endorsements endorsements;
    for (const Bytes& bytes : given.endorsements) REQUIRE_OK(endorsements.add(bytes, "forged"));
    LocalVerifier verifier(anchors);
    return verifier.appraise(given.evidence, endorsements, AppraisalPolicy{}, Expectations{}, kNow);
}

std::string errors_of(const AttestationResult& result) {
    std::string out;
    for (const Finding& finding : result.findings()) {
        if (finding.severity == Severity::error) out += finding.id + ": " + finding.detail + '\n';
    }
    return out;
}

Given given_case(const std::string& kind) {
    const auto files = forge::forge_case(kind, kNow);
    REQUIRE_OK(files);
    const auto file = [&](const char* name) { return forge::content_of(*files, name); };
    if (kind.starts_with("snp")) {
        return {file("report.bin"), {file("table.bin"), file("crl.der")}, {file("root.der")}};
    }
    return {file("quote.bin"), {file("collateral.json")}, {file("root.der")}};
}

const forge::IntelHierarchy& intel() {
    static const forge::IntelHierarchy made(forge::shared_intel_keys(),
                                            forge::IntelValidity::around(kNow));
    return made;
}

Given given_tdx(const forge::QuoteParts& parts, const forge::CollateralSpec& collateral) {
    const std::string json = forge::to_json(forge::sign_collateral(collateral, intel()));
    return {forge::assemble(parts), {to_bytes(as_bytes(json))}, {intel().root}};
}

forge::CollateralSpec collateral() {
    return forge::tdx_collateral(intel(), {}, forge::fresh_window(kNow));
}

forge::QuoteParts quote() { return forge::make_parts(forge::tdx_v4(), intel(), intel().pck({})); }

bool has_error(const AttestationResult& result, std::string_view id) {
    const auto findings = result.findings();
    return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
        return finding.severity == Severity::error && finding.id == id;
    });
}

TEST_CASE("every forged case is accepted in test grade under its own root", "[forge][verifier]") {
    const std::string kind = GENERATE(from_range(forge::case_kinds()));
    INFO(kind);
    const AttestationResult result = appraise(given_case(kind));
    INFO(errors_of(result));
    CHECK(result.verdict() == Verdict::accepted);
    CHECK(result.grade() == Grade::test);
    REQUIRE(result.valid_until());
    CHECK(*result.valid_until() <= forge::fresh_window(kNow).until);
    if (!kind.starts_with("snp")) {
        CHECK(std::get<IntelTcb>(result.tcb()).status == "UpToDate");
    }
}

TEST_CASE("every forged case is refused without its root as trust anchor", "[forge][verifier]") {
    const std::string kind = GENERATE(from_range(forge::case_kinds()));
    INFO(kind);
    Given given = given_case(kind);
    given.anchors.clear();
    const AttestationResult result = appraise(given);
    INFO(errors_of(result));
    CHECK(result.verdict() == Verdict::refused);
    const std::string tee(tee_name(result.tee()));
    CHECK(has_error(result, tee + ".chain.untrusted-root"));
}

TEST_CASE("the root of one forged hierarchy opens nothing of another", "[forge][verifier]") {
    Given given = given_case("tdx-v4");
    const forge::IntelHierarchy other(forge::IntelKeys{}, forge::IntelValidity::around(kNow));
    given.anchors = {other.root};
    CHECK(has_error(appraise(given), "tdx.chain.untrusted-root"));
}

TEST_CASE("forged defects are refused for the reason that was forged", "[forge][verifier]") {
    struct Row {
        const char* name;
        void (*spoil)(forge::QuoteParts& parts, forge::CollateralSpec& spec);
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {"QE report not bound to the attestation key",
         [](auto& parts, auto&) { parts.auth_data[0] ^= 1; }, "tdx.qe-report.binding"},
        {"QE report not signed by the PCK key",
         [](auto& parts, auto&) { parts.sign_qe(intel().keys.attestation); },
         "tdx.qe-report.signature"},
        {"body changed after signing", [](auto& parts, auto&) { parts.signed_part[200] ^= 1; },
         "tdx.quote.signature"},
        {"PCK revoked",
         [](auto&, auto& spec) {
             spec.pck_crl.revoked = {{intel().pck_spec({}).serial, kNow}};
         },
         "tdx.crl.leaf-revoked"},
        {"TCB info of another FMSPC", [](auto&, auto& spec) { spec.tcb_info.fmspc[0] ^= 1; },
         "tdx.tcb-info.fmspc"},
        {"TCB info expired",
         [](auto&, auto& spec) { spec.tcb_info.next_update = kNow - std::chrono::seconds(1); },
         "tdx.tcb-info.expired"},
        {"QE of another product", [](auto&, auto& spec) { ++spec.qe_identity.isvprodid; },
         "tdx.qe-report.mismatch"},
        {"15 components", [](auto&, auto& spec) { spec.tcb_info.levels[1].tdx.pop_back(); },
         "tdx.tcb-info.malformed"},
    }));
    INFO(row.name);
    forge::QuoteParts parts = quote();
    forge::CollateralSpec spec = collateral();
    row.spoil(parts, spec);
    const AttestationResult result = appraise(given_tdx(parts, spec));
    INFO(errors_of(result));
    CHECK(result.verdict() == Verdict::refused);
    CHECK(has_error(result, row.want));
}

TEST_CASE("another vendor id in a forged quote is refused although correctly signed",
          "[forge][verifier]") {
    forge::QuoteParts parts = quote();
    parts.signed_part[12] ^= 1;
    parts.sign(intel().keys.attestation);
    parts.rebind_qe();
    parts.sign_qe(intel().keys.pck);
    CHECK(has_error(appraise(given_tdx(parts, collateral())), "tdx.quote.qe-vendor"));
}

TEST_CASE("a fourth certificate in a forged PCK chain is refused", "[forge][verifier]") {
    forge::QuoteParts parts = quote();
    const std::string chain = intel().pck_chain(intel().pck({}));
    parts.certification_data =
        forge::pck_chain_data(chain + forge::certificate_pem(intel().tcb_signing));
    CHECK(has_error(appraise(given_tdx(parts, collateral())), "tdx.chain.malformed"));
}

TEST_CASE("statuses of forged TCB levels reach the result", "[forge][verifier]") {
    const std::string status = GENERATE("SWHardeningNeeded", "ConfigurationNeeded", "OutOfDate",
                                        "OutOfDateConfigurationNeeded", "Revoked");
    forge::CollateralSpec spec = collateral();
    spec.tcb_info.levels[0].status = status;
    const AttestationResult result = appraise(given_tdx(quote(), spec));
    CHECK(result.verdict() == Verdict::refused);
    CHECK(std::get<IntelTcb>(result.tcb()).status == status);
}

TEST_CASE("a forged VCEK for another TCB or chip does not fit its report", "[forge][verifier]") {
    struct Row {
        std::uint8_t more_snp, other_chip;
        const char* want;
    };
    const Row row = GENERATE(values<Row>({{1, 0, "snp.leaf.tcb"}, {0, 1, "snp.leaf.chip"}}));
    const auto product = forge::Product::turin;
    const forge::AmdHierarchy amd(product, forge::shared_amd_keys(),
                                  forge::AmdValidity::around(kNow));
    const forge::SnpFields fields = forge::snp_fields(product, 5);
    forge::SnpTcb tcb = forge::SnpTcb::typical(product);
    ByteArray<64> chip_id = fields.chip_id;
    tcb.snp = static_cast<std::uint8_t>(tcb.snp + row.more_snp);
    chip_id[7] ^= row.other_chip;
    const AttestationResult result = appraise({forge::forge_report(fields, amd.keys().vcek),
                                               {amd.vcek(chip_id, tcb), amd.ask(), amd.ark()},
                                               {amd.ark()}});
    INFO(errors_of(result));
    CHECK(result.verdict() == Verdict::refused);
    CHECK(has_error(result, row.want));
}

}  // namespace
}  // namespace attestd::verifier_test
