#include "agent/fetch/options.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace attestd::fetch {
namespace {

constexpr std::string_view kUsage =
    "usage: attestd-fetch [--config FILE] [--listen PATH [--mode MODE] | --connection FD | "
    "--check]\n"
    "Fetches one URL for attestd or attestctl; without a mode, systemd passes the connection.\n"
    "  --config FILE    hosts that may be reached (default /etc/attestd/fetch.json; without that\n"
    "                   file, the services of Intel and AMD)\n"
    "  --listen PATH    listen on a Unix socket, a child for each request, until SIGTERM\n"
    "  --mode MODE      permissions of that socket, octal (default 0600)\n"
    "  --connection FD  serve the one client on this open descriptor\n"
    "  --check          load the configuration, then exit\n"
    "  --version        print the version\n"
    "exit status: 0 served or stopped, 1 failed, 2 wrong usage or refused configuration\n";

constexpr int kFirstPassed = 3;  // 0 to 2 are the standard ones
constexpr int kLastPassed = 1'000'000;

std::optional<int> number(std::string_view text, int base, int min, int max) noexcept {
    int value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (value < min || value > max) return std::nullopt;
    return value;
}

tl::unexpected<Error> bad(std::string detail) { return fail(Errc::bad_usage, std::move(detail)); }

class OptionParser final {
 public:
    Result<void> take(std::string_view arg, std::optional<std::string_view> value) {
        took_value_ = false;
        if (arg == "--help" || arg == "-h") return choose(Mode::help, arg);
        if (arg == "--version") return choose(Mode::version, arg);
        if (arg == "--check") return choose(Mode::check, arg);
        if (arg != "--config" && arg != "--listen" && arg != "--mode" && arg != "--connection")
            return bad(fmt::format("{} is no option", arg));
        if (!value || value->empty()) return bad(fmt::format("{} needs a value", arg));
        took_value_ = true;
        return take_value(arg, *value);
    }
    [[nodiscard]] bool took_value() const noexcept { return took_value_; }

    Result<Options> finish() {
        if (has_mode_ && out_.mode != Mode::listen) return bad("--mode goes with --listen");
        return out_;
    }

 private:
    Result<void> take_value(std::string_view arg, std::string_view value) {
        if (arg == "--config") {
            out_.config = value;
            return {};
        }
        if (arg == "--listen") {
            out_.listen_path = value;
            return choose(Mode::listen, arg);
        }
        if (arg == "--connection") {
            const auto fd = number(value, 10, kFirstPassed, kLastPassed);
            if (!fd) return bad("--connection: a descriptor from 3 on is expected");
            out_.connection = *fd;
            return choose(Mode::connection, arg);
        }
        const auto mode = number(value, 8, 0, 0777);
        if (!mode) return bad("--mode: octal permissions are expected, such as 0660");
        out_.listen_mode = static_cast<unsigned>(*mode);
        has_mode_ = true;
        return {};
    }

    Result<void> choose(Mode mode, std::string_view arg) {
        if (out_.mode != Mode::systemd)
            return bad(fmt::format("{}: only one of these options can be given", arg));
        out_.mode = mode;
        return {};
    }

    Options out_;
    bool took_value_ = false, has_mode_ = false;
};

}  // namespace

std::string_view usage() noexcept { return kUsage; }

Result<Options> parse_options(std::span<const std::string_view> args) {
    OptionParser parser;
    for (std::size_t i = 0; i < args.size(); ++i) {
        const auto next = i + 1 < args.size() ? std::optional(args[i + 1]) : std::nullopt;
        ATTESTD_CHECK(parser.take(args[i], next));
        if (parser.took_value()) ++i;
    }
    return parser.finish();
}

}  // namespace attestd::fetch
