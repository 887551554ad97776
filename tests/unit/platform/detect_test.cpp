// detect(): machines as the kernel and the processor show them, and what is concluded.
#include "quote/platform/detect.h"

#include <cerrno>
#include <map>

#include "tests/support/catch.h"
#include "tests/unit/platform/scripted_system.h"

namespace attestd::test::detect_test {
namespace {

const std::string kReports = "/sys/kernel/config/tsm/report";

/// What a machine shows; the default is an ordinary one.
struct Shown {
    int reports = ENOENT;  ///< errno of opening configfs-tsm, 0: it is there
    int mkdir = 0;
    const char* provider = nullptr;
    int sev = ENOENT, tdx = ENOENT;  ///< errno of opening the devices
    bool is_device = true;
    std::string cpuinfo = "flags\t\t: fpu sev_snp tdx_guest_not\n";
    const char* vmpl = nullptr;
    int out_of_tree = ENOENT;
    std::map<std::uint32_t, CpuidRegisters> cpuid = {};
    const char* quote_service = nullptr;  ///< of /etc/tdx-attest.conf
};

void device(ScriptedSystem& system, const std::string& path, int error, bool is_device) {
    system.on_open(path, error);
    if (error != 0) return;
    ScriptedSystem::Step stat{"stat", path};
    stat.node = {is_device, false, 0};
    system.add(std::move(stat));
}

Detection look(const Shown& shown) {
    ScriptedSystem system;
    system.on_open(kReports, shown.reports);
    if (shown.reports == 0) {
        system.on_mkdir(kReports + "/attestd-*", shown.mkdir);
        if (shown.mkdir == 0) {
            system.on_open(kReports + "/attestd-*");
            system.on_file(kReports + "/attestd-*/provider", shown.provider);
            system.on_rmdir(kReports + "/attestd-*");
        }
    }
    device(system, "/dev/sev-guest", shown.sev, shown.is_device);
    device(system, "/dev/tdx_guest", shown.tdx, shown.is_device);
    system.on_file("/proc/cpuinfo", shown.cpuinfo);
    if (shown.vmpl != nullptr) {
        system.on_file("/sys/devices/system/cpu/sev/vmpl", shown.vmpl);
    } else {
        system.on_open("/sys/devices/system/cpu/sev/vmpl", ENOENT);
    }
    system.on_open("/dev/tdx-guest", shown.out_of_tree);
    system.on_open("/dev/tdx-attest", ENOENT);
    // The file is looked for where its answer counts.
    const bool is_device_used =
        shown.tdx == 0 && shown.sev != 0 && shown.reports != 0 && shown.is_device;
    if (is_device_used && shown.quote_service != nullptr) {
        system.on_file("/etc/tdx-attest.conf", shown.quote_service);
    } else if (is_device_used) {
        system.on_open("/etc/tdx-attest.conf", ENOENT);
    }
    const Cpuid cpuid = [&](std::uint32_t leaf) {
        const auto it = shown.cpuid.find(leaf);
        return it == shown.cpuid.end() ? CpuidRegisters{} : it->second;
    };
    Detection found = detect(system, cpuid);
    CHECK(system.verify() == "");
    return found;
}

// EBX, EDX, ECX: "Inte" "lTDX" "    ".
const std::map<std::uint32_t, CpuidRegisters> kTdxCpu{
    {0, {0x21, 0, 0, 0}}, {0x21, {0, 0x65746e49, 0x20202020, 0x5844546c}}};
// "Microsoft Hv", isolation by SNP under a paravisor.
const std::map<std::uint32_t, CpuidRegisters> kHyperV{
    {1, {0, 0, 0x80000000, 0}},
    {0x40000000, {0x4000000c, 0x7263694d, 0x666f736f, 0x76482074}},
    {0x4000000c, {0, 2, 0, 0}}};

}  // namespace

TEST_CASE("detect: each kind of machine is what it is", "[platform][detect]") {
    struct Row {
        const char* name;
        Shown shown;
        std::optional<Tee> tee;
        GuestInterface use;
        const char* why;
    };
    const auto row = GENERATE_COPY(values<Row>({
        {"an ordinary machine",
         {},
         std::nullopt,
         GuestInterface::none,
         "nothing here says that this is a confidential VM"},
        {"TDX with configfs",
         {.reports = 0, .provider = "tdx_guest\n", .tdx = 0},
         Tee::tdx,
         GuestInterface::configfs_tsm,
         "configfs-tsm has a known provider"},
        {"SNP with configfs and device",
         {.reports = 0, .provider = "sev_guest\n", .sev = 0},
         Tee::snp,
         GuestInterface::configfs_tsm,
         "configfs-tsm"},
        {"SNP before Linux 6.7",
         {.sev = 0},
         Tee::snp,
         GuestInterface::sev_guest,
         "no configfs-tsm"},
        {"TDX before Linux 6.7",
         {.tdx = 0},
         Tee::tdx,
         GuestInterface::tdx_guest,
         "the device alone gives no quote"},
        {"SNP by its VMPL alone",
         {.vmpl = "0\n"},
         Tee::snp,
         GuestInterface::none,
         "a snp guest without a usable interface"},
        {"TDX by its processor alone",
         {.cpuid = kTdxCpu},
         Tee::tdx,
         GuestInterface::none,
         "a tdx guest without a usable interface"},
        {"TDX by its flags alone",
         {.cpuinfo = "flags\t: fpu tdx_guest\n"},
         Tee::tdx,
         GuestInterface::none,
         "a tdx guest without a usable interface"},
        {"no provider is loaded",
         {.reports = 0, .mkdir = ENXIO},
         std::nullopt,
         GuestInterface::none,
         "nothing here"},
        {"another architecture's provider",
         {.reports = 0, .provider = "arm_cca_guest\n"},
         std::nullopt,
         GuestInterface::none,
         "nothing here"},
        {"a device that is root's",
         {.sev = EACCES},
         Tee::snp,
         GuestInterface::none,
         "a snp guest without a usable interface"},
        {"files in the devices' places",
         {.sev = 0, .is_device = false},
         std::nullopt,
         GuestInterface::none,
         "nothing here"},
        {"a paravisor",
         {.cpuid = kHyperV},
         std::nullopt,
         GuestInterface::azure_vtpm,
         "attestd-azure-vtpm"},
        {"a paravisor that shows the hardware's device",
         {.sev = 0, .cpuid = kHyperV},
         Tee::snp,
         GuestInterface::sev_guest,
         "no configfs-tsm"},
        {"signals that contradict",
         {.sev = 0, .cpuid = kTdxCpu},
         std::nullopt,
         GuestInterface::none,
         "contradict"},
    }));
    INFO(row.name);
    const Detection found = look(row.shown);
    CHECK(found.tee == row.tee);
    CHECK(interface_name(found.use) == interface_name(row.use));
    CHECK_THAT(found.why, ContainsSubstring(row.why));
    CHECK(found.contradictory == (std::string_view(row.why) == "contradict"));
}

TEST_CASE("detect: the port of the quote service is known where the device needs one",
          "[platform][detect]") {
    CHECK(look({.tdx = 0, .quote_service = "port = 4050\n"}).quote_service_port == 4050);
    CHECK_FALSE(look({.tdx = 0, .quote_service = "port = host\n"}).quote_service_port.has_value());
    CHECK_FALSE(look({.tdx = 0}).quote_service_port.has_value());
    const Detection by_configfs = look({.reports = 0, .provider = "tdx_guest\n", .tdx = 0});
    CHECK(by_configfs.use == GuestInterface::configfs_tsm);
    CHECK_FALSE(by_configfs.quote_service_port.has_value());
}

TEST_CASE("detect: signals that contradict are both shown", "[platform][detect]") {
    const Detection found = look({.reports = 0, .provider = "sev_guest\n", .cpuid = kTdxCpu});
    CHECK_THAT(found.why, ContainsSubstring("configfs_tsm (snp: provider sev_guest)"));
    CHECK_THAT(found.why, ContainsSubstring("cpuid.tdx (tdx: leaf 0x21 says IntelTDX)"));
}

TEST_CASE("detect: what is missing comes with the command that mends it", "[platform][detect]") {
    struct Row {
        Shown shown;
        const char* signal;
        const char* mend;
    };
    const auto row = GENERATE(values<Row>({
        {{}, "configfs_tsm", "mount -t configfs"},
        {{.reports = 0, .mkdir = ENXIO}, "configfs_tsm", "modprobe tdx_guest, or"},
        {{.reports = 0, .mkdir = EACCES}, "configfs_tsm", "chown -R attestd:attestd"},
        {{.reports = 0, .mkdir = EROFS}, "configfs_tsm", "ReadWritePaths="},
        {{}, "/dev/sev-guest", "modprobe sev-guest"},
        {{.sev = EACCES}, "/dev/sev-guest", "chmod 0660 /dev/sev-guest"},
        {{.tdx = EPERM}, "/dev/tdx_guest", "chmod 0660 /dev/tdx_guest"},
        {{.out_of_tree = 0}, "/dev/tdx-guest", "Linux 6.7"},
    }));
    const Detection found = look(row.shown);
    const Signal* const signal = found.find(row.signal);
    REQUIRE(signal != nullptr);
    INFO(signal->found);
    CHECK_THAT(signal->mend, ContainsSubstring(row.mend));
}

TEST_CASE("detect: a capability of the processor is no state of the guest", "[platform][detect]") {
    const Detection found =
        look({.cpuid = {{0x80000000, {0x8000001f, 0, 0, 0}}, {0x8000001f, {0x1a, 0, 0, 0}}}});
    CHECK(found.tee == std::nullopt);
    CHECK_THAT(found.find("cpuid.sev")->found, ContainsSubstring("SEV-SNP: yes"));
}

}  // namespace attestd::test::detect_test
