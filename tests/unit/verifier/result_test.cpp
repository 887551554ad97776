// Results: only an accepted one affirms, and it carries what it rests on.
#include "verifier/result.h"

#include <type_traits>

#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::IntelCase;
using test::Setting;
using test::SnpCase;

// tests/unit/must_not_compile shows that neither can be made outside of the verifier.
static_assert(!std::is_default_constructible_v<AttestationResult>);
static_assert(!std::is_default_constructible_v<AffirmingResult>);
static_assert(!std::is_constructible_v<AffirmingResult, AttestationResult>);

TEST_CASE("result: an accepted one affirms, with its term and grade", "[verifier][result]") {
    const AttestationResult result = test::appraise(IntelCase().setting());
    REQUIRE(result.verdict() == Verdict::accepted);
    const auto affirming = result.affirming();
    REQUIRE_OK(affirming);
    CHECK(affirming->valid_until() == *result.valid_until());
    CHECK(affirming->verified_at() == test::now());
    CHECK(affirming->grade() == Grade::test);
    CHECK(affirming->result().evidence_digest() == result.evidence_digest());
}

TEST_CASE("result: a refused one does not affirm, and says the first reason",
          "[verifier][result]") {
    IntelCase c;
    test::td(c).td_attributes |= 1;
    const AttestationResult result = test::appraise(c.setting());
    const auto affirming = result.affirming();
    REQUIRE_ERRC(Errc::not_affirming, affirming);
    CHECK_THAT(affirming.error().detail, test::ContainsSubstring("tdx.policy.debug: "));
    CHECK_FALSE(result.valid_until());
}

TEST_CASE("result: the evidence digest is that of the signed bytes", "[verifier][result]") {
    const IntelCase c;
    const Setting setting = c.setting();
    CHECK(test::appraise(setting).evidence_digest() == sha256(c.parts().signed_part));
    const Setting snp = SnpCase().setting();
    CHECK(test::appraise(snp).evidence_digest() == sha256(ByteView(snp.evidence).first(0x2a0)));
}

TEST_CASE("result: it is good until the earliest end of everything it rests on",
          "[verifier][result]") {
    const Time end = test::now() + std::chrono::hours(3);
    struct Row {
        const char* name;
        void (*shorten)(IntelCase&, Time);
    };
    const Row row = GENERATE(values<Row>({
        {"TCB info", [](auto& c, Time t) { c.collateral.tcb_info.next_update = t; }},
        {"QE identity", [](auto& c, Time t) { c.collateral.qe_identity.next_update = t; }},
        {"root list", [](auto& c, Time t) { c.collateral.root_crl.validity.until = t; }},
        {"PCK list", [](auto& c, Time t) { c.collateral.pck_crl.validity.until = t; }},
        {"PCK certificate",
         [](auto& c, Time t) {
             forge::CertificateSpec leaf = test::intel().pck_spec({});
             leaf.validity.until = t;
             const std::string chain =
                 forge::certificate_pem(forge::issue(leaf, test::intel().pck_issuer()));
             c.spoil_quote = [chain](auto& p) {
                 p.certification_data =
                     forge::pck_chain_data(chain + test::intel().pck_crl_issuer_chain());
             };
         }},
        {"PCK authority",
         [](auto& c, Time t) {
             forge::CertificateSpec ca = test::intel().pck_ca_spec();
             ca.validity.until = t;
             const std::string der =
                 forge::certificate_pem(forge::issue(ca, test::intel().root_issuer()));
             c.spoil_quote = [der](auto& p) {
                 p.certification_data =
                     forge::pck_chain_data(forge::certificate_pem(test::intel().pck({})) + der +
                                           forge::certificate_pem(test::intel().root));
             };
         }},
        {"TCB signer",
         [](auto& c, Time t) {
             forge::CertificateSpec signer = test::intel().tcb_signing_spec();
             signer.validity.until = t;
             const std::string chain =
                 forge::certificate_pem(forge::issue(signer, test::intel().root_issuer())) +
                 forge::certificate_pem(test::intel().root);
             c.spoil_collateral = [chain](auto& x) { x.qe_identity_issuer_chain = chain; };
         }},
        {"the signer's own certificate of the root",
         [](auto& c, Time t) {
             forge::CertificateSpec root = test::intel().root_spec();
             root.validity.until = t;
             const std::string chain =
                 forge::certificate_pem(test::intel().tcb_signing) +
                 forge::certificate_pem(forge::issue(root, test::intel().root_issuer()));
             c.spoil_collateral = [chain](auto& x) { x.tcb_info_issuer_chain = chain; };
         }},
    }));
    INFO(row.name);
    IntelCase c;
    CHECK(test::appraise(c.setting()).valid_until() == test::fresh().until);
    row.shorten(c, end);
    Setting setting = c.setting();
    CHECK(test::appraise(setting).valid_until() == end);
    setting.at = end;
    CHECK(test::outcome(setting) == "accepted");
    setting.at += std::chrono::seconds(1);
    CHECK(test::outcome(setting).starts_with("refused: tdx."));
}

TEST_CASE("result: SNP evidence is good as long as its certificates and list are",
          "[verifier][result]") {
    const Time end = test::now() + std::chrono::hours(3);
    SnpCase c;
    c.leaf.validity.until = end;
    CHECK(test::appraise(c.setting()).valid_until() == end);
    c = SnpCase();
    c.intermediate.validity.until = end;
    CHECK(test::appraise(c.setting()).valid_until() == end);
    c = SnpCase();
    c.root.validity.until = end;
    CHECK(test::appraise(c.setting()).valid_until() == end);
    c = SnpCase();
    c.crl = forge::crl_spec({test::now(), end}, c.amd().keys().ark);
    CHECK(test::appraise(c.setting()).valid_until() == end);
}

TEST_CASE("result: evidence of a TEE that the policy does not speak of is refused",
          "[verifier][result]") {
    Setting tdx = IntelCase().setting(), sgx = IntelCase(forge::sgx_v3()).setting(),
            snp = SnpCase().setting();
    tdx.policy.names_tdx = sgx.policy.names_sgx = snp.policy.names_snp = false;
    CHECK(test::outcome(tdx) == "refused: tdx.policy.tee");
    CHECK(test::outcome(sgx) == "refused: sgx.policy.tee");
    CHECK(test::outcome(snp) == "refused: snp.policy.tee");
}

TEST_CASE("result: bytes that are no evidence are refused, never thrown at", "[verifier][result]") {
    for (const Bytes& bytes : {Bytes{}, Bytes{0}, Bytes(1184), Bytes(70000, 1), Bytes(5000, 0xff),
                               to_bytes(as_bytes("hello"))}) {
        Setting setting = IntelCase().setting();
        setting.evidence = bytes;
        const AttestationResult result = test::appraise(setting);
        CHECK(result.verdict() == Verdict::refused);
        REQUIRE(result.findings().size() == 1);
        CHECK(result.findings()[0].id ==
              (bytes.size() == kSnpReportLen
                   ? "snp.report.malformed"
                   : std::string(tee_name(result.tee())) + ".quote.malformed"));
        CHECK(std::holds_alternative<std::monostate>(result.claims()));
    }
}

TEST_CASE("result: reference values that are not given are warnings, each by its name",
          "[verifier][result]") {
    const auto warnings = [](const AttestationResult& result) {
        std::string out;
        for (const Finding& f : result.findings()) {
            if (f.severity == Severity::warning) out += f.id + ' ';
        }
        return out;
    };
    CHECK(warnings(test::appraise(IntelCase().setting())) ==
          "tdx.mrtd.unpinned tdx.rtmr0.unpinned tdx.rtmr1.unpinned tdx.rtmr2.unpinned "
          "tdx.rtmr3.unpinned tdx.mrseam.unpinned "
          "tdx.mrconfigid.unpinned tdx.mrowner.unpinned tdx.mrownerconfig.unpinned ");
    CHECK(warnings(test::appraise(IntelCase(forge::sgx_v3()).setting())) ==
          "sgx.mrenclave.unpinned sgx.mrsigner.unpinned ");
    CHECK(warnings(test::appraise(
              SnpCase(forge::Product::milan, 3, forge::ReportKey::vlek).setting())) ==
          "snp.csp-id.unpinned snp.min-tcb.unpinned snp.measurement.unpinned "
          "snp.host-data.unpinned snp.id-key-digest.unpinned "
          "snp.author-key-digest.unpinned ");
}

}  // namespace
}  // namespace attestd
