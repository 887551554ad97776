#include "quote/platform/sev_guest.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>

#include "quote/amd/snp_report.h"
#include "quote/base/reader.h"
#include "quote/platform/echo.h"

namespace attestd {

/// exitinfo2 of the request block, and whether the call failed with EIO.
struct SevGuest::Exit {
    std::uint32_t firmware, vmm;
    bool failed;
};

struct SevGuest::Report {
    Bytes report;
    Bytes table;                             ///< empty: the host has none, or none was asked for
    std::optional<std::uint32_t> wants_len;  ///< the buffer that the host's table needs
};

namespace {

// Offsets in the kernel's structures, all little-endian.
constexpr std::size_t kBlockLen = 32, kAtRequest = 0x08, kAtResponse = 0x10, kAtFirmware = 0x18,
                      kAtVmm = 0x1c;
constexpr std::size_t kExtRequestLen = 112, kAtVmpl = 0x40, kAtCerts = 0x60, kAtCertsLen = 0x68;
constexpr std::size_t kKeyRequestLen = 32, kKeyResponseLen = 64, kAtKey = 0x20, kKeyLen = 32;
constexpr std::size_t kReportResponseLen = 4000, kAtReport = 0x20, kAtReportLen = 0x04;

constexpr std::uint32_t kPage = 4096;
constexpr std::uint32_t kMaxCertsLen = 0x4000;  // SEV_FW_BLOB_MAX_SIZE: more is EINVAL
constexpr std::uint32_t kVmmInvalidLen = 1, kVmmBusy = 2;
constexpr std::uint32_t kMaxVmpl = 3;
constexpr std::chrono::milliseconds kLockPause{100};
constexpr const char* kVmplFile = "/sys/devices/system/cpu/sev/vmpl";

template <class T>
void put_le(std::span<std::uint8_t> at, std::size_t offset, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        at[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
}

template <class T>
T get_le(ByteView at, std::size_t offset) {
    return load_le<T>(ByteView(at).subspan(offset).template first<sizeof(T)>());
}

// How the kernel's structures name memory of ours.
std::uint64_t address_of(std::span<const std::uint8_t> bytes) {
    return std::bit_cast<std::uintptr_t>(bytes.data());
}

std::string_view command_name(std::uint32_t command) {
    return command == kSnpGetDerivedKey ? "SNP_GET_DERIVED_KEY"
           : command == kSnpGetReport   ? "SNP_GET_REPORT"
                                        : "SNP_GET_EXT_REPORT";
}

std::string step_name(std::uint32_t command) {
    return fmt::format("ioctl {} {}", kSevGuestDevice, command_name(command));
}

tl::unexpected<Error> fail_dead() {
    return fail(Errc::platform_failed,
                fmt::format("{}: dead until this machine restarts: the driver has given up its key "
                            "after an earlier failure",
                            kSevGuestDevice));
}

tl::unexpected<Error> fail_open_sev_guest(int error) {
    const std::string what = fmt::format("open {}: {}", kSevGuestDevice, errno_words(error));
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            return fail(Errc::not_found, what + ": modprobe sev-guest, on a kernel that has it");
        case EACCES:
        case EPERM:
            return fail(Errc::access_denied,
                        what +
                            ": chgrp attestd /dev/sev-guest; chmod 0660 /dev/sev-guest, and "
                            "DeviceAllow= in the unit");
        case ENXIO:
        case ENODEV:
            return fail(Errc::unavailable, what + ": the driver is gone; see the kernel's log");
        default:
            return fail(Errc::platform_failed, what);
    }
}

Result<void> check_status(ByteView response, std::uint32_t command) {
    const auto status = get_le<std::uint32_t>(response, 0);
    if (status == 0) return {};
    return fail(Errc::platform_failed, fmt::format("{}: firmware status: {}", step_name(command),
                                                   sev_firmware_words(status)));
}

/// Wipes a buffer of one call at the end of its scope. It lies on the stack and not in the arena of
/// secrets: the device writes it through another mapping, which memfd_secret pages do not allow.
template <std::size_t N>
struct Wiped {
    ByteArray<N> bytes{};
    Wiped() = default;
    Wiped(const Wiped&) = delete;
    Wiped& operator=(const Wiped&) = delete;
    ~Wiped() { wipe_bytes(bytes); }
};

}  // namespace

std::string sev_firmware_words(std::uint32_t error) {
    constexpr std::array<std::pair<std::uint32_t, const char*>, 10> kNames{
        {{0x01, "invalid platform state"},
         {0x02, "invalid guest state"},
         {0x07, "policy failure"},
         {0x0a, "bad signature"},
         {0x16, "invalid parameter"},
         {0x17, "resource limit"},
         {0x1d, "AEAD overflow"},
         {0x21, "bad SVN"},
         {0x22, "bad version"},
         {0x27, "invalid key"}}};
    if (error == 0xff) return "the firmware was not reached (0xff)";
    const auto* const found =
        std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.first == error; });
    return fmt::format("{} ({:#04x})", found == kNames.end() ? "unknown error" : found->second,
                       error);
}

SevGuest::SevGuest(System& system, SevGuestOptions options) : system_(system), options_(options) {}

Result<SystemFile> SevGuest::open_device() {
    auto device = open_file(system_, kSevGuestDevice, O_RDWR);
    if (!device) return fail_open_sev_guest(device.error().value);
    const auto info = system_.stat(device->get());
    if (info && info->is_character_device) return std::move(*device);
    return fail(Errc::platform_failed,
                fmt::format("{}: is not a character device: somebody put something else there",
                            kSevGuestDevice));
}

// Two requests at a time would throttle each other, at the host's pleasure. The lock goes with the
// open file, so a process that dies leaves none. Others than this program need not keep to it.
Result<void> SevGuest::lock_device(const SystemFile& device, Deadline deadline) {
    for (;;) {
        const auto locked = system_.try_lock(device.get());
        if (locked) return {};
        const int error = locked.error().value;
        if (error != EWOULDBLOCK && error != EINTR)
            return fail(Errc::platform_failed,
                        fmt::format("lock {}: {}", kSevGuestDevice, errno_words(error)));
        const auto next = system_.now() + kLockPause;
        if (next >= deadline)
            return fail(Errc::timed_out,
                        fmt::format("{}: another process of this machine uses it until the "
                                    "deadline; fuser -v {} names it",
                                    kSevGuestDevice, kSevGuestDevice));
        system_.sleep_until(next);
    }
}

// The firmware's own rate, and the host's, are unknown: this one is known to be taken.
Result<void> SevGuest::wait_turn(Deadline deadline) {
    if (!last_) return {};
    const auto turn = *last_ + options_.interval;
    if (turn >= deadline) {
        return fail(
            Errc::timed_out,
            fmt::format("{}: requests are {} s apart, and the deadline comes first",
                        kSevGuestDevice, std::chrono::duration<double>(options_.interval).count()));
    }
    if (system_.now() < turn) system_.sleep_until(turn);
    return {};
}

// Makes the call, again and again while the host says that it is busy.
Result<SevGuest::Exit> SevGuest::call(std::uint32_t command, std::span<std::uint8_t> request,
                                      std::span<std::uint8_t> response, Deadline deadline) {
    if (is_dead_) return fail_dead();
    ATTESTD_TRY(const SystemFile device, open_device());
    ATTESTD_CHECK(lock_device(device, deadline));
    for (;;) {
        ATTESTD_CHECK(wait_turn(deadline));
        ByteArray<kBlockLen> block{};
        block[0] = 1;  // message version
        put_le(block, kAtRequest, address_of(request));
        put_le(block, kAtResponse, address_of(response));
        const auto called = system_.ioctl(device.get(), command, block);
        last_ = system_.now();
        const Exit exit{get_le<std::uint32_t>(block, kAtFirmware),
                        get_le<std::uint32_t>(block, kAtVmm), !called};
        if (called) return exit;
        const int error = called.error().value;
        const std::string what = fmt::format("{}: {}", step_name(command), errno_words(error));
        switch (error) {
            case ENOTTY:
                is_dead_ = true;
                return fail_dead();
            case EIO:
                if (exit.vmm == kVmmInvalidLen) return exit;
                if (exit.vmm == kVmmBusy) break;
                return fail(Errc::platform_failed,
                            fmt::format("{}: firmware: {}; host: {:#x}. The driver now gives its "
                                        "key up: restart this machine, and see the kernel's log",
                                        what, sev_firmware_words(exit.firmware), exit.vmm));
            case EAGAIN:
            case EBUSY:
            case EINTR:
                break;
            case ETIMEDOUT:
                // The driver itself has tried for 60 seconds.
                if (system_.now() + options_.interval < deadline) break;
                return fail(Errc::unavailable,
                            what + ": the host throttles reports; ask its operator");
            case ENXIO:
            case ENODEV:
                return fail(Errc::unavailable, what + ": the driver is gone");
            default:
                return fail(Errc::platform_failed, what + ": see the kernel's log");
        }
        if (system_.now() + options_.interval >= deadline)
            return fail(Errc::timed_out, what + ": the host is busy until the deadline");
    }
}

std::uint32_t SevGuest::vmpl() {
    if (options_.vmpl) return *options_.vmpl;
    constexpr std::size_t kMaxLen = 16;
    const auto bytes = read_path(system_, kVmplFile, kMaxLen);
    if (!bytes) return 0;
    const std::string_view text = as_text(*bytes);
    std::uint32_t level = 0;
    std::from_chars(text.data(), text.data() + text.size(), level);
    return std::min(level, kMaxVmpl);
}

Result<SevGuest::Report> SevGuest::ask_report(const ReportData& report_data,
                                              std::uint32_t certs_len, Deadline deadline) {
    Bytes certs(certs_len);
    ByteArray<kExtRequestLen> request{};
    std::copy(report_data.begin(), report_data.end(), request.begin());
    put_le(request, kAtVmpl, vmpl());
    // No buffer: no certificates are asked for.
    if (certs_len != 0) put_le(request, kAtCerts, address_of(certs));
    put_le(request, kAtCertsLen, certs_len);
    Bytes response(kReportResponseLen);
    ATTESTD_TRY(const Exit exit, call(kSnpGetExtReport, request, response, deadline));
    Report out;
    if (exit.vmm == kVmmInvalidLen) {  // some kernels say so and still return success
        out.wants_len = get_le<std::uint32_t>(request, kAtCertsLen);
        return out;
    }
    ATTESTD_CHECK(check_status(response, kSnpGetExtReport));
    const auto len = get_le<std::uint32_t>(response, kAtReportLen);
    if (len != kSnpReportLen) {
        return fail(Errc::platform_failed,
                    fmt::format("{}: a report of {} bytes, {} are expected",
                                step_name(kSnpGetExtReport), len, kSnpReportLen));
    }
    out.report = to_bytes(ByteView(response).subspan(kAtReport, kSnpReportLen));
    if (!all_zero(certs)) out.table = std::move(certs);
    return out;
}

Result<Evidence> SevGuest::collect(const ReportData& report_data, Deadline deadline) {
    // The largest buffer first: one request to the firmware in place of two.
    ATTESTD_TRY(Report got, ask_report(report_data, kMaxCertsLen, deadline));
    if (got.wants_len) {
        const std::uint32_t len = *got.wants_len;
        const bool possible = len != 0 && len % kPage == 0 && len <= kMaxCertsLen;
        // A table over what the driver takes: the report alone; certificates come from elsewhere.
        ATTESTD_TRY(got, ask_report(report_data, possible ? len : 0, deadline));
    }
    if (got.wants_len) {
        return fail(Errc::platform_failed,
                    fmt::format("{}: the host asks for {} bytes for its certificates after it got "
                                "what it asked for",
                                step_name(kSnpGetExtReport), *got.wants_len));
    }
    Evidence out{Tee::snp, std::move(got.report), {}, {}, std::string(name())};
    if (!got.table.empty()) out.endorsements.push_back(std::move(got.table));
    if (const auto echo = check_echo(out, report_data); !echo)
        return fail_in(step_name(kSnpGetExtReport), echo.error());
    return out;
}

Result<Secret> SevGuest::derive_key(const DerivedKeyRequest& request, Deadline deadline) {
    ByteArray<kKeyRequestLen> block{};  // the root: VCEK, or VLEK where one is loaded
    put_le(block, 0x08, request.guest_field_select);
    put_le(block, 0x10, request.vmpl);
    put_le(block, 0x14, request.guest_svn);
    put_le(block, 0x18, request.tcb_version);
    Wiped<kKeyResponseLen> response;
    ATTESTD_TRY(const Exit exit, call(kSnpGetDerivedKey, block, response.bytes, deadline));
    if (exit.failed) {
        return fail(Errc::platform_failed,
                    fmt::format("{}: host: {:#x}", step_name(kSnpGetDerivedKey), exit.vmm));
    }
    ATTESTD_CHECK(check_status(response.bytes, kSnpGetDerivedKey));
    const ByteView key = ByteView(response.bytes).subspan(kAtKey, kKeyLen);
    if (all_zero(key)) {
        return fail(Errc::platform_failed,
                    fmt::format("{}: the key is all zero: the firmware refused without saying so",
                                step_name(kSnpGetDerivedKey)));
    }
    return Secret::copy_of(key);
}

}  // namespace attestd
