#include "agent/azure_vtpm/options.h"

#include <fmt/format.h>

#include <charconv>

namespace attestd::vtpm {
namespace {

constexpr std::string_view kUsage =
    "usage: attestd-azure-vtpm [--listen PATH] [--fetch-socket PATH] [--timeout SECONDS]\n"
    "Gives attestd the evidence of an Azure confidential VM, from its vTPM (/dev/tpmrm0).\n"
    "Without --listen, systemd passes one connection.\n"
    "  --listen PATH        listen on a Unix socket until SIGTERM\n"
    "  --fetch-socket PATH  attestd-fetch's socket (default /run/attestd/fetch.sock)\n"
    "  --timeout SECONDS    what one answer may take, 1 to 55 (default 25)\n"
    "  --version            print the version\n"
    "exit status: 0 done, 1 failed, 2 wrong usage\n";
constexpr int kMaxTimeout = 55;  // attestd waits 60 seconds for a key

Result<void> take(Options& out, std::string_view option, std::string_view value) {
    if (option == "--listen") {
        out.mode = Mode::listen;
        out.listen_path = value;
        return {};
    }
    if (option == "--fetch-socket") {
        out.service.fetch_socket = value;
        return {};
    }
    int seconds = 0;
    const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (ec != std::errc() || end != value.data() + value.size() || seconds < 1 ||
        seconds > kMaxTimeout)
        return fail(Errc::bad_usage, fmt::format("--timeout: 1 to {} is expected", kMaxTimeout));
    out.service.timeout = std::chrono::seconds(seconds);
    return {};
}

}  // namespace

std::string_view usage() noexcept { return kUsage; }

Result<Options> parse_options(std::span<const std::string_view> args) {
    Options out;
    for (std::size_t i = 0; i < args.size(); ++i) {
        const std::string_view option = args[i];
        if (option == "--help" || option == "-h" || option == "--version") {
            out.mode = option == "--version" ? Mode::version : Mode::help;
            return out;
        }
        if (option != "--listen" && option != "--fetch-socket" && option != "--timeout")
            return fail(Errc::bad_usage, fmt::format("{} is no option", option));
        if (++i == args.size() || args[i].empty())
            return fail(Errc::bad_usage, fmt::format("{} needs a value", option));
        ATTESTD_CHECK(take(out, option, args[i]));
    }
    return out;
}

}  // namespace attestd::vtpm
