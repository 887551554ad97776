// /dev/sev-guest: the kernel's structures byte by byte, and every way in which a call can end.
#include "quote/platform/sev_guest.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "quote/base/reader.h"
#include "tests/support/catch.h"
#include "tests/unit/platform/samples.h"
#include "tests/unit/platform/scripted_system.h"

namespace attestd::test {
namespace {

using namespace std::chrono_literals;
using Block = ScriptedSystem::Block;

const std::string kSevDevice = "/dev/sev-guest";
const std::string kVmpl = "/sys/devices/system/cpu/sev/vmpl";
constexpr std::uint32_t kKeyCommand = 0xc0205301, kReportCommand = 0xc0205302;

// The memory that a request block points to.
Block memory_at(Block block, std::size_t offset, std::size_t len) {
    const auto address = load_le<std::uint64_t>(ByteView(block).subspan(offset).first<8>());
    return {std::bit_cast<std::uint8_t*>(static_cast<std::uintptr_t>(address)), len};
}

void put32(Block at, std::size_t offset, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i)
        at[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint32_t get32(Block at, std::size_t offset) {
    return load_le<std::uint32_t>(ByteView(at).subspan(offset).first<4>());
}

/// What the firmware answers to a report request.
struct Answer {
    std::uint32_t status = 0, len = 1184, firmware = 0, vmm = 0;
    std::optional<std::uint32_t> wants_len = {};
    bool table = true;
    ReportData echo = sample_report_data();
};

struct Device {
    ScriptedSystem system;
    SevGuest platform{system};
    std::vector<std::uint32_t> certs_lens;  // as asked
    std::uint32_t vmpl = 99;

    void opens() {
        system.on_open(kSevDevice);
        system.add({"stat", kSevDevice});
    }
    void no_vmpl() { system.on_open(kVmpl, ENOENT); }
    void ioctl(int error, Answer answer, std::chrono::milliseconds takes = 0ms) {
        ScriptedSystem::Step step{"ioctl", kSevDevice, error};
        step.takes = takes;
        step.on_ioctl = [this, error, answer](std::uint32_t command, Block block) {
            CHECK(command == kReportCommand);
            CHECK(block.size() == 32);
            CHECK(block[0] == 1);
            answer_request(block, answer, error);
        };
        system.add(std::move(step));
    }
    void answer_request(Block block, const Answer& answer, int error) {
        const Block request = memory_at(block, 0x08, 112), response = memory_at(block, 0x10, 4000);
        CHECK(equal(request.first(64), sample_report_data()));
        vmpl = get32(request, 0x40);
        const std::uint32_t certs_len = get32(request, 0x68);
        certs_lens.push_back(certs_len);
        put32(block, 0x18, answer.firmware);
        put32(block, 0x1c, answer.vmm);
        if (answer.wants_len) put32(request, 0x68, *answer.wants_len);
        if (error != 0 || answer.wants_len) return;
        put32(response, 0, answer.status);
        put32(response, 4, answer.len);
        const Bytes report = sample_snp_report(answer.echo);
        std::copy(report.begin(), report.end(), response.begin() + 0x20);
        if (certs_len == 0) {
            CHECK(get32(request, 0x60) == 0);  // no address either
        } else if (answer.table) {
            const Bytes table = sample_table();
            std::copy(table.begin(), table.end(), memory_at(request, 0x60, certs_len).begin());
        }
    }
    [[nodiscard]] Result<Evidence> collect(std::chrono::milliseconds patience = 30s) {
        return platform.collect(sample_report_data(), system.now() + patience);
    }
};

void answer_key(Block block, std::uint32_t status, std::uint8_t fill) {
    const Block response = memory_at(block, 0x10, 64);
    put32(response, 0, status);
    std::fill(response.begin() + 0x20, response.end(), fill);
}

}  // namespace

TEST_CASE("sev-guest: a report comes with the host's table, in one request",
          "[platform][sev_guest]") {
    Device device;
    device.no_vmpl();
    device.opens();
    device.ioctl(0, {});
    const auto evidence = device.collect();
    REQUIRE_OK(evidence);
    CHECK(device.system.verify() == "");
    CHECK(evidence->tee == Tee::snp);
    CHECK(evidence->quote == sample_snp_report(sample_report_data()));
    REQUIRE(evidence->endorsements.size() == 1);
    CHECK(evidence->endorsements[0].size() == 0x4000);
    CHECK(equal(ByteView(evidence->endorsements[0]).first(4096), sample_table()));
    CHECK(evidence->interface == "sev_guest");
    CHECK(device.certs_lens == std::vector<std::uint32_t>{0x4000});
    CHECK(device.vmpl == 0);
}

TEST_CASE("sev-guest: a host without certificates gives a report alone", "[platform][sev_guest]") {
    Device device;
    device.no_vmpl();
    device.opens();
    Answer answer;
    answer.table = false;
    device.ioctl(0, answer);
    const auto evidence = device.collect();
    REQUIRE_OK(evidence);
    CHECK(evidence->endorsements.empty());
}

TEST_CASE("sev-guest: the VMPL is the configured one, else the guest's own",
          "[platform][sev_guest]") {
    ScriptedSystem system;
    Device device;
    device.system.on_file(kVmpl, GENERATE("2\n", "2"));
    device.opens();
    device.ioctl(0, {});
    REQUIRE_OK(device.collect());
    CHECK(device.vmpl == 2);
}

TEST_CASE("sev-guest: the certificate buffer is negotiated once", "[platform][sev_guest]") {
    struct Row {
        const char* name;
        int error;  ///< of the first call; some kernels return success
        std::uint32_t wants;
        std::uint32_t second;  ///< length that the second call offers
        bool good_then;
    };
    const auto row = GENERATE(values<Row>({
        {"a smaller buffer", EIO, 0x2000, 0x2000, true},
        {"a smaller buffer, told with success", 0, 0x2000, 0x2000, true},
        {"more than the driver takes: none", EIO, 0x8000, 0, true},
        {"no multiple of a page: none", EIO, 0x1001, 0, true},
        {"nothing at all: none", EIO, 0, 0, true},
        {"wants another length again", EIO, 0x2000, 0x2000, false},
    }));
    INFO(row.name);
    Device device;
    Answer wants;
    wants.vmm = 1;
    wants.wants_len = row.wants;
    device.no_vmpl();
    device.opens();
    device.ioctl(row.error, wants);
    device.no_vmpl();
    device.opens();
    device.ioctl(row.good_then ? 0 : EIO, row.good_then ? Answer{} : wants);
    const auto evidence = device.collect();
    CHECK(device.system.verify() == "");
    CHECK(device.certs_lens == std::vector<std::uint32_t>{0x4000, row.second});
    CHECK(device.system.slept() == 2s);  // both are requests to the firmware
    if (row.good_then) {
        REQUIRE_OK(evidence);
        CHECK(evidence->endorsements.size() == (row.second == 0 ? 0 : 1));
    } else {
        REQUIRE_ERRC(Errc::platform_failed, evidence);
    }
}

TEST_CASE("sev-guest: each failed call has its own end", "[platform][sev_guest]") {
    struct Row {
        const char* name;
        std::vector<int> errors;
        Answer answer;
        std::chrono::milliseconds takes;
        std::optional<Errc> want;
        std::chrono::milliseconds slept;
        const char* says;
    };
    const Answer busy{.vmm = 2};
    const auto row = GENERATE_COPY(values<Row>({
        {"host busy, then success", {EIO, EIO}, busy, 0ms, std::nullopt, 4s, ""},
        {"EAGAIN of an older kernel", {EAGAIN}, {}, 0ms, std::nullopt, 2s, ""},
        {"EBUSY of an older kernel", {EBUSY}, {}, 0ms, std::nullopt, 2s, ""},
        {"EINTR", {EINTR}, {}, 0ms, std::nullopt, 2s, ""},
        {"host busy until the deadline", {EIO}, busy, 29s, Errc::timed_out, 0ms, "busy"},
        {"throttled for a minute", {ETIMEDOUT}, {}, 60s, Errc::unavailable, 0ms, "throttles"},
        {"throttled, and time is left", {ETIMEDOUT}, {}, 10s, std::nullopt, 2s, ""},
        {"ENOTTY",
         {ENOTTY},
         {},
         0ms,
         Errc::platform_failed,
         0ms,
         "dead until this machine restarts"},
        {"firmware error",
         {EIO},
         {.firmware = 0x16},
         0ms,
         Errc::platform_failed,
         0ms,
         "invalid parameter (0x16)"},
        {"firmware not reached",
         {EIO},
         {.firmware = 0xff, .vmm = 7},
         0ms,
         Errc::platform_failed,
         0ms,
         "not reached (0xff); host: 0x7"},
        {"EINVAL", {EINVAL}, {}, 0ms, Errc::platform_failed, 0ms, "EINVAL"},
        {"EFAULT", {EFAULT}, {}, 0ms, Errc::platform_failed, 0ms, "EFAULT"},
        {"the driver has gone", {ENXIO}, {}, 0ms, Errc::unavailable, 0ms, "ENXIO"},
    }));
    INFO(row.name);
    Device device;
    device.no_vmpl();
    device.opens();
    for (const int error : row.errors) device.ioctl(error, row.answer, row.takes);
    if (!row.want) device.ioctl(0, {});
    const auto evidence = device.collect();
    CHECK(device.system.verify() == "");
    CHECK(device.system.slept() == row.slept);
    if (!row.want) {
        REQUIRE_OK(evidence);
        return;
    }
    REQUIRE_ERRC(*row.want, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring(row.says));
    CHECK_THAT(evidence.error().detail, ContainsSubstring(kSevDevice));
}

TEST_CASE("sev-guest: a device that is dead is never asked again", "[platform][sev_guest]") {
    Device device;
    device.no_vmpl();
    device.opens();
    device.ioctl(ENOTTY, {});
    REQUIRE_ERRC(Errc::platform_failed, device.collect());
    CHECK(device.platform.is_dead());
    device.no_vmpl();  // and no open, no ioctl
    REQUIRE_ERRC(Errc::platform_failed, device.collect());
    REQUIRE_ERRC(Errc::platform_failed, device.platform.derive_key({}, device.system.now() + 30s));
    CHECK(device.system.verify() == "");
}

TEST_CASE("sev-guest: what the firmware refuses, or what is no report, is refused",
          "[platform][sev_guest]") {
    struct Row {
        const char* name;
        Answer answer;
        Errc want;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"status", {.status = 0x16}, Errc::platform_failed, "invalid parameter (0x16)"},
        {"key selection", {.status = 0x27}, Errc::platform_failed, "invalid key (0x27)"},
        {"status unknown", {.status = 0x99}, Errc::platform_failed, "unknown error (0x99)"},
        {"too short", {.len = 1183}, Errc::platform_failed, "1183 bytes"},
        {"too long", {.len = 3968}, Errc::platform_failed, "3968 bytes"},
        {"no length", {.len = 0}, Errc::platform_failed, "0 bytes"},
        {"over other bytes", {.echo = {}}, Errc::platform_wrong_echo, "other report data"},
    }));
    INFO(row.name);
    Device device;
    device.no_vmpl();
    device.opens();
    device.ioctl(0, row.answer);
    const auto evidence = device.collect();
    REQUIRE_ERRC(row.want, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring(row.says));
    CHECK(device.system.verify() == "");
}

TEST_CASE("sev-guest: opening the device: each errno has its own end", "[platform][sev_guest]") {
    struct Row {
        int error;
        Errc want;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {ENOENT, Errc::not_found, "modprobe sev-guest"},
        {EACCES, Errc::access_denied, "chmod 0660 /dev/sev-guest"},
        {EPERM, Errc::access_denied, "DeviceAllow="},
        {ENXIO, Errc::unavailable, "driver is gone"},
        {ENODEV, Errc::unavailable, "driver is gone"},
        {EMFILE, Errc::platform_failed, "EMFILE"},
    }));
    Device device;
    device.no_vmpl();
    device.system.on_open(kSevDevice, row.error);
    const auto evidence = device.collect();
    REQUIRE_ERRC(row.want, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring(row.says));
    CHECK(device.system.verify() == "");
}

TEST_CASE("sev-guest: a file in the device's place is not one", "[platform][sev_guest]") {
    Device device;
    device.no_vmpl();
    device.system.on_open(kSevDevice);
    ScriptedSystem::Step stat{"stat", kSevDevice};
    stat.node = {false, false, 0};
    device.system.add(std::move(stat));
    REQUIRE_ERRC(Errc::platform_failed, device.collect());
    CHECK(device.system.verify() == "");
}

TEST_CASE("sev-guest: requests are at least two seconds apart", "[platform][sev_guest]") {
    Device device;
    for (int i = 0; i < 3; ++i) {
        device.no_vmpl();
        device.opens();
        device.ioctl(0, {});
        REQUIRE_OK(device.collect());
    }
    CHECK(device.system.slept() == 4s);
    device.no_vmpl();
    device.opens();
    REQUIRE_ERRC(Errc::timed_out, device.collect(1s));  // its turn comes after its deadline
    CHECK(device.system.slept() == 4s);
    device.system.sleep_until(device.system.now() + 10s);
    device.no_vmpl();
    device.opens();
    device.ioctl(0, {});
    REQUIRE_OK(device.collect());
    CHECK(device.system.slept() == 14s);
    CHECK(device.system.verify() == "");
}

TEST_CASE("sev-guest: a derived key is asked for with its fields, and read",
          "[platform][sev_guest]") {
    Device device;
    device.opens();
    ScriptedSystem::Step step{"ioctl", kSevDevice};
    step.on_ioctl = [](std::uint32_t command, Block block) {
        CHECK(command == kKeyCommand);
        const Block request = memory_at(block, 0x08, 32);
        CHECK(get32(request, 0x00) == 0);
        CHECK(get32(request, 0x08) == 9);
        CHECK(get32(request, 0x0c) == 0);
        CHECK(get32(request, 0x10) == 1);
        CHECK(get32(request, 0x14) == 3);
        CHECK(get32(request, 0x18) == 0x04030201);
        CHECK(get32(request, 0x1c) == 0x08070605);
        answer_key(block, 0, 0x77);
    };
    device.system.add(std::move(step));
    const auto key = device.platform.derive_key(
        {.guest_field_select = 9, .vmpl = 1, .guest_svn = 3, .tcb_version = 0x0807060504030201},
        device.system.now() + 30s);
    REQUIRE_OK(key);
    CHECK(key->expose([](ByteView bytes) { return to_bytes(bytes); }) == Bytes(32, 0x77));
    CHECK(device.system.verify() == "");
}

TEST_CASE("sev-guest: a key of zeros, and one that the firmware refused, are none",
          "[platform][sev_guest]") {
    struct Row {
        std::uint32_t status;
        std::uint8_t fill;
        const char* says;
    };
    const auto row = GENERATE(values<Row>(
        {{0, 0, "all zero"}, {0x16, 0, "invalid parameter"}, {0x16, 1, "invalid parameter"}}));
    Device device;
    device.opens();
    ScriptedSystem::Step step{"ioctl", kSevDevice};
    step.on_ioctl = [&](std::uint32_t, Block block) { answer_key(block, row.status, row.fill); };
    device.system.add(std::move(step));
    const auto key = device.platform.derive_key({}, device.system.now() + 30s);
    REQUIRE_ERRC(Errc::platform_failed, key);
    CHECK_THAT(key.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("sev-guest: while another process has the device it is waited for, and asked once",
          "[platform][sev_guest]") {
    Device device;
    device.no_vmpl();
    device.opens();
    device.ioctl(0, {});
    device.system.set_locked(7);
    REQUIRE_OK(device.collect());
    CHECK(device.system.slept() == 700ms);
    CHECK(device.system.verify() == "");
}

TEST_CASE("sev-guest: a device that stays another process's costs the deadline and no request",
          "[platform][sev_guest]") {
    Device device;
    device.no_vmpl();
    device.opens();
    device.system.set_locked(1000);
    const auto refused = device.collect(5s);
    REQUIRE_ERRC(Errc::timed_out, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring("another process"));
    CHECK(device.system.slept() < 5s);
    CHECK(device.system.verify() == "");
}

TEST_CASE("sev-guest: a lock that fails otherwise is no lock", "[platform][sev_guest]") {
    Device device;
    device.no_vmpl();
    device.opens();
    device.system.set_locked(1, ENOLCK);
    const auto refused = device.collect();
    REQUIRE_ERRC(Errc::platform_failed, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring("lock /dev/sev-guest: ENOLCK"));
    CHECK(device.system.verify() == "");
}

}  // namespace attestd::test
