// What `attestctl doctor` finds on machines that show nothing but what the processor says.
#include "agent/cli/diagnosis.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "tests/support/catch.h"

namespace attestd::cli {
namespace {

/// A kernel without any of the files that are looked for, but those given.
class BareSystem final : public System {
 public:
    std::map<std::string, std::string> files = {};
    std::set<std::string> sockets = {};  // cannot be opened
    int otherwise = ENOENT;

    SysResult<int> open(const std::string& path, int) override {
        if (sockets.contains(path)) return fail_sys(ENXIO);
        const auto it = files.find(path);
        if (it == files.end()) return fail_sys(otherwise);
        text_ = it->second;
        return 3;
    }
    SysResult<int> open_at(int, const std::string&, int) override { return fail_sys(ENOENT); }
    void close(int) noexcept override {}
    SysResult<std::size_t> read(int, std::span<std::uint8_t> into) override {
        const std::size_t len = std::min(into.size(), text_.size());
        std::copy_n(text_.begin(), len, into.begin());
        text_.erase(0, len);
        return len;
    }
    SysResult<std::size_t> write(int, ByteView) override { return fail_sys(EBADF); }
    SysResult<void> ioctl(int, std::uint32_t, std::span<std::uint8_t>) override {
        return fail_sys(EBADF);
    }
    SysResult<NodeInfo> stat(int) override { return NodeInfo{true, false, 0}; }
    SysResult<void> mkdir_at(int, const std::string&) override { return fail_sys(ENOENT); }
    SysResult<void> rmdir_at(int, const std::string&) override { return fail_sys(ENOENT); }
    SysResult<std::vector<std::string>> list(int) override { return fail_sys(ENOENT); }
    std::uint32_t effective_uid() const noexcept override { return 0; }
    Clock::time_point now() override { return {}; }
    void sleep_until(Clock::time_point) override {}

 private:
    std::string text_;
};

const Time kNow{std::chrono::seconds(1795334400)};  // 2026-11-22
CpuidRegisters nothing(std::uint32_t) { return {}; }

const Check& named(const Diagnosis& diagnosis, std::string_view name) {
    const auto it = std::find_if(diagnosis.checks.begin(), diagnosis.checks.end(),
                                 [&](const Check& check) { return check.name == name; });
    REQUIRE(it != diagnosis.checks.end());
    return *it;
}

}  // namespace

TEST_CASE("doctor: an ordinary machine lacks nothing", "[cli][doctor]") {
    BareSystem system;
    const Diagnosis found = diagnose(system, nothing, kNow, AzureVtpm::built);
    CHECK_FALSE(found.is_confidential());
    CHECK(found.is_good());
    for (const Check& check : found.checks) {
        INFO(check.name);
        CHECK(check.mend.empty());
    }
}

TEST_CASE("doctor: a clock before any certificate is missing, with what sets it", "[cli][doctor]") {
    BareSystem system;
    const Diagnosis found =
        diagnose(system, nothing, Time{std::chrono::seconds(86400)}, AzureVtpm::built);
    CHECK(named(found, "clock").state == CheckState::missing);
    CHECK_THAT(named(found, "clock").mend, test::ContainsSubstring("timedatectl set-ntp"));
    CHECK(named(diagnose(system, nothing, kNow, AzureVtpm::built), "clock").state ==
          CheckState::ok);
}

TEST_CASE("doctor: the kernel's version decides what is said of it", "[cli][doctor]") {
    struct Row {
        const char* release;
        CheckState state;
    };
    const auto row = GENERATE(values<Row>({{"6.1.0-40-amd64\n", CheckState::warning},
                                           {"5.19.0\n", CheckState::warning},
                                           {"6.6.99\n", CheckState::warning},
                                           {"6.7.0-rc1\n", CheckState::ok},
                                           {"6.12.1\n", CheckState::ok},
                                           {"7.0\n", CheckState::ok}}));
    INFO(row.release);
    BareSystem system;
    system.files["/proc/sys/kernel/osrelease"] = row.release;
    CHECK(named(diagnose(system, nothing, kNow, AzureVtpm::built), "kernel").state == row.state);
}

TEST_CASE("doctor: an SNP guest before Linux 6.7 works by its device", "[cli][doctor]") {
    BareSystem system;
    system.files["/dev/sev-guest"] = "";
    const Diagnosis found = diagnose(system, nothing, kNow, AzureVtpm::built);
    CHECK(found.is_confidential());
    CHECK(found.is_good());
    CHECK_THAT(named(found, "interface").found, test::ContainsSubstring("sev_guest"));
    CHECK(named(found, "derived keys").state == CheckState::ok);
    CHECK(named(found, "configfs_tsm").state == CheckState::warning);
    CHECK(named(found, "/dev/tdx_guest").state == CheckState::note);  // not this machine's
}

TEST_CASE("doctor: a TDX guest with its device alone lacks the quote service", "[cli][doctor]") {
    BareSystem system;
    system.files["/dev/tdx_guest"] = "";
    system.files["/dev/vsock"] = "";
    const Diagnosis found = diagnose(system, nothing, kNow, AzureVtpm::built);
    CHECK_FALSE(found.is_good());
    const Check& vsock = named(found, "vsock quote service");
    CHECK(vsock.state == CheckState::missing);
    CHECK_THAT(vsock.found,
               test::ContainsSubstring("/dev/vsock is there, no port in /etc/tdx-attest.conf"));
    CHECK_THAT(vsock.mend, test::ContainsSubstring("configfs-tsm"));
    CHECK_THAT(vsock.mend, test::ContainsSubstring("\"vsock://2:4050\": {} among the hosts"));
    CHECK(named(found, "interface").state == CheckState::missing);
    CHECK_THAT(named(found, "boot event log").mend, test::ContainsSubstring("CCEL"));
}

TEST_CASE("doctor: a TDX guest with its device and a quote service has all it takes",
          "[cli][doctor]") {
    BareSystem system;
    system.files["/dev/tdx_guest"] = "";
    system.files["/etc/tdx-attest.conf"] = "port = 4050\n";
    const Diagnosis lacks = diagnose(system, nothing, kNow, AzureVtpm::built);
    CHECK_FALSE(lacks.is_good());
    CHECK_THAT(named(lacks, "vsock quote service").mend,
               test::ContainsSubstring("vmw_vsock_virtio_transport"));
    system.files["/dev/vsock"] = "";
    const Diagnosis found = diagnose(system, nothing, kNow, AzureVtpm::built);
    CHECK(found.is_good());
    CHECK(named(found, "interface").state == CheckState::ok);
    CHECK_THAT(named(found, "vsock quote service").found,
               test::ContainsSubstring("fetch.json must list vsock://2:4050"));
}

// "Microsoft Hv", isolation by SNP under a paravisor.
CpuidRegisters hyper_v(std::uint32_t leaf) {
    if (leaf == 1) return {0, 0, 0x80000000, 0};
    if (leaf == 0x40000000) return {0x4000000c, 0x7263694d, 0x666f736f, 0x76482074};
    return leaf == 0x4000000c ? CpuidRegisters{0, 2, 0, 0} : CpuidRegisters{};
}

TEST_CASE("doctor: under a paravisor it names the vTPM, its service and what is missing of them",
          "[cli][doctor]") {
    BareSystem system;
    const Diagnosis bare = diagnose(system, hyper_v, kNow, AzureVtpm::built);
    CHECK(bare.is_confidential());
    CHECK_FALSE(bare.is_good());
    CHECK_THAT(named(bare, "interface").found, test::ContainsSubstring("azure_vtpm"));
    CHECK(named(bare, "vTPM").state == CheckState::missing);
    CHECK_THAT(named(bare, "vTPM").mend, test::ContainsSubstring("modprobe tpm_crb"));
    CHECK(named(bare, "attestd-azure-vtpm").state == CheckState::missing);
    CHECK_THAT(named(bare, "attestd-azure-vtpm").mend,
               test::ContainsSubstring("systemctl enable --now attestd-azure-vtpm.socket"));
    CHECK_THAT(named(bare, "metadata service").found, test::ContainsSubstring("169.254.169.254"));
    CHECK(named(bare, "boot event log").state == CheckState::warning);

    const Diagnosis left_out = diagnose(system, hyper_v, kNow, AzureVtpm::left_out);
    CHECK(named(left_out, "attestd-azure-vtpm").state == CheckState::missing);
    CHECK_THAT(named(left_out, "attestd-azure-vtpm").mend,
               test::ContainsSubstring("-Dazure_vtpm=enabled"));
}

TEST_CASE("doctor: under a paravisor with its vTPM and a socket in place nothing is missing",
          "[cli][doctor]") {
    BareSystem system;
    system.files["/dev/tpmrm0"] = "";
    system.sockets = {"/run/attestd/azure-vtpm.sock"};
    // Who built it does not matter where the socket is there.
    const Diagnosis found = diagnose(system, hyper_v, kNow, AzureVtpm::left_out);
    CHECK(found.is_good());
    CHECK(named(found, "vTPM").state == CheckState::ok);
    CHECK(named(found, "attestd-azure-vtpm").state == CheckState::ok);
    system.sockets.clear();
    system.files["/run/attestd/azure-vtpm.sock"] = "a file";
    const Diagnosis blocked = diagnose(system, hyper_v, kNow, AzureVtpm::built);
    CHECK_THAT(named(blocked, "attestd-azure-vtpm").found, test::ContainsSubstring("is no socket"));
}

TEST_CASE("doctor: files that are another user's say whose, and how that is changed",
          "[cli][doctor]") {
    BareSystem system;
    system.otherwise = EACCES;
    system.files["/proc/cpuinfo"] = "flags\t: tdx_guest\n";
    const Diagnosis found = diagnose(system, nothing, kNow, AzureVtpm::built);
    CHECK(found.detection.contradictory);  // both devices seem to be there
    CHECK(named(found, "interface").state == CheckState::missing);
    CHECK_THAT(named(found, "interface").mend, test::ContainsSubstring("\"platform\""));
}

TEST_CASE("doctor: whether the host can hand credentials to systemd, and how to close that door",
          "[cli]") {
    BareSystem system;
    system.files["/proc/cmdline"] = "quiet\n";
    const auto check = [&] {
        return named(diagnose(system, nothing, kNow, AzureVtpm::built), "system credentials");
    };
    CHECK(check().state == CheckState::note);
    CHECK(check().found.find("open, without systemd.import_credentials=no") == 0);
    CHECK(check().mend.empty());
    system.files["/run/credentials/@system"] = "";
    CHECK(check().state == CheckState::warning);
    CHECK(check().found.find("/run/credentials/@system") != std::string::npos);
    CHECK(check().mend.find("systemd.import_credentials=no") == 0);
    system.files.erase("/run/credentials/@system");
    system.files["/proc/cmdline"] = "systemd.import_credentials=no\n";
    CHECK(check().state == CheckState::ok);
    CHECK(check().mend.empty());
}

}  // namespace attestd::cli
