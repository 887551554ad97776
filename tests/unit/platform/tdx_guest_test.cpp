// /dev/tdx_guest and the measurement files: what they give, and what is not made of it.
#include "quote/platform/tdx_guest.h"

#include <algorithm>
#include <cerrno>

#include "quote/base/digest.h"
#include "quote/intel/tdreport.h"
#include "tests/support/catch.h"
#include "tests/support/forge/tdreport_forge.h"
#include "tests/unit/platform/samples.h"
#include "tests/unit/platform/scripted_system.h"

namespace attestd::test {
namespace {

const std::string kDevice = "/dev/tdx_guest";
const std::string kRtmr3 = "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384";

void opens(ScriptedSystem& system) {
    system.on_open(kDevice);
    system.add({"stat", kDevice});
}

void answers(ScriptedSystem& system, const Bytes& report, int error = 0) {
    ScriptedSystem::Step step{"ioctl", kDevice, error};
    step.on_ioctl = [report](std::uint32_t command, ScriptedSystem::Block block) {
        CHECK(command == 0xc4405401);
        REQUIRE(block.size() == 1088);
        CHECK(equal(block.first(64), sample_report_data()));
        std::copy(report.begin(), report.end(), block.begin() + 64);
    };
    system.add(std::move(step));
}

}  // namespace

TEST_CASE("tdx-guest: a TDREPORT over our bytes is read from the device", "[platform][tdx_guest]") {
    ScriptedSystem system;
    const Bytes report = forge::tdreport({}, sample_report_data());
    opens(system);
    answers(system, report);
    CHECK(TdxGuest(system).tdreport(sample_report_data()).value() == report);
    CHECK(system.verify() == "");
}

TEST_CASE("tdx-guest: each failure of the device has its own end", "[platform][tdx_guest]") {
    struct Row {
        const char* name;
        int open, ioctl;
        std::function<Bytes()> report;
        Errc want;
        const char* says;
    };
    const auto sound = [] { return forge::tdreport({}, sample_report_data()); };
    const auto row = GENERATE_COPY(values<Row>({
        {"not there", ENOENT, 0, sound, Errc::not_found, "modprobe tdx_guest"},
        {"not ours", EACCES, 0, sound, Errc::access_denied, "chmod 0660 /dev/tdx_guest"},
        {"open fails", EIO, 0, sound, Errc::platform_failed, "EIO"},
        {"out-of-tree driver", 0, ENOTTY, sound, Errc::platform_failed, "out-of-tree"},
        {"bad operand", 0, EINVAL, sound, Errc::platform_failed, "EINVAL"},
        {"TDCALL fails", 0, EIO, sound, Errc::platform_failed, "EIO"},
        {"interrupted", 0, EINTR, sound, Errc::platform_failed, "EINTR"},
        {"zeros", 0, 0, [] { return Bytes(1024); }, Errc::platform_failed, "TDX_CMD_GET_REPORT0"},
        {"over other bytes", 0, 0, [] { return forge::tdreport({}, {}); },
         Errc::platform_wrong_echo, "other report data"},
    }));
    INFO(row.name);
    ScriptedSystem system;
    if (row.open != 0) {
        system.on_open(kDevice, row.open);
    } else {
        opens(system);
        answers(system, row.report(), row.ioctl);
    }
    const auto report = TdxGuest(system).tdreport(sample_report_data());
    REQUIRE_ERRC(row.want, report);
    CHECK_THAT(report.error().detail, ContainsSubstring(row.says));
    CHECK(system.verify() == "");
}

TEST_CASE("tdx-guest: a TDREPORT is never given as evidence, and there are no keys",
          "[platform][tdx_guest]") {
    ScriptedSystem system;
    TdxGuest platform(system);
    const auto evidence = platform.collect(sample_report_data(), system.now());
    REQUIRE_ERRC(Errc::platform_unsupported, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring("vsock quote service"));
    CHECK_THAT(evidence.error().detail, ContainsSubstring("configfs_tsm"));
    REQUIRE_ERRC(Errc::platform_unsupported, platform.derive_key({}, system.now()));
    CHECK(system.verify() == "");
}

TEST_CASE("RTMR: extending gives the register that the formula says", "[platform][rtmr]") {
    ScriptedSystem system;
    RtmrValue before{}, digest{};
    before.fill(1);
    digest.fill(2);
    const RtmrValue after = sha384({ByteView(before), ByteView(digest)});
    system.on_file(kRtmr3, before);
    system.on_put(kRtmr3, digest);
    system.on_file(kRtmr3, after);
    const auto change = extend_rtmr(system, 3, digest);
    REQUIRE_OK(change);
    CHECK(change->before == before);
    CHECK(change->after == after);
    CHECK(system.verify() == "");
}

TEST_CASE("RTMR: an extension by somebody else in between is found, and nothing is repeated",
          "[platform][rtmr]") {
    ScriptedSystem system;
    system.on_file(kRtmr3, RtmrValue{});
    system.on_put(kRtmr3, RtmrValue{});
    system.on_file(kRtmr3, RtmrValue{9});
    const auto change = extend_rtmr(system, 3, {});
    REQUIRE_ERRC(Errc::platform_failed, change);
    CHECK_THAT(change.error().detail, ContainsSubstring("do not repeat"));
    CHECK(system.verify() == "");
}

TEST_CASE("RTMR: firmware's registers are not ours, and there are four", "[platform][rtmr]") {
    ScriptedSystem system;
    REQUIRE_ERRC(Errc::bad_value, extend_rtmr(system, 0, {}));
    REQUIRE_ERRC(Errc::bad_value, extend_rtmr(system, 1, {}));
    REQUIRE_ERRC(Errc::bad_value, extend_rtmr(system, 4, {}));
    REQUIRE_ERRC(Errc::bad_value, read_rtmr(system, 4));
    CHECK(system.verify() == "");
}

TEST_CASE("RTMR: an older kernel, another user and a short file are told apart",
          "[platform][rtmr]") {
    struct Row {
        int error;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({{ENOENT, Errc::platform_unsupported},
                                           {EACCES, Errc::access_denied},
                                           {EROFS, Errc::access_denied},
                                           {EIO, Errc::platform_failed}}));
    ScriptedSystem reading, writing, shorter;
    reading.on_open(kRtmr3, row.error);
    REQUIRE_ERRC(row.want, read_rtmr(reading, 3));
    writing.on_file(kRtmr3, RtmrValue{});
    writing.on_put(kRtmr3, RtmrValue{}, row.error);
    REQUIRE_ERRC(row.want, extend_rtmr(writing, 3, {}));
    shorter.on_file(kRtmr3, Bytes(47));
    REQUIRE_ERRC(Errc::platform_failed, read_rtmr(shorter, 3));
}

}  // namespace attestd::test
