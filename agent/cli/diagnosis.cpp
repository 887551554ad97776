#include "agent/cli/diagnosis.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "agent/platform/external.h"
#include "agent/sources/system_credentials.h"
#include "quote/base/time.h"
#include "quote/platform/sev_guest.h"
#include "quote/platform/tdx_guest.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxTextLen = 4096;
constexpr std::size_t kMaxLogLen = std::size_t{16} << 20;
constexpr unsigned kConfigfsMajor = 6, kConfigfsMinor = 7, kRtmrMinor = 16;
// No certificate of today's hardware is younger: a clock before it is wrong (2025-01-01).
constexpr Time kEarliestNow{std::chrono::seconds(1735689600)};

std::string first_line(ByteView bytes) {
    const std::string_view text = as_text(bytes);
    return std::string(text.substr(0, text.find('\n')));
}

struct KernelVersion {
    unsigned major = 0, minor = 0;
};

KernelVersion version_of(std::string_view text) {
    KernelVersion out;
    const char* const end = text.data() + text.size();
    const auto major = std::from_chars(text.data(), end, out.major);
    if (major.ec == std::errc() && major.ptr != end) std::from_chars(major.ptr + 1, end, out.minor);
    return out;
}

bool is_before(const KernelVersion& have, unsigned major, unsigned minor) {
    return have.major < major || (have.major == major && have.minor < minor);
}

Check kernel(System& system) {
    const auto bytes = read_path(system, "/proc/sys/kernel/osrelease", kMaxTextLen);
    if (!bytes) return {"kernel", CheckState::note, errno_words(bytes.error().value)};
    const std::string release = first_line(*bytes);
    const bool old = is_before(version_of(release), kConfigfsMajor, kConfigfsMinor);
    if (!old) return {"kernel", CheckState::ok, "Linux " + release};
    return {"kernel", CheckState::warning, "Linux " + release + ": configfs-tsm came with 6.7",
            "boot a kernel of 6.7 or later with CONFIG_TSM_REPORTS"};
}

Check clock(Time now) {
    if (now >= kEarliestNow) return {"clock", CheckState::ok, to_rfc3339(now)};
    return {"clock", CheckState::missing,
            to_rfc3339(now) + ": no certificate is valid at that time",
            "timedatectl set-ntp true, or date --set"};
}

// The door by which the host can set what systemd gives to services.
Check system_credentials(System& system, bool is_confidential) {
    const SystemCredentials found = look_for_system_credentials(system);
    Check out{"system credentials", CheckState::ok, fmt::format("closed: {}", kNoImport)};
    if (found.are_imported) {
        out.state = is_confidential ? CheckState::warning : CheckState::note;
        out.found =
            fmt::format("open, without {}: the host can hand credentials to systemd", kNoImport);
    }
    if (!found.filled.empty()) {
        out.state = CheckState::warning;
        out.found += fmt::format("; some are there: {}", fmt::join(found.filled, ", "));
    }
    if (out.state == CheckState::warning)
        out.mend = fmt::format("{} on the measured kernel command line", kNoImport);
    return out;
}

Check lockdown(System& system) {
    const auto bytes = read_path(system, "/sys/kernel/security/lockdown", kMaxTextLen);
    if (!bytes) return {"lockdown", CheckState::note, "not shown"};
    return {"lockdown", CheckState::note, first_line(*bytes) + " (nothing here needs it off)"};
}

// A file that is there and ours to read, there and not ours, or not there.
Check readable(System& system, std::string name, const std::string& path, std::string_view gives,
               const std::string& mend) {
    const auto bytes = read_path(system, path, kMaxLogLen);
    if (bytes)
        return {std::move(name), CheckState::ok, fmt::format("{}: {} bytes", path, bytes->size())};
    const int error = bytes.error().value;
    if (error == EACCES || error == EPERM) {
        return {std::move(name), CheckState::warning,
                fmt::format("{}: is root's; without it {}", path, gives),
                fmt::format("run as root, or chgrp attestd {0}; chmod 0440 {0}", path)};
    }
    return {std::move(name), CheckState::warning,
            fmt::format("{}: {}; without it {}", path, errno_words(error), gives), mend};
}

// What a quote of the device's TDREPORT takes. Whether attestd-fetch may reach it, its own
// configuration says.
Check quote_service(System& system, const Detection& detection) {
    const auto vsock = open_file(system, "/dev/vsock", O_RDONLY);
    const bool has_vsock = vsock || vsock.error().value == EACCES;
    Check out{"vsock quote service", CheckState::ok,
              fmt::format("/dev/vsock {}, {}", has_vsock ? "is there" : "is not there",
                          detection.quote_service_port
                              ? fmt::format("port {} by {}", *detection.quote_service_port,
                                            kQuoteServiceFile)
                              : fmt::format("no port in {}", kQuoteServiceFile))};
    if (!has_vsock) {
        out.state = CheckState::missing;
        out.mend =
            "a kernel with configfs-tsm (Linux 6.7) needs none; or the host gives the guest a "
            "vsock "
            "device: modprobe vmw_vsock_virtio_transport";
    } else if (!detection.quote_service_port) {
        out.state = CheckState::missing;
        out.mend = fmt::format(
            "a kernel with configfs-tsm (Linux 6.7) needs none; or \"port = 4050\" in {}, and "
            "\"vsock://2:4050\": {{}} among the hosts of /etc/attestd/fetch.json",
            kQuoteServiceFile);
    } else {
        out.found +=
            fmt::format("; fetch.json must list vsock://2:{}", *detection.quote_service_port);
    }
    return out;
}

void check_tdx(System& system, const Detection& detection, std::vector<Check>& out) {
    out.push_back(readable(system, "firmware table", "/sys/firmware/acpi/tables/CCEL",
                           "there is no boot event log", "firmware with TDX measurement (TDVF)"));
    out.push_back(readable(system, "boot event log", "/sys/firmware/acpi/tables/data/CCEL",
                           "registers cannot be explained", "Linux 6.5 with the CCEL table"));
    out.push_back(readable(system, "run-time registers",
                           "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384",
                           "RTMR3 cannot be extended",
                           fmt::format("Linux {}.{}", kConfigfsMajor, kRtmrMinor)));
    if (detection.use == GuestInterface::configfs_tsm) return;
    out.push_back(quote_service(system, detection));
}

void check_snp(const Detection& detection, std::vector<Check>& out) {
    const Signal* const device = detection.find(kSevGuestDevice);
    if (device->is_usable) {
        out.push_back({"derived keys", CheckState::ok, "by /dev/sev-guest"});
        return;
    }
    out.push_back({"derived keys", CheckState::warning,
                   fmt::format("{} {}: the sealed store cannot have a platform slot",
                               kSevGuestDevice, device->found),
                   device->mend});
}

Check vtpm_device(System& system) {
    constexpr const char* kDevice = "/dev/tpmrm0";
    const auto file = open_file(system, kDevice, O_RDONLY);
    if (file || file.error().value == EACCES || file.error().value == EPERM)
        return {"vTPM", CheckState::ok, fmt::format("{} is there", kDevice)};
    return {"vTPM", CheckState::missing,
            fmt::format("{}: {}", kDevice, errno_words(file.error().value)),
            "a VM with a vTPM, and a kernel with CONFIG_TCG_TPM: modprobe tpm_crb, or modprobe "
            "tpm_tis"};
}

// A socket cannot be opened, and says so; one that is not there says something else.
Check vtpm_service(System& system, AzureVtpm built) {
    const std::string name = "attestd-azure-vtpm";
    const auto file = open_file(system, kAzureVtpmSocket, O_RDONLY);
    if (!file && file.error().value == ENXIO)
        return {name, CheckState::ok, fmt::format("{} is there", kAzureVtpmSocket)};
    if (built == AzureVtpm::left_out) {
        return {name, CheckState::missing, "this build of attestd has no azure_vtpm",
                "build with libtss2 there: meson setup -Dazure_vtpm=enabled"};
    }
    const std::string found = file ? "is no socket" : errno_words(file.error().value);
    return {name, CheckState::missing, fmt::format("{}: {}", kAzureVtpmSocket, found),
            "systemctl enable --now attestd-azure-vtpm.socket, or attestd-azure-vtpm --listen "
            "PATH"};
}

void check_paravisor(System& system, AzureVtpm built, std::vector<Check>& out) {
    out.push_back(vtpm_device(system));
    out.push_back(vtpm_service(system, built));
    out.push_back({"metadata service", CheckState::note,
                   "gives the VCEK of an SNP guest and the quote of a TDX guest: fetch.json must "
                   "list 169.254.169.254"});
    out.push_back(readable(
        system, "boot event log", "/sys/kernel/security/tpm0/binary_bios_measurements",
        "PCRs cannot be explained", "a kernel with CONFIG_TCG_TPM and securityfs mounted"));
}

// The other TEE's device is not missing, and neither is a way that is not needed.
Check of_signal(const Signal& signal, const Detection& detection) {
    Check out{signal.name, CheckState::note, signal.found};
    if (signal.is_usable) {
        out.state = CheckState::ok;
        return out;
    }
    if (!detection.tee && !signal.says) return out;
    const bool is_other = (signal.name == kSevGuestDevice && detection.tee == Tee::tdx) ||
                          (signal.name == kTdxGuestDevice && detection.tee == Tee::snp);
    if (is_other || signal.mend.empty()) return out;
    out.state = detection.use == GuestInterface::none ? CheckState::missing : CheckState::warning;
    out.mend = signal.mend;
    return out;
}

Check of_interface(const Detection& detection) {
    if (detection.contradictory) {
        return {"interface", CheckState::missing, detection.why,
                "name the right one in configuration: \"platform\": {\"type\": ...}"};
    }
    if (detection.use == GuestInterface::none)
        return {"interface", CheckState::missing, detection.why, "see below"};
    const bool gives_quotes =
        detection.use != GuestInterface::tdx_guest || detection.quote_service_port.has_value();
    return {"interface", gives_quotes ? CheckState::ok : CheckState::missing,
            fmt::format("{}: {}", interface_name(detection.use), detection.why),
            gives_quotes ? "" : "see below"};
}

}  // namespace

std::string_view check_state_name(CheckState state) noexcept {
    constexpr std::string_view kNames[] = {"ok", "note", "warning", "missing"};
    return kNames[static_cast<std::size_t>(state)];
}

bool Diagnosis::is_good() const noexcept {
    return std::none_of(checks.begin(), checks.end(),
                        [](const Check& check) { return check.state == CheckState::missing; });
}

Diagnosis diagnose(System& system, const Cpuid& cpuid, Time now, AzureVtpm azure_vtpm) {
    Diagnosis out{detect(system, cpuid), {}};
    const Signal* const hypervisor = out.detection.find("cpuid.hypervisor");
    out.has_paravisor = hypervisor != nullptr && !hypervisor->mend.empty();
    if (out.is_confidential()) out.checks.push_back(of_interface(out.detection));
    for (const Signal& signal : out.detection.signals)
        out.checks.push_back(of_signal(signal, out.detection));
    out.checks.push_back(kernel(system));
    out.checks.push_back(clock(now));
    out.checks.push_back(lockdown(system));
    out.checks.push_back(system_credentials(system, out.is_confidential()));
    if (out.detection.use == GuestInterface::azure_vtpm) {
        check_paravisor(system, azure_vtpm, out.checks);
        return out;
    }
    if (out.detection.tee == Tee::tdx) check_tdx(system, out.detection, out.checks);
    if (out.detection.tee == Tee::snp) check_snp(out.detection, out.checks);
    return out;
}

}  // namespace attestd::cli
