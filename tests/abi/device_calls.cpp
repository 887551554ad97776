// The devices' ioctls (`spec/guest-interfaces.md` sections 3 and 5).
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "tests/abi/calls.h"

namespace attestd::abi {
namespace {

constexpr unsigned long kTdxReport0 = 0xc4405401, kSevReport = 0xc0205300, kSevExt = 0xc0205302;
constexpr std::size_t kTdReportLen = 1024, kSevResponseLen = 4000, kPage = 4096;

struct TdxBlock {
    ReportData report_data{};
    std::array<std::uint8_t, kTdReportLen> report{};
};

struct SevBlock {
    std::uint8_t version = 1;
    std::uint8_t reserved[7] = {};
    std::uint64_t request = 0, response = 0, exitinfo2 = 0;
};

struct SevRequest {
    ReportData report_data{};
    std::uint32_t vmpl = 0;
    std::uint8_t reserved[28] = {};
    std::uint64_t certs_at = 0;
    std::uint32_t certs_len = 0, padding = 0;
};

std::uint64_t address_of(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

void tdx_device(int device) {
    TdxBlock block;
    block.report_data = report_data(0x20);
    say("TDREPORT", ok_or_errno(::ioctl(device, kTdxReport0, &block)));
    say("TDREPORT's type", block.report[0] == 0x81 ? "TDX" : "something else");
    say("TDREPORT carries the report data",
        std::equal(block.report_data.begin(), block.report_data.end(), block.report.begin() + 128)
            ? "yes"
            : "no");
    say("TDREPORT without an address", ok_or_errno(::ioctl(device, kTdxReport0, nullptr)));
    say("another ioctl of the same size", ok_or_errno(::ioctl(device, kTdxReport0 + 1, &block)));
}

void sev_device(const Machine& machine, int device) {
    std::array<std::uint8_t, kSevResponseLen> response{};
    std::vector<std::uint8_t> certs(4 * kPage);
    SevRequest request;
    request.report_data = report_data(0x20);
    SevBlock block;
    block.request = address_of(&request);
    block.response = address_of(response.data());
    const auto call = [&](unsigned long command) {
        return ok_or_errno(::ioctl(device, command, &block));
    };
    say("SNP_GET_REPORT", call(kSevReport));
    say("its firmware error", std::to_string(block.exitinfo2 & 0xffffffff));
    const Content report{{response.begin() + 0x20, response.end()}, {}};
    say("its report", judge_report(machine, report, request.report_data));
    request.certs_at = address_of(certs.data());
    request.certs_len = static_cast<std::uint32_t>(certs.size());
    say("SNP_GET_EXT_REPORT", call(kSevExt));
    say("its certificates",
        std::any_of(certs.begin(), certs.end(), [](auto b) { return b != 0; }) ? "bytes" : "none");
    request.certs_len = 100;
    say("SNP_GET_EXT_REPORT for 100 bytes of certificates", call(kSevExt));
    request.certs_len = 8 * kPage;
    say("SNP_GET_EXT_REPORT for 32 KiB of certificates", call(kSevExt));
    request.certs_len = 0;
    say("SNP_GET_EXT_REPORT for none", call(kSevExt));
    say("another ioctl of the same size", call(kSevReport + 9));
    block.request = 0;
    say("SNP_GET_REPORT without a request", call(kSevReport));
    block.request = address_of(&request);
    block.version = 0;
    say("SNP_GET_REPORT of message version 0", call(kSevReport));
    say("SNP_GET_REPORT without an address", ok_or_errno(::ioctl(device, kSevReport, nullptr)));
}

}  // namespace

void device_calls(const Machine& machine) {
    struct stat info {};
    say("stat of the device", ok_or_errno(::stat(machine.device().c_str(), &info)));
    say("the device is", S_ISCHR(info.st_mode) ? "a character device" : "no character device");
    std::array<char, 32> mode{};
    std::snprintf(mode.data(), mode.size(), "%04o uid %u gid %u", info.st_mode & 07777U,
                  info.st_uid, info.st_gid);
    say("mode of the device", mode.data());
    const File device(machine.device(), O_RDWR);
    say("open the device", device.opened());
    say("an ioctl of no device", ok_or_errno(::ioctl(device.get(), 0x5401, mode.data())));
    std::array<char, 16> into{};
    say("read of the device", count_or_errno(::read(device.get(), into.data(), into.size())));
    say("write to the device", count_or_errno(::write(device.get(), into.data(), into.size())));
    if (machine.guest == Guest::tdx) {
        tdx_device(device.get());
    } else {
        sev_device(machine, device.get());
    }
}

}  // namespace attestd::abi
