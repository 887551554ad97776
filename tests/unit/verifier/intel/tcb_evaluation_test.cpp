// TCB level selection (`spec/tdx.md` section 6.1) on parsed documents, without any cryptography.
#include "verifier/intel/tcb_evaluation.h"

#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

Time day(int year, unsigned month, unsigned d) {
    return make_time(year, month, d, 0, 0, 0, "day").value();
}

// A small machine with its documents; the forge writes them, the product parses them.
struct Machine {
    PckExtension pck{};
    forge::TcbInfo info = forge::tdx_tcb_info({}, test::fresh());
    forge::EnclaveIdentity identity = forge::td_qe_identity(test::fresh());
    std::uint16_t qe_isv_svn = 4;
    IntelQuote quote{};

    Machine() {
        const forge::PckFields fields;
        pck.tcb_components = fields.components;
        pck.pce_svn = fields.pcesvn;
        quote.header.tee_type = kTeeTypeTdx;
        quote.body = TdReport{};
        td().tee_tcb_svn = {5, 1, 3};
    }
    TdReport& td() { return std::get<TdReport>(quote.body); }
    Result<TcbJudgement> judge() const {
        const auto parsed = parse_tcb_info(forge::to_json(info));
        const auto qe = parse_enclave_identity(forge::to_json(identity));
        REQUIRE_OK(parsed);
        REQUIRE_OK(qe);
        return judge_tcb(quote, qe_isv_svn, pck, *parsed, *qe);
    }
    std::string status() const {
        const auto judged = judge();
        return judged ? std::string(tcb_status_name(judged->status))
                      : std::string(errc_name(judged.error().code));
    }
};

TEST_CASE("TCB: a machine at exactly its level is UpToDate", "[verifier][tcb]") {
    Machine m;
    CHECK(m.status() == "UpToDate");
}

TEST_CASE("TCB: each SGX component and PCESVN one below the level gives the next level",
          "[verifier][tcb]") {
    for (std::size_t i = 0; i <= 16; ++i) {
        Machine m;
        forge::TcbLevel& top = m.info.levels[0];
        if (i < 16)
            top.sgx[i].svn = m.pck.tcb_components[i] + 1u;  // the 16th too
        else
            top.pcesvn = m.pck.pce_svn + 1u;
        INFO("component " << i + 1);
        CHECK(m.status() == "OutOfDate");
    }
}

TEST_CASE("TCB: components are compared as numbers up to 255", "[verifier][tcb]") {
    Machine m;
    m.pck.tcb_components[15] = 200;
    m.info.levels[0].sgx[15].svn = 200;
    CHECK(m.status() == "UpToDate");
    m.info.levels[0].sgx[15].svn = 201;
    CHECK(m.status() == "OutOfDate");
}

TEST_CASE("TCB rule c: from TDX 1.5 on the first two TDX components are the module's",
          "[verifier][tcb]") {
    for (std::size_t i = 0; i < 16; ++i) {
        Machine m;
        m.info.levels[0].tdx[i].svn = m.td().tee_tcb_svn[i] + 1u;
        INFO("component " << i);
        CHECK(m.status() == (i < 2 ? "UpToDate" : "OutOfDate"));
    }
}

TEST_CASE("TCB rule c: on TDX 1.0 all 16 TDX components are compared", "[verifier][tcb]") {
    for (std::size_t i = 0; i < 16; ++i) {
        Machine m;
        m.td().tee_tcb_svn = {5, 0, 3};
        for (auto& component : m.info.levels[0].tdx) component.svn = 0;
        for (auto& component : m.info.levels[1].tdx) component.svn = 0;
        CHECK(m.status() == "UpToDate");
        m.info.levels[0].tdx[i].svn = m.td().tee_tcb_svn[i] + 1u;
        INFO("component " << i);
        CHECK(m.status() == "OutOfDate");
        CHECK_FALSE(m.judge()->launch.module);
    }
}

TEST_CASE("TCB: levels are tried from the highest down, whatever the document's order",
          "[verifier][tcb]") {
    Machine m;
    forge::TcbLevel level = m.info.levels[0];
    m.info.levels.clear();
    for (const std::uint32_t svn : {1U, 3U, 0U, 4U, 2U}) {  // the machine has 3
        level.sgx[0].svn = svn;
        level.status = svn == 3 ? "ConfigurationNeeded" : "OutOfDate";
        m.info.levels.push_back(level);
    }
    CHECK(m.status() == "ConfigurationNeeded");
}

TEST_CASE("TCB: PCESVN decides between levels of equal components, TDX components after it",
          "[verifier][tcb]") {
    Machine m;
    forge::TcbLevel low = m.info.levels[0];
    m.info.levels[0].status = "SWHardeningNeeded";
    low.pcesvn = 12;
    low.status = "ConfigurationNeeded";
    m.info.levels.insert(m.info.levels.begin(), low);
    CHECK(m.status() == "SWHardeningNeeded");
    m.pck.pce_svn = 12;
    CHECK(m.status() == "ConfigurationNeeded");
    m.pck.pce_svn = 13;
    forge::TcbLevel high = m.info.levels[1];
    high.tdx[2].svn = 3;
    high.status = "UpToDate";
    m.info.levels.push_back(high);
    CHECK(m.status() == "UpToDate");
}

TEST_CASE("TCB: no level that fits is an error, never a status", "[verifier][tcb]") {
    Machine m;
    m.pck.tcb_components = {};
    CHECK(m.status() == "tcb.not-supported");
    m = Machine();
    m.info.levels.clear();
    CHECK(m.status() == "tcb.not-supported");
    m = Machine();
    m.qe_isv_svn = 1;
    CHECK(m.status() == "tcb.not-supported");
    m = Machine();
    m.identity.levels.clear();
    CHECK(m.status() == "tcb.not-supported");
    m = Machine();
    m.td().tee_tcb_svn = {1, 1, 3};  // the module's levels begin at 2
    CHECK(m.status() == "tcb.not-supported");
    m = Machine();
    m.td().tee_tcb_svn = {9, 2, 3};
    CHECK(m.status() == "tcb.not-supported");
    m = Machine();
    m.td().tee_tcb_svn2 = ByteArray<16>{1, 1, 3};
    CHECK(m.status() == "tcb.not-supported");
}

TEST_CASE("TCB: an ISVSVN above 255 is not cut", "[verifier][tcb]") {
    Machine m;
    m.identity.levels = {{256, test::now(), "UpToDate", {}}, {1, test::now(), "OutOfDate", {}}};
    m.qe_isv_svn = 255;
    CHECK(m.status() == "OutOfDate");
    m.qe_isv_svn = 256;
    CHECK(m.status() == "UpToDate");
    m.info.identities->at(1).levels = {{256, test::now(), "UpToDate", {}},
                                       {1, test::now(), "OutOfDate", {}}};
    CHECK(m.status() == "OutOfDate");
}

TEST_CASE("TCB: module and quoting enclave add up with the platform", "[verifier][tcb]") {
    Machine m;
    m.info.levels[0].status = "ConfigurationNeeded";
    m.td().tee_tcb_svn = {2, 1, 3};
    const auto judged = m.judge();
    REQUIRE_OK(judged);
    CHECK(judged->status == TcbStatus::out_of_date_configuration_needed);
    CHECK(judged->launch.platform == TcbStatus::configuration_needed);
    CHECK(judged->launch.module == TcbStatus::out_of_date);
    CHECK(judged->launch.qe == TcbStatus::up_to_date);
    m.qe_isv_svn = 2;
    m.td().tee_tcb_svn = {4, 1, 3};
    CHECK(m.status() == "OutOfDateConfigurationNeeded");
}

TEST_CASE("TCB: advisories are the union, sorted and without repeats; the date is the earliest",
          "[verifier][tcb]") {
    Machine m;
    m.info.levels[0].advisories = {"INTEL-SA-2", "INTEL-SA-1"};
    m.info.levels[0].date = day(2025, 5, 1);
    m.info.identities->at(1).levels[0].advisories = {"INTEL-SA-2", "INTEL-SA-0"};
    m.info.identities->at(1).levels[0].date = day(2024, 5, 1);
    m.identity.levels[0].advisories = {"INTEL-SA-9"};
    m.identity.levels[0].date = day(2026, 5, 1);
    const auto judged = m.judge();
    REQUIRE_OK(judged);
    CHECK(judged->launch.advisory_ids ==
          std::vector<std::string>{"INTEL-SA-0", "INTEL-SA-1", "INTEL-SA-2", "INTEL-SA-9"});
    CHECK(judged->launch.date == day(2024, 5, 1));
    CHECK(to_intel_tcb(*judged).date == day(2024, 5, 1));
}

TEST_CASE("TCB: the day on which a platform fell behind is that of the next acceptable level",
          "[verifier][tcb]") {
    Machine m;
    forge::TcbLevel top = m.info.levels[0];
    top.sgx[0].svn = 9;
    top.date = day(2026, 6, 1);
    m.info.levels[0] = top;
    forge::TcbLevel middle = top;
    middle.sgx[0].svn = 8;
    middle.date = day(2026, 3, 1);
    m.info.levels.push_back(middle);
    forge::TcbLevel revoked = top;
    revoked.sgx[0].svn = 7;
    revoked.date = day(2026, 1, 1);
    revoked.status = "Revoked";
    m.info.levels.push_back(revoked);
    forge::TcbLevel old = top;
    old.sgx[0].svn = 6;
    old.date = day(2025, 12, 1);
    old.status = "OutOfDate";
    m.info.levels.push_back(old);
    CHECK(m.judge()->launch.fell_behind == day(2026, 3, 1));
    // Two parts behind: the one that fell behind first counts.
    m.td().tee_tcb_svn = {2, 1, 3};
    m.info.identities->at(1).levels[0].date = day(2026, 2, 1);
    CHECK(m.judge()->launch.fell_behind == day(2026, 2, 1));
    // Up to date: nothing fell behind.
    CHECK_FALSE(Machine().judge()->launch.fell_behind);
    // No newer level that is acceptable: the platform is behind for ever.
    for (auto& level : m.info.levels) level.status = "OutOfDate";
    CHECK(m.judge()->launch.fell_behind == Time::min());
}

TEST_CASE("TCB relaunch: both sets of SVNs are judged and reported", "[verifier][tcb]") {
    Machine m;
    m.td().tee_tcb_svn = {2, 1, 3};
    m.td().tee_tcb_svn2 = ByteArray<16>{4, 1, 3};
    m.info.identities->at(1).levels[0].advisories = {"INTEL-SA-7"};
    const auto judged = m.judge();
    REQUIRE_OK(judged);
    const IntelTcb tcb = to_intel_tcb(*judged);
    CHECK(tcb.status == "TDRelaunchAdvised");
    CHECK(tcb.launch == "OutOfDate");
    CHECK(tcb.current == "UpToDate");
    CHECK(tcb.advisory_ids == std::vector<std::string>{"INTEL-SA-01036"});
    CHECK(tcb.current_advisory_ids == std::vector<std::string>{"INTEL-SA-7"});
    m.td().tee_tcb_svn2 = m.td().tee_tcb_svn;
    CHECK(m.status() == "OutOfDate");
}

// Through the whole verifier, with policies.
using test::IntelCase;
using test::outcome;

IntelCase with_status(std::string status, std::vector<std::string> advisories) {
    IntelCase c;
    c.collateral.tcb_info.levels[0].status = std::move(status);
    c.collateral.tcb_info.levels[0].advisories = std::move(advisories);
    return c;
}

TEST_CASE("TCB policy: a status passes when it is in the list, and only then",
          "[verifier][tcb][policy]") {
    const std::string status =
        GENERATE("UpToDate", "SWHardeningNeeded", "ConfigurationNeeded",
                 "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded");
    test::Setting setting = with_status(status, {}).setting();
    CHECK(outcome(setting) == (status == "UpToDate" ? "accepted" : "refused: tdx.tcb.status"));
    setting.policy.tdx.tcb.allowed_tcb_statuses = {status};
    CHECK(outcome(setting) == "accepted");
    setting.policy.tdx.tcb.allowed_tcb_statuses = {};
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
}

TEST_CASE("TCB policy: SWHardeningNeeded passes when every advisory is allowed",
          "[verifier][tcb][policy]") {
    struct Row {
        std::vector<std::string> has, allowed;
        bool passes;
    };
    const Row row = GENERATE(values<Row>({
        {{"A"}, {}, false},
        {{"A"}, {"A"}, true},
        {{"A"}, {"B"}, false},
        {{"A", "B"}, {"A"}, false},
        {{"A", "B"}, {"B", "C", "A"}, true},
        {{}, {"A"}, false},  // nothing listed is nothing known
        {{}, {}, false},
    }));
    test::Setting setting = with_status("SWHardeningNeeded", row.has).setting();
    setting.policy.tdx.tcb.allowed_advisories = row.allowed;
    CHECK(outcome(setting) == (row.passes ? "accepted" : "refused: tdx.tcb.status"));
    setting = with_status("ConfigurationAndSWHardeningNeeded", row.has).setting();
    setting.policy.tdx.tcb.allowed_advisories = row.allowed;
    CHECK(outcome(setting) ==
          "refused: tdx.tcb.status");  // the configuration is not the workload's to mend
}

TEST_CASE("TCB policy: grace ends with the second, and limits how long the result is good",
          "[verifier][tcb][policy]") {
    IntelCase c;
    const Time behind = test::now() - std::chrono::days(10);
    c.collateral.tcb_info.levels[0].sgx[0].svn = 9;
    c.collateral.tcb_info.levels[0].date = behind;
    test::Setting setting = c.setting();
    auto& policy = setting.policy.tdx.tcb;
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
    policy.grace_days = 9;
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
    policy.grace_days = 10;
    CHECK(outcome(setting) == "accepted");
    CHECK(test::appraise(setting).valid_until() == test::now());
    policy.grace_days = 11;
    CHECK(test::appraise(setting).valid_until() == test::now() + std::chrono::days(1));
    policy.grace_days = 3650;
    CHECK(test::appraise(setting).valid_until() == test::fresh().until);
    setting.at = test::now() + std::chrono::seconds(1);
    policy.grace_days = 10;
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
}

TEST_CASE("TCB policy: grace covers OutOfDate alone, and no platform that can never be up to date",
          "[verifier][tcb][policy]") {
    test::Setting setting = with_status("OutOfDateConfigurationNeeded", {}).setting();
    setting.policy.tdx.tcb.grace_days = 3650;
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
    setting = with_status("OutOfDate", {}).setting();  // the highest level itself is out of date
    setting.policy.tdx.tcb.grace_days = 3650;
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
}

TEST_CASE("TCB policy: grace of one part does not cover another that fell behind earlier",
          "[verifier][tcb][policy]") {
    IntelCase c;
    c.collateral.tcb_info.levels[0].sgx[0].svn = 9;
    c.collateral.tcb_info.levels[0].date = test::now() - std::chrono::days(5);
    c.spec.qe.report.isvsvn = 2;
    c.collateral.qe_identity.levels[0].date = test::now() - std::chrono::days(100);
    test::Setting setting = c.setting();
    setting.policy.tdx.tcb.grace_days = 50;
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
    setting.policy.tdx.tcb.grace_days = 100;
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("TCB policy: the allow list applies to the result and to the current state",
          "[verifier][tcb][policy]") {
    IntelCase c(forge::tdx_v5(forge::BodyType::td15));
    test::td(c).tee_tcb_svn2 = {2, 1, 3};
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "refused: tdx.tcb.current-status");
    CHECK(std::get<IntelTcb>(test::appraise(setting).tcb()).status == "UpToDate");
    setting.policy.tdx.tcb.allowed_tcb_statuses = {"UpToDate", "OutOfDate"};
    CHECK(outcome(setting) == "accepted");

    test::td(c).tee_tcb_svn = {2, 1, 3};
    test::td(c).tee_tcb_svn2 = {5, 1, 3};
    setting = c.setting();
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
    setting.policy.tdx.tcb.allowed_tcb_statuses = {"TDRelaunchAdvised"};
    CHECK(outcome(setting) == "refused: tdx.tcb.current-status");
    setting.policy.tdx.tcb.allowed_tcb_statuses = {"TDRelaunchAdvised", "UpToDate"};
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("TCB policy: the smaller evaluation data number counts", "[verifier][tcb][policy]") {
    IntelCase c;
    c.collateral.tcb_info.tcb_evaluation_data_number = 20;
    c.collateral.qe_identity.tcb_evaluation_data_number = 19;
    test::Setting setting = c.setting();
    setting.policy.tdx.tcb.min_tcb_evaluation_data_number = 19;
    CHECK(outcome(setting) == "accepted");
    setting.policy.tdx.tcb.min_tcb_evaluation_data_number = 20;
    CHECK(outcome(setting) == "refused: tdx.tcb.evaluation-number");
}

}  // namespace
}  // namespace attestd
