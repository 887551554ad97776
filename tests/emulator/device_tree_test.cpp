// The tree without a mount: what FUSE would ask, asked directly.
#include "tests/emulator/fuse/device_tree.h"

#include <fcntl.h>

#include <cerrno>

#include "quote/amd/snp_report.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "quote/boot/event_log.h"
#include "quote/intel/tdreport.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace attestd::devsim {
namespace {

const std::string kReports = "/sys/kernel/config/tsm/report";
const std::string kRtmr3 = "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384";

struct Emulated {
    explicit Emulated(Tee tee) {
        Options options;
        options.tee = tee;
        options.now = system_now();
        dir = open_file(folder.path(), O_RDONLY | O_DIRECTORY).value();
        machine = Machine::create(options, dir).value();
        tree = std::make_unique<DeviceTree>(*machine);
    }
    /// The whole file, or a negative errno.
    int read(const std::string& path, Bytes& out) const {
        const std::int64_t handle = tree->open(path, O_RDONLY);
        if (handle < 0) return static_cast<int>(handle);
        std::vector<char> buffer(1 << 20);
        const int len =
            tree->read(static_cast<std::uint64_t>(handle), buffer, 0, [] { return false; });
        tree->flush(static_cast<std::uint64_t>(handle));
        tree->release(static_cast<std::uint64_t>(handle));
        if (len > 0) out = to_bytes(as_bytes({buffer.data(), static_cast<std::size_t>(len)}));
        return len;
    }
    int write(const std::string& path, ByteView bytes) const {
        const std::int64_t handle = tree->open(path, O_WRONLY);
        if (handle < 0) return static_cast<int>(handle);
        const int len = tree->write(static_cast<std::uint64_t>(handle), bytes, 0);
        tree->flush(static_cast<std::uint64_t>(handle));
        tree->release(static_cast<std::uint64_t>(handle));
        return len;
    }
    std::string text(const std::string& path) const {
        Bytes bytes;
        REQUIRE(read(path, bytes) >= 0);
        return std::string(as_text(bytes));
    }

    test::TempDir folder;
    Fd dir;
    std::unique_ptr<Machine> machine;
    std::unique_ptr<DeviceTree> tree;
};

}  // namespace

TEST_CASE("device tree: a request is committed at the close, and counted", "[devsim]") {
    const Emulated snp(Tee::snp);
    REQUIRE(snp.tree->mkdir(kReports + "/a") == 0);
    CHECK(snp.text(kReports + "/a/generation") == "0\n");
    CHECK(snp.text(kReports + "/a/provider") == "sev_guest\n");
    const Bytes request(64, 7);
    CHECK(snp.write(kReports + "/a/inblob", request) == 64);
    CHECK(snp.text(kReports + "/a/generation") == "1\n");
    Bytes report, table;
    CHECK(snp.read(kReports + "/a/outblob", report) == 1184);
    const auto parsed = parse_snp_report(report);
    REQUIRE_OK(parsed);
    CHECK(equal(parsed->report.report_data, request));
    CHECK(snp.read(kReports + "/a/auxblob", table) > 1000);
    CHECK(snp.tree->rmdir(kReports + "/a") == 0);
    CHECK(snp.read(kReports + "/a/outblob", report) == -ENOENT);
}

TEST_CASE("device tree: what the test orders happens as often as it was ordered", "[devsim]") {
    const Emulated snp(Tee::snp);
    REQUIRE(snp.tree->mkdir(kReports + "/a") == 0);
    Bytes out;
    snp.machine->device() = {.error = EBUSY, .times = 1, .partly = true, .lost_commits = 1};
    CHECK(snp.write(kReports + "/a/inblob", Bytes(64)) == 64);  // and nobody says that it is lost
    CHECK(snp.text(kReports + "/a/generation") == "0\n");
    CHECK(snp.read(kReports + "/a/outblob", out) == -EINVAL);
    CHECK(snp.write(kReports + "/a/inblob", Bytes(64)) == 64);
    CHECK(snp.read(kReports + "/a/outblob", out) == -EBUSY);
    CHECK(snp.read(kReports + "/a/outblob", out) == 1184);
    snp.machine->device() = {.stuck_rmdirs = 1};
    CHECK(snp.tree->rmdir(kReports + "/a") == -EBUSY);
    CHECK(snp.tree->rmdir(kReports + "/a") == 0);
}

TEST_CASE("device tree: a wait ends when the caller is interrupted or the emulator stops",
          "[devsim]") {
    const Emulated tdx(Tee::tdx);
    Control slow;
    slow.delay = std::chrono::minutes(1);
    REQUIRE_OK(tdx.machine->apply(slow));
    REQUIRE(tdx.tree->mkdir(kReports + "/a") == 0);
    CHECK(tdx.write(kReports + "/a/inblob", Bytes(64)) == 64);
    const auto handle =
        static_cast<std::uint64_t>(tdx.tree->open(kReports + "/a/outblob", O_RDONLY));
    std::array<char, 8> buffer{};
    CHECK(tdx.tree->read(handle, buffer, 0, [] { return true; }) == -EINTR);
    tdx.tree->stop();
    CHECK(tdx.tree->read(handle, buffer, 0, [] { return false; }) == -EINTR);
}

TEST_CASE("device tree: an extended register shows in the TDREPORT, the quote and the log",
          "[devsim]") {
    const Emulated tdx(Tee::tdx);
    Bytes before, after, log;
    CHECK(tdx.read(kRtmr3, before) == 48);
    CHECK(tdx.write(kRtmr3, Bytes(47)) == -EINVAL);
    CHECK(tdx.write(kRtmr3, Bytes(48, 9)) == 48);
    CHECK(tdx.read(kRtmr3, after) == 48);
    CHECK(equal(after, sha384({ByteView(before), ByteView(Bytes(48, 9))})));
    CHECK(tdx.read("/sys/firmware/acpi/tables/data/CCEL", log) == 65536);
    const auto parsed = parse_event_log(log);
    REQUIRE_OK(parsed);
    CHECK(equal(replay_sha384(*parsed).value().at("rtmr3"), after));

    ByteArray<kTdxBlockLen> block{};
    const auto device = static_cast<std::uint64_t>(tdx.tree->open("/dev/tdx_guest", O_RDWR));
    const auto never = [] { return false; };
    CHECK(tdx.tree->ioctl(device, 0xc4405401, block, {}, never) == 0);
    const auto report = parse_tdreport(ByteView(block).subspan(64));
    REQUIRE_OK(report);
    CHECK(equal(report->td_info.rtmr[3], after));
    CHECK(tdx.tree->ioctl(device, 0xc4405402, block, {}, never) == -ENOTTY);
    CHECK(tdx.write("/sys/devices/virtual/misc/tdx_guest/measurements/mrtd:sha384", Bytes(48)) ==
          -EACCES);
}

}  // namespace attestd::devsim
