#include "agent/inspect/options.h"

#include <fmt/format.h>

#include <charconv>

namespace attestd::inspect {
namespace {

constexpr std::string_view kUsage =
    "usage: attestd-inspect [--listen PATH [--client UID]] [--max-mib N]\n"
    "Tells attestd about the executables and namespaces of its callers. Without --listen, systemd\n"
    "passes the socket. Needs CAP_SYS_PTRACE, and gives up every other capability.\n"
    "  --listen PATH  listen on a Unix socket until SIGTERM\n"
    "  --client UID   whom that socket is for (default: this process' own user)\n"
    "  --max-mib N    longest executable that is read, in MiB (default 256)\n"
    "  --version      print the version\n"
    "exit status: 0 stopped or idle, 1 failed, 2 wrong usage\n";
constexpr std::uint64_t kMaxUid = 0xfffffffe;
constexpr std::uint64_t kMaxMib = 65536;

std::optional<std::uint64_t> number(std::string_view text, std::uint64_t min,
                                    std::uint64_t max) noexcept {
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (value < min || value > max) return std::nullopt;
    return value;
}

Result<void> take(Options& out, std::string_view option, std::string_view value) {
    if (option == "--listen") {
        out.mode = Mode::listen;
        out.listen_path = value;
        return {};
    }
    const bool is_client = option == "--client";
    const auto given = is_client ? number(value, 0, kMaxUid) : number(value, 1, kMaxMib);
    if (!given) return fail(Errc::bad_usage, fmt::format("{}: a number is expected", option));
    if (is_client) out.client = static_cast<uid_t>(*given);
    if (!is_client) out.max_len = *given << 20;
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
        if (option != "--listen" && option != "--client" && option != "--max-mib")
            return fail(Errc::bad_usage, fmt::format("{} is no option", option));
        if (++i == args.size() || args[i].empty())
            return fail(Errc::bad_usage, fmt::format("{} needs a value", option));
        ATTESTD_CHECK(take(out, option, args[i]));
    }
    if (out.client && out.mode != Mode::listen)
        return fail(Errc::bad_usage, "--client goes with --listen");
    return out;
}

}  // namespace attestd::inspect
