// The verifier in this process: where its endorsements come from, and that none goes back.
#include "agent/local_kind.h"

#include <nlohmann/json.hpp>

#include "agent/collateral/needs.h"
#include "quote/base/encoding.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/support/forge/case_forge.h"
#include "tests/support/forge/report_forge.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/collateral/fake_services.h"

namespace attestd {
namespace {

using std::chrono::days;
using test::Machine;

constexpr Time kNow{std::chrono::seconds(1'790'000'000)};
constexpr std::string_view kPolicy =
    R"({"tdx":{"mrtd":"any","rtmr0":"any","rtmr1":"any","rtmr2":"any","rtmr3":"any",)"
    R"("mrseam":"any","mrconfigid":"any","mrowner":"any","mrownerconfig":"any"}})";

struct Rig {
    explicit Rig(const char* kind = "tdx-v4") : machine(kind, kNow) {
        config.policy = {"policy.json", Bytes(kPolicy.begin(), kPolicy.end())};
        config.trust_anchors = {{"root.der", machine.root}};
        config.collateral.cache = dir / "cache";
    }
    std::unique_ptr<VerifierKind> make() const {
        auto kind = LocalKind::make(config);
        REQUIRE_OK(kind);
        return *std::move(kind);
    }
    /// The collateral of the machine as one file, issued at `at`.
    static Bytes collateral(Time at) {
        const auto files = forge::forge_case("tdx-v4", at);
        REQUIRE_OK(files);
        return forge::content_of(*files, "collateral.json");
    }
    Result<AttestationResult> appraise(VerifierKind& kind, Time now,
                                       std::vector<Bytes> hints = {}) const {
        return kind.appraise({machine.kind.starts_with("snp") ? Tee::snp : Tee::tdx,
                              machine.evidence,
                              std::move(hints),
                              {},
                              "test"},
                             {}, now);
    }

    test::TempDir dir;
    Machine machine;
    VerifierConfig config;
};

TEST_CASE("local verifier: what it lacks is named once, and serves when it lies in the cache",
          "[agent][collateral]") {
    Rig rig;
    const auto kind = rig.make();
    const auto lacking = rig.appraise(*kind, kNow);
    REQUIRE_OK(lacking);
    CHECK(lacking->verdict() == Verdict::undecided);
    const auto wanted = kind->take_wanted();
    CHECK(wanted.size() == 4);
    CHECK(kind->take_wanted().empty());

    // What another process fetched counts without a restart.
    auto services = std::make_shared<test::FakeServices>();
    rig.machine.serve(*services, "current");
    auto cache =
        CollateralCache::open(rig.dir / "cache", CollateralCache::Kind::test, rig.machine.anchors);
    REQUIRE_OK(cache);
    CollateralProvider provider(*std::move(cache), services, test::test_addresses(),
                                rig.machine.anchors);
    static_cast<void>(provider.obtain(wanted, {}, WhenToAsk::when_missing, kNow,
                                      std::chrono::steady_clock::now() + std::chrono::seconds(5)));
    const auto affirmed = rig.appraise(*kind, kNow);
    REQUIRE_OK(affirmed);
    CHECK(affirmed->verdict() == Verdict::accepted);
    CHECK(kind->take_wanted().empty());
    // Most of its life over: still good, and wanted anew.
    const auto late = rig.appraise(*kind, kNow + days(25));
    CHECK(late->verdict() == Verdict::accepted);
    CHECK(kind->take_wanted().size() == 4);
}

// An Azure SNP guest's evidence by the machine of `rig`, for report data of 64 times `fill`.
Evidence azure_evidence(const Rig& rig, std::uint8_t fill) {
    const ReportData nonce = [&] {
        ReportData out{};
        out.fill(fill);
        return out;
    }();
    forge::RuntimeSpec runtime;
    runtime.user_data = to_hex(nonce);
    forge::HclSpec blob;
    blob.runtime = forge::runtime_json(runtime);
    forge::SnpFields fields = forge::snp_fields(forge::Product::milan, 3);
    fields.report_data = forge::bound_report_data(blob.runtime);
    blob.hardware_report = forge::forge_report(fields, forge::shared_amd_keys().vcek);
    forge::VtpmQuoteSpec quote;
    quote.nonce = vtpm_nonce(nonce);
    AzureEvidence azure;
    azure.user_data = UserDataRule::nonce;
    azure.hcl_blob = forge::hcl_blob(blob);
    const Bytes message = forge::attest_bytes(quote);
    azure.vtpm_quote = VtpmQuote{message, forge::shared_vtpm_key().sign(message), quote.pcrs};
    const auto files = forge::forge_case(rig.machine.kind, kNow);
    REQUIRE_OK(files);
    azure.vcek = forge::content_of(*files, "leaf.der");
    Evidence out{};
    out.tee = Tee::snp;
    out.quote = to_bytes(as_bytes(write_azure_evidence(azure)));
    out.endorsements = {forge::content_of(*files, "intermediate.der")};
    return out;
}

TEST_CASE("local verifier: an Azure VM's evidence is appraised with the VCEK in it and its nonce",
          "[agent][azure]") {
    Rig rig("snp-milan-v3");
    constexpr std::string_view kSnp =
        R"({"snp":{"measurement":"any","host_data":"any","id_key_digest":"any",)"
        R"("author_key_digest":"any","csp_ids":"any","min_tcb":"any")";
    const std::string named = std::string(kSnp) + R"(,"azure":{"pcrs":"any"}}})";
    const std::string bare = std::string(kSnp) + "}}";
    const Evidence evidence = azure_evidence(rig, 7);
    const auto first_error = [&](const std::string& policy, std::uint8_t nonce) {
        rig.config.policy.bytes = to_bytes(as_bytes(policy));
        Expectations expected;
        expected.report_data.emplace().fill(nonce);
        const auto result = rig.make()->appraise(evidence, expected, kNow);
        REQUIRE_OK(result);
        for (const Finding& finding : result->findings()) {
            if (finding.severity == Severity::error) return finding.id;
        }
        CHECK(result->verdict() == Verdict::accepted);
        return std::string("none");
    };
    CHECK(first_error(named, 7) == "none");
    CHECK(first_error(named, 8) == "snp.vtpm.nonce");
    CHECK(first_error(bare, 7) == "snp.policy.azure");
}

TEST_CASE("local verifier: Azure evidence that does not parse is an error, not a verdict",
          "[agent][azure]") {
    Rig rig("snp-milan-v3");
    Evidence evidence{};
    evidence.tee = Tee::snp;
    evidence.quote = to_bytes(as_bytes(R"({"version": 3, "hcl_report": "AAAA"})"));
    REQUIRE_ERRC(Errc::unsupported_version, rig.make()->appraise(evidence, {}, kNow));
}

TEST_CASE("local verifier: files and hints serve without a cache", "[agent][collateral]") {
    Rig rig;
    rig.config.endorsements = {rig.dir.write("given/collateral.json", Rig::collateral(kNow))};
    CHECK(rig.appraise(*rig.make(), kNow)->verdict() == Verdict::accepted);
    rig.config.endorsements.clear();
    CHECK(rig.appraise(*rig.make(), kNow, {Rig::collateral(kNow), Bytes{1, 2, 3}})->verdict() ==
          Verdict::accepted);
}

TEST_CASE("local verifier: a file older than one seen is left out, and said when it is missed",
          "[agent][collateral][invariant-7]") {
    Rig rig;
    const auto file = rig.dir.write("given/collateral.json", Rig::collateral(kNow));
    rig.config.endorsements = {rig.dir / "given"};
    REQUIRE_OK(rig.appraise(*rig.make(), kNow));
    rig.dir.write("given/collateral.json", Rig::collateral(kNow - days(1)));
    // Another process, the same folder: what was seen is remembered.
    const auto back = rig.appraise(*rig.make(), kNow);
    REQUIRE_FALSE(back.has_value());
    const Errc code = back.error().code;
    CHECK((code == Errc::collateral_rollback || code == Errc::crl_rollback));
    CHECK(back.error().detail.find("collateral.json") != std::string::npos);
    // A newer one beside it, and the old one costs nothing.
    rig.dir.write("given/newer.json", Rig::collateral(kNow));
    CHECK(rig.appraise(*rig.make(), kNow)->verdict() == Verdict::accepted);
}

TEST_CASE("local verifier: an older hint is not used", "[agent][collateral][invariant-7]") {
    Rig rig;
    const auto kind = rig.make();
    REQUIRE_OK(rig.appraise(*kind, kNow, {Rig::collateral(kNow)}));
    const auto replayed = rig.appraise(*kind, kNow, {Rig::collateral(kNow - days(1))});
    REQUIRE_OK(replayed);
    CHECK(replayed->verdict() == Verdict::undecided);
}

// One-file collateral without the PCK CRL, or that list alone as bare DER: its issuer is then known
// from the quote, and from nowhere else.
Bytes without_pck_crl(Time at) {
    auto file = nlohmann::json::parse(as_text(Rig::collateral(at)));
    file.erase("pck_crl");
    file.erase("pck_crl_issuer_chain");
    const std::string text = file.dump();
    return {text.begin(), text.end()};
}
Bytes bare_pck_crl(Time at) {
    const auto file = nlohmann::json::parse(as_text(Rig::collateral(at)));
    return from_hex(file.at("pck_crl").get<std::string>(), "pck_crl").value();
}

TEST_CASE("local verifier: an older list is known as older without the chain of its issuer",
          "[agent][collateral][invariant-7]") {
    Rig rig;
    const std::vector<Bytes> current{without_pck_crl(kNow), bare_pck_crl(kNow)};
    const std::vector<Bytes> older{without_pck_crl(kNow), bare_pck_crl(kNow - days(1))};
    const auto kind = rig.make();
    CHECK(rig.appraise(*kind, kNow, older)->verdict() == Verdict::accepted);
    CHECK(rig.appraise(*kind, kNow, current)->verdict() == Verdict::accepted);
    CHECK(rig.appraise(*kind, kNow, older)->verdict() == Verdict::undecided);
    CHECK(rig.appraise(*rig.make(), kNow, older)->verdict() == Verdict::undecided);
}

TEST_CASE("local verifier: AMD's older list is known as older when it comes alone",
          "[agent][collateral][invariant-7]") {
    constexpr std::string_view policy =
        R"({"snp":{"measurement":"any","host_data":"any","id_key_digest":"any",)"
        R"("author_key_digest":"any","csp_ids":"any","min_tcb":"any","require_crl":true}})";
    Rig rig("snp-milan-v3");
    rig.config.policy = {"policy.json", Bytes(policy.begin(), policy.end())};
    auto services = std::make_shared<test::FakeServices>();
    rig.machine.serve(*services, "current");
    auto cache =
        CollateralCache::open(rig.dir / "cache", CollateralCache::Kind::test, rig.machine.anchors);
    REQUIRE_OK(cache);
    CollateralProvider provider(*std::move(cache), services, test::test_addresses(),
                                rig.machine.anchors);
    // Issuers and leaf, not the list.
    auto ids = needed_endorsements(rig.machine.evidence, {}).value();
    ids.pop_back();
    static_cast<void>(provider.obtain(ids, {}, WhenToAsk::when_missing, kNow,
                                      std::chrono::steady_clock::now() + std::chrono::seconds(5)));
    const auto crl = [](Time at) {
        return forge::content_of(forge::forge_case("snp-milan-v3", at).value(), "crl.der");
    };
    const auto kind = rig.make();
    CHECK(rig.appraise(*kind, kNow, {crl(kNow)})->verdict() == Verdict::accepted);
    CHECK(rig.appraise(*kind, kNow, {crl(kNow - days(1))})->verdict() == Verdict::undecided);
}

TEST_CASE("local verifier: a clock behind the newest signed date is an outage with its name",
          "[agent][collateral][invariant-11][pitfall-29]") {
    Rig rig;
    const auto kind = rig.make();
    REQUIRE_OK(rig.appraise(*kind, kNow, {Rig::collateral(kNow)}));
    REQUIRE_ERRC(Errc::clock_before_collateral,
                 rig.appraise(*kind, kNow - days(1), {Rig::collateral(kNow)}));
    REQUIRE_ERRC(Errc::clock_before_collateral,
                 rig.appraise(*rig.make(), kNow - days(1), {Rig::collateral(kNow)}));
    CHECK(rig.appraise(*kind, kNow, {Rig::collateral(kNow)})->verdict() == Verdict::accepted);
}

TEST_CASE("local verifier: a cache that cannot be opened is an outage, not a refusal",
          "[agent][collateral]") {
    Rig rig;
    rig.config.collateral.cache = rig.dir.write("file", std::string_view("no folder"));
    const auto appraised = rig.appraise(*rig.make(), kNow, {Rig::collateral(kNow)});
    REQUIRE_FALSE(appraised.has_value());
    CHECK(appraised.error().detail.find("collateral cache") != std::string::npos);
}

}  // namespace
}  // namespace attestd
