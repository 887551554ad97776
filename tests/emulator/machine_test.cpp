// The emulated machines, judged by the verifier: evidence, state, faults and derived keys.
#include "tests/emulator/machine.h"

#include <fcntl.h>

#include <algorithm>

#include "quote/amd/snp_report.h"
#include "quote/base/encoding.h"
#include "quote/intel/quote.h"
#include "tests/support/catch.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/support/temp_dir.h"
#include "verifier/verifier.h"

namespace attestd::devsim {
namespace {

const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

/// A machine in a folder of its own.
struct Bench {
    explicit Bench(Tee tee) { options.tee = tee, options.now = kNow; }

    Machine& machine() {
        if (!machine_) {
            const Fd dir = open_file(folder.path(), O_RDONLY | O_DIRECTORY).value();
            auto made = Machine::create(options, dir);
            REQUIRE_OK(made);
            machine_ = *std::move(made);
        }
        return *machine_;
    }
    void power_cycle() { machine_.reset(); }
    [[nodiscard]] Bytes file(const char* name) const {
        return read_file(folder / name, 65536).value();
    }

    test::TempDir folder;
    Options options;

 private:
    std::unique_ptr<Machine> machine_;
};

ReportData report_data() {
    ReportData data{};
    data.fill(0xab);
    return data;
}

AttestationResult appraise(Bench& bench) {
    const auto evidence = bench.machine().evidence(report_data());
    REQUIRE_OK(evidence);
    TrustAnchors anchors;
    REQUIRE_OK(anchors.add_certificate(bench.file("root.der")));
    Endorsements endorsements;
    for (const Bytes& bytes : evidence->endorsements) {
        REQUIRE_OK(endorsements.add(bytes, "endorsement"));
    }
    LocalVerifier verifier(anchors);
    return verifier.appraise(evidence->evidence, endorsements, AppraisalPolicy{},
                             Expectations{report_data()}, kNow);
}

bool has_error(const AttestationResult& result, std::string_view id) {
    return std::any_of(result.findings().begin(), result.findings().end(), [&](const Finding& f) {
        return f.severity == Severity::error && f.id == id;
    });
}

void change(Machine& machine, const Control& control) { REQUIRE_OK(machine.apply(control)); }

TEST_CASE("machine: a TDX guest's evidence is accepted under its root, in test grade", "[devsim]") {
    Bench bench(Tee::tdx);
    const AttestationResult result = appraise(bench);
    CHECK(result.verdict() == Verdict::accepted);
    CHECK(result.grade() == Grade::test);
    CHECK(std::get<IntelTcb>(result.tcb()).status == "UpToDate");
}

TEST_CASE("machine: a TDX guest shows what control asks for", "[devsim]") {
    Bench bench(Tee::tdx);
    Control control;
    control.debug = true;
    control.measurement.emplace().fill(0x11);
    control.rtmr[3].emplace().fill(0x22);
    control.mrconfigid.emplace().fill(0x33);
    change(bench.machine(), control);
    const AttestationResult result = appraise(bench);
    CHECK(has_error(result, "tdx.policy.debug"));
    const auto& td = std::get<TdReport>(std::get<IntelQuote>(result.claims()).body);
    CHECK(td.mr_td == *control.measurement);
    CHECK(td.rtmr[3] == *control.rtmr[3]);
    CHECK(td.mr_config_id == *control.mrconfigid);
    control = {};
    control.debug = false;
    change(bench.machine(), control);
    CHECK(appraise(bench).verdict() == Verdict::accepted);
}

TEST_CASE("machine: a TDX guest's older TCB has the status that its name says", "[devsim]") {
    Bench bench(Tee::tdx);
    Control control;
    control.tcb = "outdated";
    change(bench.machine(), control);
    CHECK(std::get<IntelTcb>(appraise(bench).tcb()).status == "OutOfDate");
    control.tcb = "unsupported";
    change(bench.machine(), control);
    CHECK(std::get<IntelTcb>(appraise(bench).tcb()).status == "TcbNotSupported");
    control.tcb = "current";
    change(bench.machine(), control);
    CHECK(appraise(bench).verdict() == Verdict::accepted);
}

TEST_CASE("machine: a TDX guest's event log replays to its registers", "[devsim]") {
    Bench bench(Tee::tdx);
    const auto evidence = bench.machine().evidence(report_data());
    REQUIRE_OK(evidence);
    CHECK_FALSE(evidence->event_log.empty());
    const auto quote = parse_intel_quote(evidence->evidence);
    REQUIRE_OK(quote);
    const auto rtmr = std::get<TdReport>(quote->quote.body).rtmr;
    CHECK_FALSE(all_zero(rtmr[0]));
    CHECK(all_zero(rtmr[3]));
    // RTMR0 by hand: two events whose digests stand in the log.
    const Sha384 first = sha384(as_bytes("attestd synthetic firmware"));
    const Sha384 separator = sha384(Bytes(4, 0));
    CHECK(rtmr[0] == sha384({sha384({Sha384{}, first}), separator}));
}

TEST_CASE("machine: a TDX guest has no derived keys", "[devsim]") {
    Bench bench(Tee::tdx);
    REQUIRE_ERRC(Errc::platform_unsupported, bench.machine().derive_key({}));
}

TEST_CASE("machine: its keys and identity stay over a power cycle, its state does not",
          "[devsim]") {
    Bench bench(Tee::tdx);
    Control control;
    control.debug = true;
    change(bench.machine(), control);
    const Bytes anchor = bench.file("root.der");
    bench.power_cycle();
    CHECK_FALSE(bench.machine().debug());
    const auto evidence = bench.machine().evidence(report_data());
    REQUIRE_OK(evidence);
    TrustAnchors anchors;
    REQUIRE_OK(anchors.add_certificate(anchor));
    Endorsements endorsements;
    REQUIRE_OK(endorsements.add(evidence->endorsements.at(0), "collateral"));
    LocalVerifier verifier(anchors);
    CHECK(verifier.appraise(evidence->evidence, endorsements, {}, {}, kNow).verdict() ==
          Verdict::accepted);
}

TEST_CASE("machine: two of them are told apart by their PPID", "[devsim]") {
    Bench one(Tee::tdx), other(Tee::tdx);
    CHECK(one.machine().evidence({})->evidence != other.machine().evidence({})->evidence);
    CHECK(one.file("chip.secret") != other.file("chip.secret"));
}

TEST_CASE("machine: faults do what their names say", "[devsim]") {
    Bench bench(Tee::tdx);
    Control control;
    control.fault = Fault::error;
    change(bench.machine(), control);
    REQUIRE_ERRC(Errc::platform_failed, bench.machine().evidence(report_data()));
    control.fault = Fault::wrong_report_data;
    change(bench.machine(), control);
    CHECK(has_error(appraise(bench), "tdx.report-data.mismatch"));
    control.fault = Fault::none;
    control.endorsements = false;
    change(bench.machine(), control);
    CHECK(bench.machine().evidence(report_data())->endorsements.empty());
}

TEST_CASE("machine: a change that cannot be made changes nothing", "[devsim]") {
    Bench bench(Tee::tdx);
    Control control;
    control.debug = true;
    control.tcb = "imaginary";
    REQUIRE_ERRC(Errc::bad_value, bench.machine().apply(control));
    CHECK_FALSE(bench.machine().debug());
    control.tcb.reset();
    control.host_data.emplace();
    REQUIRE_ERRC(Errc::bad_value, bench.machine().apply(control));
}

TEST_CASE("machine: an SNP guest's evidence, state and keys", "[devsim]") {
    Bench bench(Tee::snp);  // one machine for all: its RSA keys take seconds
    DerivedKeyRequest request;
    request.tcb_version = 4;
    const auto key_of = [&](const DerivedKeyRequest& wanted) {
        auto key = bench.machine().derive_key(wanted);
        REQUIRE_OK(key);
        REQUIRE(key->size() == 32);
        CHECK_FALSE(all_zero(*key));
        return *key;
    };
    const Bytes sealing = key_of(request);

    CHECK(appraise(bench).verdict() == Verdict::accepted);
    CHECK(appraise(bench).grade() == Grade::test);
    CHECK(key_of(request) == sealing);

    // The same chip and guest after a restart: the same key.
    bench.power_cycle();
    CHECK(key_of(request) == sealing);

    // Another measurement, another key; but only where the measurement is selected.
    DerivedKeyRequest chip_only = request;
    chip_only.guest_field_select = 0;
    const Bytes chip_key = key_of(chip_only);
    CHECK(chip_key != sealing);
    Control control;
    control.measurement.emplace().fill(0x44);
    control.host_data.emplace().fill(0x55);
    control.debug = true;
    change(bench.machine(), control);
    CHECK(key_of(request) != sealing);
    CHECK(key_of(chip_only) == chip_key);
    const AttestationResult result = appraise(bench);
    CHECK(has_error(result, "snp.policy.debug"));
    CHECK(std::get<SnpReport>(result.claims()).measurement == *control.measurement);
    CHECK(std::get<SnpReport>(result.claims()).host_data == *control.host_data);

    // What firmware refuses with status 0x16.
    for (const DerivedKeyRequest& bad :
         {DerivedKeyRequest{.guest_field_select = 0x40}, DerivedKeyRequest{.vmpl = 4},
          DerivedKeyRequest{.guest_svn = 1}, DerivedKeyRequest{.tcb_version = 5}}) {
        REQUIRE_ERRC(Errc::platform_failed, bench.machine().derive_key(bad));
    }

    // An older TCB brings its own certificate, and another key.
    control = {};
    control.tcb = "outdated";
    control.debug = false;
    change(bench.machine(), control);
    CHECK(appraise(bench).verdict() == Verdict::accepted);
    CHECK(key_of(chip_only) != chip_key);
    control.tcb = "0100000000000101";
    change(bench.machine(), control);
    CHECK(bench.machine().tcb() == "0100000000000101");
    CHECK(appraise(bench).verdict() == Verdict::accepted);
    Control rtmr;
    rtmr.rtmr[0].emplace();
    REQUIRE_ERRC(Errc::bad_value, bench.machine().apply(rtmr));
}

TEST_CASE("machine: a Turin guest has Turin's report, layout and chain", "[devsim]") {
    Bench bench(Tee::snp);
    bench.options.product = forge::Product::turin;
    bench.options.debug = true;
    const AttestationResult result = appraise(bench);
    CHECK(result.format() == "snp-report-v5");
    CHECK(has_error(result, "snp.policy.debug"));
    CHECK_FALSE(has_error(result, "snp.chain.untrusted-root"));
}

}  // namespace
}  // namespace attestd::devsim
