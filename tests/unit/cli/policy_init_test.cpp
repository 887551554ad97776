// attestctl policy init: what it drafts is taken by the strict loader as it stands, and accepts the
// evidence that it was drafted from, unless that shows what no draft permits.
#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"
#include "tests/unit/cli/run_attestctl.h"
#include "tests/unit/verifier/setting.h"

namespace attestd::test {
namespace {

// A setting on disk, and the options that every command about it takes.
class OnDisk {
 public:
    explicit OnDisk(const Setting& setting) {
        dir_.write("evidence", setting.evidence);
        for (std::size_t i = 0; i < setting.endorsements.size(); ++i) {
            const std::string name = "endorsement" + std::to_string(i);
            dir_.write(name, setting.endorsements[i]);
            options_.insert(options_.end(), {"--endorsements", path(name)});
        }
        for (const Bytes& anchor : setting.anchors) {
            dir_.write("anchor", anchor);
            options_.insert(options_.end(), {"--trust-anchor", path("anchor")});
        }
        options_.insert(options_.end(), {"--at", to_rfc3339(setting.at)});
    }

    std::string path(const std::string& name) const { return (dir_ / name).string(); }
    CliRun init() const {
        return with({"policy", "init", "--from-evidence", path("evidence"), "-o", path("policy")});
    }
    CliRun verify() const {
        return with({"verify", path("evidence"), "--policy", path("policy"), "--json"});
    }
    std::string policy() const { return load_text(path("policy")); }
    AppraisalPolicy strict() const {
        return parse_appraisal_policy(policy(), "policy", PolicyStrictness::strict).value();
    }

 private:
    CliRun with(std::vector<std::string> args) const {
        args.insert(args.end(), options_.begin(), options_.end());
        return attestctl(args);
    }
    TempDir dir_;
    std::vector<std::string> options_;
};

// Everything of an IntelCase that a switch is there for, and the comment that goes with it.
struct Loosened {
    const char* name;
    void (*change)(IntelCase&);
    const char* comment;
};

std::string findings_of(const CliRun& run) {
    std::string out;
    const auto result = nlohmann::json::parse(run.out);
    for (const auto& finding : result.at("findings"))
        out += finding.at("id").get<std::string>() + ' ';
    return out;
}

}  // namespace

TEST_CASE("policy init: the draft is strict and accepts its evidence without a word", "[cli]") {
    const Setting setting = GENERATE(
        as<Setting>{}, IntelCase().setting(),
        IntelCase(forge::tdx_v5(forge::BodyType::td15)).setting(),
        IntelCase(forge::tdx_v5(forge::BodyType::td15ex)).setting(),
        IntelCase(forge::sgx_v3()).setting(), SnpCase(forge::Product::milan, 2).setting(),
        SnpCase(forge::Product::genoa, 3).setting(), SnpCase(forge::Product::turin, 5).setting(),
        SnpCase(forge::Product::milan, 5, forge::ReportKey::vlek).setting());
    const OnDisk disk(setting);
    const CliRun init = disk.init();
    INFO(init.err);
    REQUIRE(init.status == 0);
    CHECK(init.err.empty());
    CHECK(attestctl({"policy", "check", disk.path("policy")}).status == 0);
    CHECK(disk.policy().find("LOOSENED") == std::string::npos);
    const CliRun verify = disk.verify();
    INFO(disk.policy());
    CHECK(verify.status == 0);
    const std::string said = findings_of(verify);
    CHECK(said.find("unpinned") == std::string::npos);
    CHECK(said.find("unauthenticated") == std::string::npos);
}

TEST_CASE("policy init: every member of a draft has a comment before it", "[cli]") {
    const OnDisk disk(GENERATE(as<Setting>{}, IntelCase().setting(), SnpCase().setting(),
                               IntelCase(forge::sgx_v3()).setting()));
    REQUIRE(disk.init().status == 0);
    std::istringstream lines(disk.policy());
    std::string before;
    for (std::string line; std::getline(lines, line); before = line) {
        if (line.starts_with("    \"")) CHECK_THAT(before, ContainsSubstring("    // "));
    }
}

TEST_CASE("policy init: another guest is refused under the draft", "[cli]") {
    IntelCase td;
    SnpCase snp;
    const OnDisk tdx_disk(td.setting()), snp_disk(snp.setting());
    REQUIRE(tdx_disk.init().status == 0);
    REQUIRE(snp_disk.init().status == 0);
    Setting other = IntelCase().setting();
    test::td(td).rtmr[2][0] ^= 1;
    other = td.setting();
    other.policy = tdx_disk.strict();
    CHECK(outcome(other) == "refused: tdx.rtmr2.mismatch");
    snp.fields.measurement[0] ^= 1;
    other = snp.setting();
    other.policy = snp_disk.strict();
    CHECK(outcome(other) == "refused: snp.measurement.mismatch");
}

TEST_CASE("policy init: TDX, a switch is loosened where the evidence needs it, and says why",
          "[cli]") {
    const Loosened row = GENERATE(values<Loosened>({
        {"migratable", [](auto& c) { td(c).td_attributes |= 1u << 29; },
         "moved to another machine"},
        {"paravisor", [](auto& c) { td(c).td_attributes = 0; }, "SEPT_VE_DISABLE is not set"},
        {"service TD",
         [](auto& c) {
             c = IntelCase(forge::tdx_v5(forge::BodyType::td15));
             td(c).mrservicetd[0] = 1;
         },
         "service TD"},
        {"old platform", [](auto& c) { c.collateral.tcb_info.levels[0].status = "OutOfDate"; },
         "this platform is OutOfDate"},
    }));
    INFO(row.name);
    IntelCase c;
    row.change(c);
    const OnDisk disk(c.setting());
    const CliRun init = disk.init();
    INFO(init.err);
    REQUIRE(init.status == 0);
    CHECK_THAT(disk.policy(), ContainsSubstring("// LOOSENED: "));
    CHECK_THAT(disk.policy(), ContainsSubstring(row.comment));
    CHECK(disk.verify().status == 0);
}

TEST_CASE("policy init: SNP, a switch is loosened where the evidence needs it, and says why",
          "[cli]") {
    struct Row {
        const char* name;
        void (*change)(SnpCase&);
        const char* comment;
    };
    const Row row = GENERATE(values<Row>({
        {"migration agent", [](auto& c) { c.fields.policy |= 1u << 18; }, "migration agent"},
        {"masked chip", [](auto& c) { c.fields.chip_id = {}; }, "CHIP_ID is masked"},
        {"launched before an update",
         [](auto& c) {
             c.fields.launch_tcb = forge::tcb_bytes(forge::SnpTcb::outdated(c.product), c.product);
         },
         "launched before the host's last update"},
    }));
    INFO(row.name);
    SnpCase c;
    row.change(c);
    const OnDisk disk(c.setting());
    const CliRun init = disk.init();
    INFO(init.err);
    REQUIRE(init.status == 0);
    CHECK_THAT(disk.policy(), ContainsSubstring("// LOOSENED: "));
    CHECK_THAT(disk.policy(), ContainsSubstring(row.comment));
    CHECK(disk.verify().status == 0);
}

TEST_CASE("policy init: a debuggable guest is left refused, in the draft and on standard error",
          "[cli]") {
    IntelCase tdx, sgx(forge::sgx_v4());
    SnpCase snp;
    td(tdx).td_attributes |= 1;
    std::get<forge::EnclaveReport>(sgx.spec.body).flags |= 2;
    snp.fields.policy |= 1u << 19;
    const OnDisk disk(GENERATE_COPY(as<Setting>{}, tdx.setting(), sgx.setting(), snp.setting()));
    const CliRun init = disk.init();
    CHECK(init.status == 0);
    CHECK_THAT(init.err, ContainsSubstring("left refused: "));
    CHECK_THAT(init.err, ContainsSubstring("policy.debug"));
    CHECK_THAT(disk.policy(), ContainsSubstring("// LEFT REFUSED: "));
    CHECK(disk.policy().find("allow_debug") == std::string::npos);
    CHECK(disk.verify().status == 1);
    // The same guest launched without debug is what the draft is for.
    Setting fixed = IntelCase().setting();
    fixed.policy = disk.strict();
    if (fixed.policy.names_tdx) CHECK(outcome(fixed) == "accepted");
}

TEST_CASE("policy init: what was not verified for want of endorsements is said in the draft",
          "[cli]") {
    Setting setting =
        GENERATE(as<Setting>{}, IntelCase().setting(), SnpCase(forge::Product::milan, 2).setting(),
                 SnpCase(forge::Product::milan, 3, forge::ReportKey::vlek).setting());
    setting.endorsements.clear();
    const OnDisk disk(setting);
    const CliRun init = disk.init();
    INFO(init.err);
    CHECK(init.status == 0);
    CHECK_THAT(init.err, ContainsSubstring("not verified in full"));
    CHECK_THAT(disk.policy(), ContainsSubstring("// NOT VERIFIED, for want of endorsements: "));
    CHECK(attestctl({"policy", "check", disk.path("policy")}).status == 0);
    CHECK(disk.verify().status == 3);
}

TEST_CASE("policy init: evidence that is proven bad gives no draft", "[cli]") {
    IntelCase c;
    c.spoil_quote = [](auto& parts) { parts.signed_part[200] ^= 1; };
    const OnDisk disk(c.setting());
    const CliRun init = disk.init();
    CHECK(init.status == 1);
    CHECK_THAT(init.err, ContainsSubstring("tdx.quote.signature"));
    CHECK_FALSE(std::filesystem::exists(disk.path("policy")));
}

TEST_CASE("policy init: unreadable evidence is wrong usage, and nothing is overwritten", "[cli]") {
    Setting setting = IntelCase().setting();
    const OnDisk good(setting);
    setting.evidence = to_bytes(as_bytes("this is no evidence"));
    CHECK(OnDisk(setting).init().status == 2);
    setting.evidence = IntelCase().setting().evidence;
    setting.evidence.resize(2000);
    CHECK(OnDisk(setting).init().status == 2);
    CHECK(attestctl({"policy", "init"}).status == 2);
    CHECK(attestctl({"policy", "init", "--from-evidence", "/nowhere"}).status == 2);
    REQUIRE(good.init().status == 0);
    const std::string before = good.policy();
    CHECK(good.init().status == 2);
    CHECK(good.policy() == before);
}

TEST_CASE("policy init: without -o, and from standard input, the draft is on standard output",
          "[cli]") {
    const Setting setting = IntelCase().setting();
    const CliRun run = attestctl({"policy", "init", "--from-evidence", "-"},
                                 std::string(as_text(setting.evidence)));
    CHECK(run.status == 1);  // the forged root is no trust anchor here
    const OnDisk disk(setting);
    const CliRun shown =
        attestctl({"policy", "init", "--from-evidence", "-", "--trust-anchor", disk.path("anchor")},
                  std::string(as_text(setting.evidence)));
    INFO(shown.err);
    CHECK(shown.status == 0);
    REQUIRE_OK(parse_appraisal_policy(shown.out, "out", PolicyStrictness::strict));
}

TEST_CASE("policy init: every genuine case that verifies is accepted under its draft", "[cli]") {
    NEED_VECTORS(dir, "snp");
    std::size_t seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir / "cases")) {
        const auto name = entry.path().filename().string();
        INFO(name);
        const auto expected = nlohmann::json::parse(load_text(entry.path() / "expected.json"));
        Setting setting{load_file(entry.path() / "report.bin"),
                        {},
                        {},
                        {},
                        {},
                        parse_rfc3339(expected.at("verify_at").get<std::string>(), "").value()};
        for (const auto& folder : {entry.path(), dir / "roots"}) {
            for (const auto& file : std::filesystem::directory_iterator(folder)) {
                if (file.path().extension() == ".der")
                    setting.endorsements.push_back(load_file(file.path()));
            }
        }
        const OnDisk disk(setting);
        CHECK(disk.init().status == 0);
        CHECK(disk.verify().status == (name == "milan-v2-vcek-debug" ? 1 : 0));
        ++seen;
    }
    CHECK(seen == 17);
}

}  // namespace attestd::test
