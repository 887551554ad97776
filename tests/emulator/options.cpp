#include "tests/emulator/options.h"

#include <charconv>
#include <chrono>

namespace attestd::devsim {
namespace {

// Times beyond year 9999 have no form in certificates.
constexpr std::int64_t kMaxUnixTime = 253402300799;

Result<void> set_option(Options& options, std::string_view name, const std::string& value) {
    if (name == "--dir") {
        options.dir = value;
    } else if (name == "--socket") {
        options.socket = value;
    } else if (name == "--mount") {
        options.mount = value;
    } else if (name == "--vsock") {
        const char* const last = value.data() + value.size();
        const auto [end, error] = std::from_chars(value.data(), last, options.vsock);
        if (error != std::errc() || end != last || options.vsock == 0)
            return fail(Errc::bad_usage, "--vsock takes a port");
    } else if (name == "--now") {
        ATTESTD_TRY(options.now, parse_unix_time(value));
    } else if (name == "--tee" && (value == "tdx" || value == "snp")) {
        options.tee = value == "tdx" ? Tee::tdx : Tee::snp;
    } else if (name == "--product" && (value == "milan" || value == "genoa" || value == "turin")) {
        options.product = value == "milan"   ? forge::Product::milan
                          : value == "genoa" ? forge::Product::genoa
                                             : forge::Product::turin;
    } else {
        return fail(Errc::bad_usage, std::string(name) + " does not take " + value);
    }
    return {};
}

bool takes_value(std::string_view name) {
    return name == "--dir" || name == "--socket" || name == "--mount" || name == "--now" ||
           name == "--tee" || name == "--product" || name == "--vsock";
}

}  // namespace

Time system_now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

Result<Time> parse_unix_time(std::string_view text) {
    std::int64_t seconds = 0;
    const bool at = text.starts_with('@');
    if (at) text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (!at || error != std::errc() || end != text.data() + text.size() || seconds < 0 ||
        seconds > kMaxUnixTime) {
        return fail(Errc::bad_usage, "a time is written @ and seconds since 1970");
    }
    return Time(std::chrono::seconds(seconds));
}

std::string devsim_usage() {
    return "usage: attestd-devsim --dir DIR --tee tdx|snp [--product milan|genoa|turin]\n"
           "                      [--socket PATH] [--mount DIR] [--vsock PORT] [--debug-mode] "
           "[--fixed-log]\n"
           "                      [--now @UNIX]\n";
}

Result<Options> parse_devsim_options(const std::vector<std::string>& args) {
    Options options;
    options.now = system_now();
    bool has_tee = false;
    for (std::size_t i = 0; i < args.size(); ++i) {
        if (args[i] == "--fixed-log") {
            options.fixed_log = true;
            continue;
        }
        if (args[i] == "--debug-mode") {
            options.debug = true;
            continue;
        }
        if (!takes_value(args[i])) return fail(Errc::bad_usage, "unknown option " + args[i]);
        if (i + 1 == args.size()) return fail(Errc::bad_usage, args[i] + " needs a value");
        has_tee = has_tee || args[i] == "--tee";
        ATTESTD_CHECK(set_option(options, args[i], args[i + 1]));
        ++i;
    }
    if (options.dir.empty() || !has_tee) return fail(Errc::bad_usage, "--dir and --tee are needed");
    if (options.socket.empty()) options.socket = options.dir + "/platform.sock";
    return options;
}

}  // namespace attestd::devsim
