// What the baseline says of TDs that are verified in full (`spec/tdx.md` section 7; pitfalls 3, 24,
// 25, 27).
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::IntelCase;
using test::outcome;

TEST_CASE("TDX pitfall 3: debuggable TDs and enclaves are refused, unless policy says otherwise",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    test::td(c).td_attributes |= 1;
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "refused: tdx.policy.debug");
    setting.policy.tdx.allow_debug = true;
    CHECK(outcome(setting) == "accepted");
    IntelCase e(forge::sgx_v3());
    std::get<forge::EnclaveReport>(e.spec.body).flags |= 2;
    setting = e.setting();
    CHECK(outcome(setting) == "refused: sgx.policy.debug");
    setting.policy.sgx.allow_debug = true;
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("TDX pitfall 24: each TD attribute and XFAM bit is judged for itself",
          "[verifier][tdx][pitfall]") {
    for (unsigned bit = 0; bit < 64; ++bit) {
        IntelCase c;
        test::td(c).td_attributes ^= std::uint64_t{1} << bit;
        const std::string want = bit == 0               ? "refused: tdx.policy.debug"
                                 : bit >= 4 && bit <= 6 ? "refused: tdx.policy.profiling"
                                 : bit == 17            ? "refused: tdx.policy.servtd-ext"
                                 : bit == 28            ? "refused: tdx.policy.sept-ve-disable"
                                 : bit == 29            ? "refused: tdx.policy.migratable"
                                 : bit == 16 || bit == 27 || bit == 30 || bit == 31 || bit >= 62
                                     ? "accepted"
                                     : "refused: tdx.policy.reserved-attributes";
        INFO("TDATTRIBUTES bit " << bit);
        CHECK(outcome(c.setting()) == want);
    }
    for (unsigned bit = 0; bit < 64; ++bit) {
        IntelCase c;
        test::td(c).xfam = 0x0006dbe7 ^ std::uint64_t{1} << bit;
        const bool refused = bit <= 1 || (std::uint64_t{0x0006dbe7} >> bit & 1) == 0;
        INFO("XFAM bit " << bit);
        CHECK(outcome(c.setting()) == (refused ? "refused: tdx.policy.xfam" : "accepted"));
    }
}

TEST_CASE("TDX pitfall 25: a service TD is refused unless it is pinned",
          "[verifier][tdx][pitfall]") {
    IntelCase c(forge::tdx_v5(forge::BodyType::td15));
    test::td(c).mrservicetd.fill(0x7b);
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "refused: tdx.mrservicetd.mismatch");
    auto& pin = setting.policy.tdx.mrservicetd;
    pin.kind = ReferenceValues<48>::Kind::listed;
    CHECK(outcome(setting) == "refused: tdx.mrservicetd.mismatch");
    pin.values = {ByteArray<48>{1}};
    CHECK(outcome(setting) == "refused: tdx.mrservicetd.mismatch");
    pin.values.push_back(test::td(c).mrservicetd);
    CHECK(outcome(setting) == "accepted");
    setting.evidence =
        IntelCase(forge::tdx_v5(forge::BodyType::td15)).setting().evidence;  // zero: none is bound
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("TDX pitfall 27: Revoked cannot be allowed", "[verifier][tdx][pitfall]") {
    const auto revoke = GENERATE(
        as<void (*)(forge::CollateralSpec&)>{},
        [](auto& s) { s.tcb_info.levels[0].status = "Revoked"; },
        [](auto& s) { s.tcb_info.identities->at(1).levels[0].status = "Revoked"; },
        [](auto& s) { s.qe_identity.levels[0].status = "Revoked"; });
    IntelCase c;
    revoke(c.collateral);
    test::Setting setting = c.setting();
    setting.policy.tdx.tcb.allowed_tcb_statuses = {"UpToDate", "OutOfDate", "Revoked"};
    setting.policy.tdx.tcb.grace_days = 3650;
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
}

TEST_CASE("TDX: every policy failure is listed, not only the first", "[verifier][tdx]") {
    IntelCase c;
    test::td(c).td_attributes = 0x20000001;
    c.collateral.tcb_info.levels[0].status = "ConfigurationNeeded";
    test::Setting setting = c.setting();
    setting.policy.tdx.mrtd.kind = ReferenceValues<48>::Kind::listed;
    setting.expected.report_data = ReportData{1};
    CHECK(outcome(setting) ==
          "refused: tdx.tcb.status tdx.policy.debug tdx.policy.sept-ve-disable "
          "tdx.policy.migratable tdx.mrtd.mismatch tdx.report-data.mismatch");
}

TEST_CASE("TDX: report data is compared over all 64 bytes", "[verifier][tdx]") {
    IntelCase c;
    test::td(c).report_data.fill(0x33);
    test::Setting setting = c.setting();
    setting.expected.report_data = test::td(c).report_data;
    CHECK(outcome(setting) == "accepted");
    const std::size_t at = GENERATE(0U, 31U, 32U, 63U);
    setting.expected.report_data->at(at) ^= 1;
    CHECK(outcome(setting) == "refused: tdx.report-data.mismatch");
}

}  // namespace
}  // namespace attestd
