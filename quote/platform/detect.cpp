#include "quote/platform/detect.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "quote/platform/internal/tsm_entry.h"
#include "quote/platform/sev_guest.h"
#include "quote/platform/tdx_guest.h"

namespace attestd {
namespace {

constexpr std::uint32_t kMaxLeaf = 0, kFeatures = 1, kTdxLeaf = 0x21, kHypervisor = 0x40000000,
                        kHyperVIsolation = 0x4000000c, kMaxExtended = 0x80000000,
                        kSevLeaf = 0x8000001f;
constexpr std::uint32_t kHypervisorBit = std::uint32_t{1} << 31;
constexpr std::size_t kMaxCpuinfoLen = 1 << 20;
constexpr const char* kOutOfTree[] = {"/dev/tdx-guest", "/dev/tdx-attest"};

std::string text_of(std::initializer_list<std::uint32_t> registers) {
    std::string out;
    for (const std::uint32_t value : registers) {
        for (unsigned shift = 0; shift < 32; shift += 8)
            out += static_cast<char>((value >> shift) & 0xff);
    }
    return out;
}

Signal cpuid_tdx(const Cpuid& cpuid) {
    Signal out{"cpuid.tdx", "leaf 0x21 is not there", std::nullopt};
    if (cpuid(kMaxLeaf).eax < kTdxLeaf) return out;
    const CpuidRegisters leaf = cpuid(kTdxLeaf);
    if (text_of({leaf.ebx, leaf.edx, leaf.ecx}) != "IntelTDX    ") {
        out.found = "leaf 0x21 does not say IntelTDX";
        return out;
    }
    out.found = "leaf 0x21 says IntelTDX";
    out.says = Tee::tdx;
    return out;
}

// Capabilities of the processor; the guest's state is in an MSR that cannot be read from here.
Signal cpuid_sev(const Cpuid& cpuid) {
    Signal out{"cpuid.sev", "leaf 0x8000001f is not there", std::nullopt};
    if (cpuid(kMaxExtended).eax < kSevLeaf) return out;
    const std::uint32_t eax = cpuid(kSevLeaf).eax;
    const auto yes = [&](unsigned bit) { return (eax >> bit & 1) != 0 ? "yes" : "no"; };
    out.found =
        fmt::format("the processor can SEV: {}, SEV-ES: {}, SEV-SNP: {}", yes(1), yes(3), yes(4));
    return out;
}

Signal cpuid_hypervisor(const Cpuid& cpuid) {
    Signal out{"cpuid.hypervisor", "none", std::nullopt};
    if ((cpuid(kFeatures).ecx & kHypervisorBit) == 0) return out;
    const CpuidRegisters leaf = cpuid(kHypervisor);
    std::string vendor = text_of({leaf.ebx, leaf.ecx, leaf.edx});
    std::replace_if(
        vendor.begin(), vendor.end(), [](char c) { return c < ' ' || c > '~'; }, '.');
    out.found = vendor;
    if (vendor != "Microsoft Hv" || leaf.eax < kHyperVIsolation) return out;
    const std::uint32_t kind = cpuid(kHyperVIsolation).ebx & 0xf;
    if (kind != 2 && kind != 3) return out;
    out.found += kind == 2 ? ", SNP under a paravisor" : ", TDX under a paravisor";
    out.mend = "evidence comes from the paravisor's vTPM (azure_vtpm)";
    return out;
}

Signal cpuinfo(System& system) {
    Signal out{"/proc/cpuinfo", "no flag of a confidential VM", std::nullopt};
    const auto bytes = read_path(system, "/proc/cpuinfo", kMaxCpuinfoLen);
    if (!bytes) {
        out.found = errno_words(bytes.error().value);
        return out;
    }
    const std::string_view text = as_text(*bytes);
    const auto has = [&](std::string_view flag) {
        const auto at = text.find(flag);
        if (at == std::string_view::npos || at == 0 || text[at - 1] != ' ') return false;
        const auto end = at + flag.size();
        return end == text.size() || text[end] == ' ' || text[end] == '\n';
    };
    if (has("tdx_guest")) {
        out.found = "flag tdx_guest";
        out.says = Tee::tdx;
    }
    return out;  // sev_snp is a capability there, as in CPUID
}

Signal sysfs_vmpl(System& system) {
    constexpr std::size_t kMaxLen = 16;
    Signal out{"/sys/devices/system/cpu/sev/vmpl", "not there", std::nullopt};
    const auto bytes = read_path(system, out.name, kMaxLen);
    if (!bytes) return out;
    std::string level(as_text(*bytes));
    if (level.ends_with('\n')) level.pop_back();
    out.found = "VMPL " + level;
    out.says = Tee::snp;
    return out;
}

// What stands in the way of configfs-tsm, by the step that failed.
Signal& no_configfs(Signal& out, int error, std::string_view step) {
    out.found = fmt::format("{}: {}", step, errno_words(error));
    switch (error) {
        case ENOENT:
            out.found = "not there";
            out.mend =
                "Linux 6.7 with CONFIG_TSM_REPORTS: modprobe configfs; mount -t configfs "
                "none /sys/kernel/config";
            break;
        case ENXIO:
            out.found = "there, and no provider is loaded";
            out.mend = "modprobe tdx_guest, or modprobe sev-guest";
            break;
        case EACCES:
        case EPERM:
            out.mend =
                "as root: mkdir /sys/kernel/config/tsm/report/attestd; chown -R "
                "attestd:attestd /sys/kernel/config/tsm/report/attestd (attestd.service "
                "does it)";
            break;
        case EROFS:
            out.mend = "ReadWritePaths=/sys/kernel/config/tsm/report in the unit";
            break;
        default:
            break;
    }
    return out;
}

Signal configfs(System& system) {
    constexpr std::size_t kMaxLen = 64;
    Signal out{"configfs_tsm", {}, std::nullopt};
    auto reports = open_file(system, kTsmReportDir, O_RDONLY | O_DIRECTORY);
    if (!reports) return no_configfs(out, reports.error().value, "open");
    std::optional<TsmEntry> entry = system.effective_uid() == 0
                                        ? std::nullopt
                                        : TsmEntry::prepared(system, *reports, "attestd");
    if (!entry) {
        auto fresh = TsmEntry::try_make(system, std::move(*reports), "attestd-");
        if (!fresh) return no_configfs(out, fresh.error().value, "mkdir");
        entry.emplace(std::move(*fresh));
    }
    const auto bytes = entry->read("provider", kMaxLen);
    if (!bytes) return no_configfs(out, bytes.error().value, "read provider");
    std::string provider(as_text(*bytes));
    if (provider.ends_with('\n')) provider.pop_back();
    out.found = "provider " + provider;
    if (provider == "tdx_guest") out.says = Tee::tdx;
    if (provider == "sev_guest") out.says = Tee::snp;
    out.is_usable = out.says.has_value();
    if (!out.is_usable) out.mend = "this provider is not supported";
    return out;
}

Signal device(System& system, const char* path, Tee tee, const char* module) {
    Signal out{path, "not there", std::nullopt};
    const auto file = open_file(system, path, O_RDWR);
    if (!file) {
        const int error = file.error().value;
        if (error == ENOENT || error == ENOTDIR) {
            out.mend = std::string("modprobe ") + module;
            return out;
        }
        out.says = tee;  // it is there, for somebody else
        out.found = errno_words(error);
        out.mend = fmt::format("chgrp attestd {0}; chmod 0660 {0}", path);
        return out;
    }
    const auto info = system.stat(file->get());
    if (!info || !info->is_character_device) {
        out.found = "not a character device";
        out.mend = "find out who put it there";
        return out;
    }
    out.found = "character device";
    out.says = tee;
    out.is_usable = true;
    return out;
}

std::vector<Signal> out_of_tree(System& system) {
    std::vector<Signal> found;
    for (const char* const path : kOutOfTree) {
        if (!open_file(system, path, O_RDONLY)) continue;
        found.push_back({path, "an out-of-tree TDX driver, which is not supported", std::nullopt,
                         false, "Linux 6.7 with configfs-tsm"});
    }
    return found;
}

void judge_tee(Detection& out) {
    const auto say = [&](Tee tee) {
        return std::any_of(out.signals.begin(), out.signals.end(),
                           [&](const Signal& signal) { return signal.says == tee; });
    };
    const bool tdx = say(Tee::tdx), snp = say(Tee::snp);
    out.contradictory = tdx && snp;
    if (tdx != snp) out.tee = tdx ? Tee::tdx : Tee::snp;
}

bool has_paravisor(const Detection& found) { return !found.find("cpuid.hypervisor")->mend.empty(); }

void choose(Detection& out) {
    const auto usable = [&](std::string_view name) {
        const Signal* const signal = out.find(name);
        return signal != nullptr && signal->is_usable;
    };
    if (out.contradictory) {
        out.why = "the signals contradict each other:";
        for (const Signal& signal : out.signals) {
            if (signal.says)
                out.why +=
                    fmt::format(" {} ({}: {});", signal.name, tee_name(*signal.says), signal.found);
        }
        return;
    }
    if (usable("configfs_tsm")) {
        out.use = GuestInterface::configfs_tsm;
        out.why = "configfs-tsm has a known provider; it gives signed evidence";
    } else if (usable(kSevGuestDevice)) {
        out.use = GuestInterface::sev_guest;
        out.why = "no configfs-tsm; the device gives reports and certificates";
    } else if (usable(kTdxGuestDevice)) {
        out.use = GuestInterface::tdx_guest;
        out.why = "no configfs-tsm; the device alone gives no quote, the host's quote service does";
    } else if (has_paravisor(out)) {
        out.use = GuestInterface::azure_vtpm;
        out.why =
            "a paravisor stands between the guest and the hardware: evidence comes from its "
            "vTPM, through attestd-azure-vtpm";
    } else if (out.tee) {
        out.why = fmt::format("a {} guest without a usable interface", tee_name(*out.tee));
    } else {
        out.why = "nothing here says that this is a confidential VM";
    }
}

}  // namespace

std::string_view interface_name(GuestInterface interface) noexcept {
    constexpr std::string_view kNames[] = {"none", "configfs_tsm", "sev_guest", "tdx_guest",
                                           "azure_vtpm"};
    return kNames[static_cast<std::size_t>(interface)];
}

const Signal* Detection::find(std::string_view name) const noexcept {
    const auto it = std::find_if(signals.begin(), signals.end(),
                                 [&](const Signal& signal) { return signal.name == name; });
    return it == signals.end() ? nullptr : &*it;
}

Detection detect(System& system, const Cpuid& cpuid) {
    Detection out;
    out.signals = {configfs(system),
                   device(system, kSevGuestDevice, Tee::snp, "sev-guest"),
                   device(system, kTdxGuestDevice, Tee::tdx, "tdx_guest"),
                   cpuid_tdx(cpuid),
                   cpuid_sev(cpuid),
                   cpuid_hypervisor(cpuid),
                   cpuinfo(system),
                   sysfs_vmpl(system)};
    for (Signal& found : out_of_tree(system)) out.signals.push_back(std::move(found));
    judge_tee(out);
    choose(out);
    if (out.use == GuestInterface::tdx_guest) out.quote_service_port = quote_service_port(system);
    return out;
}

}  // namespace attestd
