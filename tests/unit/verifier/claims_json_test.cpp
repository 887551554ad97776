// Results as JSON: the members that DESIGN section 6 fixes, whatever the evidence held.
#include "verifier/claims_json.h"

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using Json = nlohmann::ordered_json;
using test::IntelCase;
using test::SnpCase;

TEST_CASE("claims JSON: an accepted TDX result", "[verifier][json]") {
    const Json out =
        to_json(test::appraise(IntelCase(forge::tdx_v5(forge::BodyType::td15)).setting()));
    CHECK(out.at("accepted") == true);
    CHECK(out.at("tee") == "tdx");
    CHECK(out.at("format") == "tdx-quote-v5");
    CHECK(out.at("grade") == "test");
    CHECK(out.at("verified_at") == to_rfc3339(test::now()));
    CHECK(out.at("valid_until") == to_rfc3339(test::fresh().until));
    for (const char* member : {"status", "platform", "tdx_module", "qe", "launch", "current"})
        CHECK(out.at("tcb").at(member) == "UpToDate");
    CHECK(out.at("claims").at("xfam") == "e702060000000000");
    CHECK(out.at("claims").at("mrtd") == to_hex(forge::TdBody::measurement("mrtd")));
    CHECK(out.at("claims").contains("tee_tcb_svn2"));
    for (const Json& finding : out.at("findings")) CHECK(finding.size() == 3);
}

TEST_CASE("claims JSON: the verdict is true, false or null", "[verifier][json]") {
    test::Setting setting = SnpCase().setting();
    CHECK(to_json(test::appraise(setting)).at("accepted") == true);
    setting.expected.report_data = ReportData{1};
    CHECK(to_json(test::appraise(setting)).at("accepted") == false);
    setting.expected = {};
    setting.endorsements.clear();
    const Json undecided = to_json(test::appraise(setting));
    CHECK(undecided.at("accepted").is_null());
    CHECK(undecided.at("valid_until").is_null());
}

TEST_CASE("claims JSON: AMD publishes no status, and TCBs are objects", "[verifier][json]") {
    const Json tcb = to_json(test::appraise(SnpCase(forge::Product::turin).setting())).at("tcb");
    CHECK(tcb.at("status").is_null());
    for (const char* which : {"reported", "current", "committed", "launch"})
        CHECK(tcb.at(which).at("fmc") == 1);
}

TEST_CASE("claims JSON: no TCB level gives TcbNotSupported and nothing else", "[verifier][json]") {
    IntelCase c;
    c.collateral.tcb_info.levels.clear();
    const Json tcb = to_json(test::appraise(c.setting())).at("tcb");
    CHECK(tcb.at("status") == "TcbNotSupported");
    for (const char* member : {"platform", "tdx_module", "qe", "launch", "current", "date"})
        CHECK(tcb.at(member).is_null());
}

// Findings quote hostile evidence: what they say must always be text.
TEST_CASE("claims JSON: hostile names in certificates and labels never break the text",
          "[verifier][json]") {
    const auto spoil = GENERATE(
        as<void (*)(forge::QuoteParts&)>{},
        [](forge::QuoteParts& parts) {
            forge::CertificateSpec leaf = test::intel().pck_spec({});
            forge::common_name(leaf.subject) = "Intel\xff\x1b[2J";
            parts.certification_data = forge::pck_chain_data(
                forge::certificate_pem(forge::issue(leaf, test::intel().pck_issuer())) +
                test::intel().pck_crl_issuer_chain());
        },
        [](forge::QuoteParts& parts) {
            parts.certification_data =
                forge::pck_chain_data(forge::to_pem("CERT\xff\x1b[2J", Bytes(9)));
        });
    IntelCase c;
    c.spoil_quote = spoil;
    const AttestationResult result = test::appraise(c.setting());
    CHECK(test::outcome_of(result) == "refused: tdx.chain.malformed");
    const std::string text = to_json(result).dump();  // throws on bytes that are no UTF-8
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("\\u001b") == std::string::npos);
}

}  // namespace
}  // namespace attestd
