#include "quote/platform/tdx_guest.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "quote/base/digest.h"
#include "quote/intel/quote_service.h"
#include "quote/intel/tdreport.h"
#include "quote/platform/configfs_tsm.h"

namespace attestd {
namespace {

constexpr unsigned kNumRtmrs = 4, kFirstOfOurs = 2;

tl::unexpected<Error> fail_open_tdx_guest(int error) {
    const std::string what = fmt::format("open {}: {}", kTdxGuestDevice, errno_words(error));
    if (error == ENOENT || error == ENOTDIR)
        return fail(Errc::not_found, what + ": modprobe tdx_guest, on a kernel that has it");
    if (error == EACCES || error == EPERM) {
        return fail(Errc::access_denied,
                    what +
                        ": chgrp attestd /dev/tdx_guest; chmod 0660 /dev/tdx_guest, and "
                        "DeviceAllow= in the unit");
    }
    return fail(Errc::platform_failed, what);
}

std::string rtmr_path(unsigned index) {
    return fmt::format("{}/rtmr{}:sha384", kTdxMeasurements, index);
}

tl::unexpected<Error> fail_rtmr(int error, std::string_view step, unsigned index) {
    const std::string what = fmt::format("{} {}: {}", step, rtmr_path(index), errno_words(error));
    if (error == ENOENT || error == ENOTDIR) {
        return fail(Errc::platform_unsupported,
                    what + ": run-time extension takes Linux 6.16 and the tdx_guest module");
    }
    if (error == EACCES || error == EPERM || error == EROFS) {
        return fail(Errc::access_denied,
                    what + ": root writes it; the unit's ReadWritePaths= must name " +
                        std::string(kTdxMeasurements));
    }
    return fail(Errc::platform_failed, what);
}

}  // namespace

Result<Evidence> TdxGuest::collect(const ReportData& report_data, Deadline deadline) {
    if (!exchange_) {
        return fail(Errc::platform_unsupported,
                    fmt::format("tdx_guest: the device gives a TDREPORT, which nobody else can "
                                "verify: use configfs_tsm (Linux 6.7), or name the host's vsock "
                                "quote service (\"quote_service\", or \"port = N\" in {})",
                                kQuoteServiceFile));
    }
    ATTESTD_TRY(const Bytes report, tdreport(report_data));
    ByteArray<kTdReportLen> asked{};
    std::copy(report.begin(), report.end(), asked.begin());
    ATTESTD_TRY(const Bytes answer, exchange_(quote_request(asked), deadline));
    ATTESTD_TRY(Bytes quote, parse_quote_answer(answer));
    ATTESTD_TRY(QuoteOfReport matched, QuoteOfReport::match(report, std::move(quote)));
    return Evidence{
        Tee::tdx, std::move(matched).take(), {}, read_boot_event_log(system_), std::string(name())};
}

Result<Secret> TdxGuest::derive_key(const DerivedKeyRequest& /*request*/, Deadline /*deadline*/) {
    return fail(Errc::platform_unsupported,
                "tdx_guest: TDX has no keys derived from the launch measurement");
}

Result<Bytes> TdxGuest::tdreport(const ReportData& report_data) {
    const auto device = open_file(system_, kTdxGuestDevice, O_RDWR);
    if (!device) return fail_open_tdx_guest(device.error().value);
    const auto info = system_.stat(device->get());
    if (!info || !info->is_character_device) {
        return fail(Errc::platform_failed,
                    fmt::format("{}: is not a character device: somebody put something else there",
                                kTdxGuestDevice));
    }
    ByteArray<sizeof(ReportData) + kTdReportLen> block{};
    std::copy(report_data.begin(), report_data.end(), block.begin());
    const std::string step = fmt::format("ioctl {} TDX_CMD_GET_REPORT0", kTdxGuestDevice);
    if (const auto called = system_.ioctl(device->get(), kTdxGetReport0, block); !called) {
        const int error = called.error().value;
        const char* const mend =
            error == ENOTTY ? ": an out-of-tree driver is not supported; use Linux 6.7" : "";
        return fail(Errc::platform_failed, fmt::format("{}: {}{}", step, errno_words(error), mend));
    }
    Bytes report = to_bytes(ByteView(block).subspan(sizeof(ReportData)));
    const auto parsed = parse_tdreport(report);
    if (!parsed) return fail(Errc::platform_failed, step + ": " + parsed.error().detail);
    if (parsed->mac.report_data != report_data)
        return fail(Errc::platform_wrong_echo, step + ": the report has other report data");
    return report;
}

std::optional<std::uint32_t> quote_service_port(System& system) {
    constexpr std::size_t kMaxFileLen = 65536;
    const auto bytes = read_path(system, kQuoteServiceFile, kMaxFileLen);
    if (!bytes) return std::nullopt;
    std::optional<std::uint32_t> found;
    std::string_view rest = as_text(*bytes);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        std::string line;
        for (const char c : rest.substr(0, std::min(rest.find('#'), end))) {
            if (c != ' ' && c != '\t' && c != '\r') line += c;
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!line.starts_with("port=")) continue;
        std::uint32_t port = 0;
        const char* const last = line.data() + line.size();
        const auto read = std::from_chars(line.data() + std::size("port=") - 1, last, port);
        found = read.ec == std::errc() && read.ptr == last && port != 0 ? std::optional(port)
                                                                        : std::nullopt;
    }
    return found;
}

Result<RtmrValue> read_rtmr(System& system, unsigned index) {
    if (index >= kNumRtmrs) return fail(Errc::bad_value, fmt::format("there is no RTMR{}", index));
    const auto bytes = read_path(system, rtmr_path(index), sizeof(RtmrValue));
    if (!bytes) return fail_rtmr(bytes.error().value, "read", index);
    RtmrValue value{};
    if (bytes->size() != value.size()) {
        return fail(Errc::platform_failed, fmt::format("read {}: {} bytes, 48 are expected",
                                                       rtmr_path(index), bytes->size()));
    }
    std::copy(bytes->begin(), bytes->end(), value.begin());
    return value;
}

Result<RtmrChange> extend_rtmr(System& system, unsigned index, const RtmrValue& digest) {
    if (index < kFirstOfOurs)
        return fail(Errc::bad_value, fmt::format("RTMR{} is firmware's to extend", index));
    ATTESTD_TRY(const RtmrValue before, read_rtmr(system, index));
    {
        const auto file = open_file(system, rtmr_path(index), O_WRONLY);
        if (!file) return fail_rtmr(file.error().value, "open", index);
        const auto written = system.write(file->get(), digest);
        if (!written) return fail_rtmr(written.error().value, "write", index);
        if (*written != digest.size()) return fail_rtmr(EIO, "write", index);
    }
    ATTESTD_TRY(const RtmrValue after, read_rtmr(system, index));
    if (after != sha384({ByteView(before), ByteView(digest)})) {
        return fail(Errc::platform_failed,
                    fmt::format("{}: another process extended it meanwhile: read the logs again, "
                                "do not repeat",
                                rtmr_path(index)));
    }
    return RtmrChange{before, after};
}

}  // namespace attestd
