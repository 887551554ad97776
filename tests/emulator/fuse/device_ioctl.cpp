#include "tests/emulator/fuse/device_ioctl.h"

#include <sys/uio.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <optional>

#include "quote/base/reader.h"

namespace attestd::devsim {
namespace {

constexpr std::uint32_t kGetReport = 0xc0205300, kGetKey = 0xc0205301, kGetExtReport = 0xc0205302;
constexpr std::uint32_t kGetTdReport = 0xc4405401;
constexpr std::size_t kAtRequest = 0x08, kAtResponse = 0x10, kAtFirmware = 0x18, kAtVmm = 0x1c;
constexpr std::size_t kReportRequestLen = 96, kExtRequestLen = 112, kAtCerts = 0x60,
                      kAtCertsLen = 0x68, kAtVmpl = 0x40;
constexpr std::size_t kReportResponseLen = 4000, kKeyRequestLen = 32, kKeyResponseLen = 64;
constexpr std::uint32_t kPage = 4096, kMaxCertsLen = 0x4000, kHighestVmpl = 3;
constexpr std::uint32_t kInvalidLen = 1, kNotReached = 0xff, kInvalidParameter = 0x16;

std::uint32_t get32(ByteView at, std::size_t offset) {
    return load_le<std::uint32_t>(at.subspan(offset).first<4>());
}
std::uint64_t get64(ByteView at, std::size_t offset) {
    return load_le<std::uint64_t>(at.subspan(offset).first<8>());
}
void put32(std::span<std::uint8_t> at, std::size_t offset, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i)
        at[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

/// The caller's memory at one address.
class Remote final {
 public:
    Remote(pid_t pid, std::uint64_t address) : pid_(pid), address_(address) {}

    [[nodiscard]] bool read(std::span<std::uint8_t> into) const {
        iovec local{into.data(), into.size()}, remote{at(0), into.size()};
        return ::process_vm_readv(pid_, &local, 1, &remote, 1, 0) ==
               static_cast<ssize_t>(into.size());
    }
    [[nodiscard]] bool write(ByteView bytes, std::uint64_t offset = 0) const {
        Bytes copy = to_bytes(bytes);
        iovec local{copy.data(), copy.size()}, remote{at(offset), copy.size()};
        return ::process_vm_writev(pid_, &local, 1, &remote, 1, 0) ==
               static_cast<ssize_t>(copy.size());
    }

 private:
    [[nodiscard]] void* at(std::uint64_t offset) const {
        return std::bit_cast<void*>(static_cast<std::uintptr_t>(address_ + offset));
    }
    pid_t pid_;
    std::uint64_t address_;
};

/// One call of the driver's, with the parts that its three commands share.
struct SevCall {
    Machine& machine;
    std::span<std::uint8_t> block;
    const IoctlCaller& caller;

    [[nodiscard]] Remote request() const { return {caller.pid, get64(block, kAtRequest)}; }
    [[nodiscard]] Remote response() const { return {caller.pid, get64(block, kAtResponse)}; }

    // The structure goes back even though the call fails: exitinfo2 is in it.
    [[nodiscard]] int fail(int error, std::uint32_t firmware, std::uint32_t vmm) const {
        put32(block, kAtFirmware, firmware);
        put32(block, kAtVmm, vmm);
        static_cast<void>(Remote(caller.pid, caller.argument).write(block));
        return error;
    }
    // What the test ordered, in the order in which a driver would meet it.
    [[nodiscard]] std::optional<int> ordered() const {
        DeviceFaults& faults = machine.device();
        if (faults.dead) return ENOTTY;
        if (faults.firmware != 0) {
            faults.dead = true;  // the driver does not use a key again after a failure
            return fail(EIO, faults.firmware, 0);
        }
        if (faults.vmm != 0) {
            if (faults.partly && !DeviceFaults::take(faults.times)) return std::nullopt;
            return fail(EIO, kNotReached, faults.vmm);
        }
        const int error = faults.take_error();
        if (error == ENOTTY) faults.dead = true;
        if (error != 0) return fail(error, kNotReached, 0);
        return std::nullopt;
    }
    void succeed() const {
        put32(block, kAtFirmware, 0);
        put32(block, kAtVmm, 0);
    }
};

Bytes report_response(std::uint32_t status, ByteView report) {
    Bytes out(kReportResponseLen);
    put32(out, 0, status);
    if (status != 0) return out;
    put32(out, 4, static_cast<std::uint32_t>(report.size()));
    std::copy(report.begin(), report.end(), out.begin() + 0x20);
    return out;
}

int give_report(const SevCall& call, std::uint32_t command) {
    const bool extended = command == kGetExtReport;
    ByteArray<kExtRequestLen> request{};
    const std::size_t len = extended ? kExtRequestLen : kReportRequestLen;
    if (!call.request().read(std::span(request).first(len))) return EFAULT;
    const std::uint64_t certs_at = extended ? get64(request, kAtCerts) : 0;
    const std::uint32_t certs_len = extended ? get32(request, kAtCertsLen) : 0;
    const bool wants_certs = certs_at != 0 && certs_len != 0;
    if (wants_certs && (certs_len % kPage != 0 || certs_len > kMaxCertsLen)) return EINVAL;
    if (const auto error = call.ordered()) return *error;

    const DeviceFaults& faults = call.machine.device();
    ReportData report_data{};
    std::copy_n(request.begin(), report_data.size(), report_data.begin());
    const std::uint32_t vmpl = get32(request, kAtVmpl);
    const auto evidence = call.machine.evidence(report_data, std::min(vmpl, kHighestVmpl));
    if (!evidence) return call.fail(EIO, kInvalidParameter, 0);
    Bytes table = evidence->endorsements.empty() ? Bytes{} : evidence->endorsements.front();
    const auto needs = std::max(
        faults.certs_len, static_cast<std::uint32_t>((table.size() + kPage - 1) / kPage * kPage));
    if (wants_certs && needs > certs_len) {
        ByteArray<4> wanted{};
        put32(wanted, 0, needs);
        if (!call.request().write(wanted, kAtCertsLen)) return EFAULT;
        return call.fail(EIO, kNotReached, kInvalidLen);
    }
    const std::uint32_t status = vmpl > kHighestVmpl ? kInvalidParameter : faults.status;
    Bytes report = evidence->evidence;
    if (call.machine.fault() == Fault::garbage) report.assign(report.size(), 0xa5);
    if (!call.response().write(report_response(status, report))) return EFAULT;
    if (wants_certs && !table.empty() && !Remote(call.caller.pid, certs_at).write(table))
        return EFAULT;
    call.succeed();
    return 0;
}

int give_key(const SevCall& call) {
    ByteArray<kKeyRequestLen> request{};
    if (!call.request().read(request)) return EFAULT;
    if (const auto error = call.ordered()) return *error;
    const auto key = call.machine.derive_key({.guest_field_select = get64(request, 0x08),
                                              .vmpl = get32(request, 0x10),
                                              .guest_svn = get32(request, 0x14),
                                              .tcb_version = get64(request, 0x18)});
    Bytes response(kKeyResponseLen);
    // A refused request is a status and a key of zeros, in a call that succeeds.
    if (!key) put32(response, 0, kInvalidParameter);
    if (key && !call.machine.device().zero_key)
        std::copy(key->begin(), key->end(), response.begin() + 0x20);
    if (!call.response().write(response)) return EFAULT;
    call.succeed();
    return 0;
}

}  // namespace

int sev_ioctl(Machine& machine, std::uint32_t command, std::span<std::uint8_t> block,
              const IoctlCaller& caller) {
    const SevCall call{machine, block, caller};
    if (command != kGetReport && command != kGetKey && command != kGetExtReport) return ENOTTY;
    if (block[0] == 0) return EINVAL;
    return command == kGetKey ? give_key(call) : give_report(call, command);
}

int tdx_ioctl(Machine& machine, std::uint32_t command, std::span<std::uint8_t> block) {
    if (command != kGetTdReport) return ENOTTY;
    if (const int error = machine.device().take_error(); error != 0) return error;
    ReportData report_data{};
    std::copy_n(block.begin(), report_data.size(), report_data.begin());
    const auto report = machine.tdreport(report_data);
    if (!report) return EIO;
    std::copy(report->begin(), report->end(), block.begin() + sizeof(ReportData));
    return 0;
}

}  // namespace attestd::devsim
