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

const std::string kTdxDevice = "/dev/tdx_guest";
const std::string kRtmr3 = "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384";

void opens(ScriptedSystem& system) {
    system.on_open(kTdxDevice);
    system.add({"stat", kTdxDevice});
}

void answers(ScriptedSystem& system, const Bytes& report, int error = 0) {
    ScriptedSystem::Step step{"ioctl", kTdxDevice, error};
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
        system.on_open(kTdxDevice, row.open);
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
    CHECK_THAT(evidence.error().detail, ContainsSubstring("/etc/tdx-attest.conf"));
    CHECK_THAT(evidence.error().detail, ContainsSubstring("configfs_tsm"));
    REQUIRE_ERRC(Errc::platform_unsupported, platform.derive_key({}, system.now()));
    CHECK(system.verify() == "");
}

namespace {

constexpr const char* kCcel = "/sys/firmware/acpi/tables/data/CCEL";

Bytes service_answer(const Bytes& quote) {
    Bytes out{1, 0, 1, 0, 1, 0, 0, 0};
    const auto put = [&](std::size_t value) {
        for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    };
    put(24 + quote.size());
    put(0);
    put(0);
    put(quote.size());
    out.insert(out.end(), quote.begin(), quote.end());
    return out;
}

}  // namespace

TEST_CASE("tdx-guest: the quote service's quote of the device's TDREPORT is the evidence",
          "[platform][tdx_guest]") {
    ScriptedSystem system;
    const Bytes report = forge::tdreport({}, sample_report_data());
    const Bytes quote = sample_tdx_quote(sample_report_data());
    opens(system);
    answers(system, report);
    system.on_open(kCcel, ENOENT);
    const Deadline deadline = system.now() + std::chrono::seconds(7);
    Bytes sent;
    TdxGuest platform(system, [&](ByteView message, Deadline until) -> Result<Bytes> {
        sent = to_bytes(message);
        CHECK(until == deadline);
        return service_answer(quote);
    });
    const auto evidence = platform.collect(sample_report_data(), deadline);
    REQUIRE_OK(evidence);
    CHECK(evidence->tee == Tee::tdx);
    CHECK(evidence->quote == quote);
    CHECK(evidence->interface == "tdx_guest");
    REQUIRE(sent.size() == 1048);
    CHECK(std::equal(report.begin(), report.end(), sent.begin() + 24));
    CHECK(system.verify() == "");
}

TEST_CASE("tdx-guest: what the quote service does is not taken for more than it is",
          "[platform][tdx_guest]") {
    struct Row {
        const char* name;
        std::function<Result<Bytes>()> answer;
        Errc want;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"not reached",
         []() -> Result<Bytes> { return fail(Errc::fetch_unreachable, "vsock://2:4050: gone"); },
         Errc::fetch_unreachable, "gone"},
        {"not allowed", []() -> Result<Bytes> { return fail(Errc::fetch_denied, "is not listed"); },
         Errc::fetch_denied, "not listed"},
        {"nothing", []() -> Result<Bytes> { return Bytes{}; }, Errc::quote_service, "major"},
        {"the TDREPORT itself",
         []() -> Result<Bytes> {
             return service_answer(forge::tdreport({}, sample_report_data()));
         },
         Errc::quote_service, "no TDX quote"},
        {"over other report data",
         []() -> Result<Bytes> { return service_answer(sample_tdx_quote(ReportData{9})); },
         Errc::platform_wrong_echo, "other report data"},
    }));
    INFO(row.name);
    ScriptedSystem system;
    opens(system);
    answers(system, forge::tdreport({}, sample_report_data()));
    TdxGuest platform(system, [&](ByteView, Deadline) { return row.answer(); });
    const auto evidence = platform.collect(sample_report_data(), system.now());
    REQUIRE_ERRC(row.want, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring(row.says));
    CHECK(system.verify() == "");
}

TEST_CASE("tdx-guest: without a TDREPORT the quote service is not asked", "[platform][tdx_guest]") {
    ScriptedSystem system;
    system.on_open(kTdxDevice, ENOENT);
    TdxGuest platform(system, [](ByteView, Deadline) -> Result<Bytes> {
        FAIL("nothing was to be sent");
        return Bytes{};
    });
    REQUIRE_ERRC(Errc::not_found, platform.collect(sample_report_data(), system.now()));
}

TEST_CASE("tdx-guest: the quote service's port is what the customary file says",
          "[platform][tdx_guest]") {
    struct Row {
        std::string text;
        std::optional<std::uint32_t> port;
    };
    const auto row = GENERATE(values<Row>({
        {"port=4050\n", 4050},
        {"# port = 1\n  port \t=  4050  # customary\n", 4050},
        {"other = 1\r\nport = 4050\r\n", 4050},
        {"port = 4050\nport = 4051", 4051},
        {"port = 4050x\n", std::nullopt},
        {"port = -1\n", std::nullopt},
        {"port = 0\n", std::nullopt},
        {"port = 4294967296\n", std::nullopt},
        {"port =\n", std::nullopt},
        {"#port = 4050\n", std::nullopt},
        {"sport = 4050\n", std::nullopt},
        {"", std::nullopt},
    }));
    INFO(row.text);
    ScriptedSystem system;
    system.on_file("/etc/tdx-attest.conf", to_bytes(as_bytes(row.text)));
    CHECK(quote_service_port(system) == row.port);
    ScriptedSystem without;
    without.on_open("/etc/tdx-attest.conf", ENOENT);
    CHECK_FALSE(quote_service_port(without).has_value());
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
