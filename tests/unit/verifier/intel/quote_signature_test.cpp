// The quote itself (`spec/tdx.md` section 6, steps 1 and 7; pitfalls 7, 9, 20, 35), and the case
// that all others spoil in one place. (Pitfalls 18, 19, 23, 30: also tests/unit/quote. 4, 5, 15,
// 34: also tcb_evaluation_test. 22 is the network's; 21 and 29 need a memory across restarts, the
// agent's.)
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::intel;
using test::IntelCase;
using test::outcome;

TEST_CASE("TDX pitfall 0: the unspoilt case is accepted", "[verifier][tdx][pitfall]") {
    CHECK(outcome(IntelCase().setting()) == "accepted");
}

TEST_CASE("TDX pitfall 7: another vendor id is refused although correctly signed",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    c.spec.header.vendor_id[0] ^= 1;
    CHECK(outcome(c.setting()) == "refused: tdx.quote.qe-vendor");
}

TEST_CASE("TDX pitfall 9: another outer certification type is refused",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    c.spoil_quote = [](auto& parts) { parts.outer_type = 5; };
    CHECK(outcome(c.setting()) == "refused: tdx.quote.malformed");
}

TEST_CASE("TDX pitfall 20: signatures that no key makes are refused", "[verifier][tdx][pitfall]") {
    const std::string n = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    const std::string zero(64, '0'), one = std::string(63, '0') + "1";
    const auto [r, s] = GENERATE_COPY(table<std::string, std::string>(
        {{zero, zero}, {zero, one}, {one, zero}, {n, one}, {one, n}, {n, n}}));
    const Bytes bad = from_hex(r + s, "signature").value();
    IntelCase c;
    c.spoil_quote = [&](auto& parts) { parts.signature = bad; };
    CHECK(outcome(c.setting()) == "refused: tdx.quote.signature");
    c.spoil_quote = [&](auto& parts) { parts.qe_report_signature = bad; };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.signature");
    c.spoil_quote = nullptr;
    c.spoil_collateral = [&](auto& x) { x.tcb_info_signature = to_hex(bad); };
    CHECK(outcome(c.setting()) == "refused: tdx.tcb-info.signature");
}

TEST_CASE("TDX pitfall 20: an attestation key that is no point on the curve is refused",
          "[verifier][tdx][pitfall]") {
    const auto spoil = GENERATE(
        as<void (*)(Bytes&)>{}, [](Bytes& k) { k[63] ^= 1; }, [](Bytes& k) { k.assign(64, 0); },
        [](Bytes& k) { k.assign(64, 0xff); });
    IntelCase c;
    c.spoil_quote = [&](auto& parts) {
        spoil(parts.attestation_key);
        parts.rebind_qe();
        parts.sign_qe(intel().keys.pck);
    };
    CHECK(outcome(c.setting()) == "refused: tdx.quote.signature");
}

TEST_CASE("TDX: signatures of the wrong length or in other digits are refused", "[verifier][tdx]") {
    const auto spoil = GENERATE(
        as<void (*)(std::string&)>{}, [](std::string& s) { s.clear(); },
        [](std::string& s) { s.pop_back(); }, [](std::string& s) { s += "00"; },
        [](std::string& s) { s[0] = 'x'; });
    IntelCase c;
    c.spoil_collateral = [&](auto& x) { spoil(x.tcb_info_signature); };
    CHECK(outcome(c.setting()) == "refused: tdx.tcb-info.signature");
    c.spoil_collateral = [&](auto& x) { spoil(x.qe_identity_signature); };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-identity.signature");
}

TEST_CASE("TDX pitfall 35: SGX quotes verify in every version, under either authority",
          "[verifier][sgx][pitfall]") {
    const auto make = GENERATE(forge::sgx_v3, forge::sgx_v4, forge::sgx_v5);
    CHECK(outcome(IntelCase(make()).setting()) == "accepted");
    const forge::IntelHierarchy& processor = intel(forge::PckCa::processor);
    IntelCase c(make());
    c.spoil_quote = [&](auto& parts) {
        parts.certification_data =
            forge::pck_chain_data(processor.pck_chain(processor.pck(forge::processor_fields())));
    };
    c.spoil_collateral = [&](auto& x) {
        x.pck_crl_issuer_chain = processor.pck_crl_issuer_chain();
        x.pck_crl = forge::issue(processor.pck_crl_spec(test::fresh()), processor.pck_issuer());
    };
    CHECK(outcome(c.setting()) == "accepted");
}

}  // namespace
}  // namespace attestd
