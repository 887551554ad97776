// The quoting enclave behind a quote (`spec/tdx.md` section 6, step 6; pitfalls 1, 23): what its
// identity describes and what its report vouches for.
#include "tests/support/catch.h"
#include "tests/unit/verifier/intel/spoil.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::intel;
using test::IntelCase;
using test::outcome;
using test::replaced;

TEST_CASE("TDX pitfall 1: an edited QE identity is refused by its signature",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    c.spoil_collateral = [](auto& x) {
        x.qe_identity = replaced(x.qe_identity, R"("isvprodid":2)", R"("isvprodid":3)");
    };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-identity.signature");
}

TEST_CASE("TDX pitfall 1: a quoting enclave that its identity does not describe is refused",
          "[verifier][tdx][pitfall]") {
    struct Row {
        const char* name;
        void (*spoil)(IntelCase&);
    };
    const Row row = GENERATE(values<Row>({
        {"ISVPRODID", [](auto& c) { ++c.spec.qe.report.isvprodid; }},
        {"MRSIGNER", [](auto& c) { c.spec.qe.report.mrsigner[31] ^= 1; }},
        {"MISCSELECT under its mask", [](auto& c) { c.spec.qe.report.miscselect = 0x80000000; }},
        {"ATTRIBUTES under their mask", [](auto& c) { c.spec.qe.report.flags |= 0x20; }},
        {"DEBUG", [](auto& c) { c.spec.qe.report.flags |= 0x02; }},
        {"DEBUG outside the mask",
         [](auto& c) {
             c.spec.qe.report.flags |= 0x02;
             c.collateral.qe_identity.attributes_mask = {};
         }},
    }));
    INFO(row.name);
    IntelCase c;
    row.spoil(c);
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.mismatch");
}

TEST_CASE("TDX: bits of the quoting enclave outside the identity's masks are not judged",
          "[verifier][tdx]") {
    IntelCase c;
    c.spec.qe.report.xfrm = 0x1234;
    c.spec.qe.report.miscselect = 0x01000000;
    c.collateral.qe_identity.miscselect = {0, 0, 0, 0x02};  // outside the mask on this side too
    c.collateral.qe_identity.miscselect_mask = {0xff, 0xff, 0xff, 0xfc};
    CHECK(outcome(c.setting()) == "accepted");
}

TEST_CASE("TDX: the quoting enclave's report must vouch for the attestation key and nothing else",
          "[verifier][tdx]") {
    const auto sign = [](forge::QuoteParts& parts) { parts.sign_qe(intel().keys.pck); };
    IntelCase c;
    c.spoil_quote = [&](auto& parts) {
        parts.qe_report[320] ^= 1;
        sign(parts);
    };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.binding");
    c.spoil_quote = [&](auto& parts) {
        parts.qe_report[383] = 1;
        sign(parts);
    };  // the half that must be zero
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.binding");
    c.spoil_quote = [&](auto& parts) { parts.auth_data.push_back(0); };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.binding");
    c.spoil_quote = [&](auto& parts) { parts.sign_qe(intel().keys.attestation); };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.signature");
    c.spoil_quote = [&](auto& parts) {
        parts.signature = intel().keys.pck.sign_raw(parts.signed_part);
    };
    CHECK(outcome(c.setting()) == "refused: tdx.quote.signature");
}

TEST_CASE("TDX pitfall 23: authentication data of any length verifies",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    c.spec.qe.auth_data.assign(GENERATE(0U, 64U), 0x5a);
    CHECK(outcome(c.setting()) == "accepted");
}

}  // namespace
}  // namespace attestd
