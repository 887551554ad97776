// attestd: the command line, and what a process that holds secrets does about itself before
// anything else.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <string_view>

#include "agent/daemon.h"
#include "agent/log.h"
#include "config/loader.h"
#include "quote/base/encoding.h"
#include "quote/base/secret.h"

namespace {

using namespace attestd;

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kBadUsage = 2;
constexpr int kSetMdwe = 65;  // PR_SET_MDWE and PR_MDWE_REFUSE_EXEC_GAIN of <linux/prctl.h>
constexpr unsigned long kRefuseExecGain = 1;
constexpr std::string_view kDefaultConfig = "/etc/attestd/attestd.json";
constexpr std::string_view kUsage =
    "usage: attestd [--config FILE] [--require-binding NAME] [--check] [--verbose]\n"
    "  --config FILE            configuration (default /etc/attestd/attestd.json)\n"
    "  --require-binding NAME   take no configuration whose config_binding is another: said where\n"
    "                           the image is measured, since the configuration itself may not be\n"
    "  --check                  load configuration and everything it names, then exit\n"
    "  --verbose                log events of level debug too\n"
    "  --version                print the version\n";

struct Options {
    std::filesystem::path config{kDefaultConfig};
    std::string require_binding;
    bool check = false, verbose = false, help = false, version = false;
};

std::optional<Options> parse(std::span<char*> args) {
    Options out;
    for (std::size_t i = 0; i < args.size(); ++i) {
        const std::string_view arg = args[i];
        if (arg == "--check") {
            out.check = true;
        } else if (arg == "--verbose") {
            out.verbose = true;
        } else if (arg == "--help") {
            out.help = true;
        } else if (arg == "--version") {
            out.version = true;
        } else if (arg == "--require-binding" && i + 1 < args.size()) {
            out.require_binding = args[++i];
        } else if (arg == "--config" && i + 1 < args.size()) {
            out.config = args[++i];
        } else {
            return std::nullopt;
        }
    }
    return out;
}

void print(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

// No core file, no debugger of the same user, no file that others can read.
bool close_the_process() {
    const rlimit none{0, 0};
    rlimit files{};
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || ::setrlimit(RLIMIT_CORE, &none) != 0)
        return false;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    // Memory that is or was writable never becomes code; kernels before 6.3 cannot say so.
    ::prctl(kSetMdwe, kRefuseExecGain, 0, 0, 0);
    ::umask(0077);
    // A connection takes five descriptors; the usual soft limit of 1024 is made for select(2).
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    return true;
}

void report_memory() {
    switch (secret_memory()) {
        case SecretMemory::memfd_secret:
            return log_event(LogLevel::info, "memory.secret", {{"kind", "memfd_secret"}});
        case SecretMemory::locked:
            return log_event(LogLevel::info, "memory.secret", {{"kind", "locked"}});
        case SecretMemory::unlocked:
            break;
    }
    log_event(LogLevel::warn, "memory.secret",
              {{"kind", "unlocked"},
               {"effect", "secrets may reach swap"},
               {"mend", "raise LimitMEMLOCK="}});
}

int report(const Error& error, std::string_view event) {
    log_event(LogLevel::error, event,
              {{"code", std::string(errc_name(error.code))}, {"why", error.detail}});
    return kFailed;
}

// A configuration that the host wrote would ask for no binding at all.
Result<void> check_required_binding(const Options& options, const Config& config) {
    const std::string_view has = config_binding_name(config.config_binding);
    if (options.require_binding.empty() || options.require_binding == has) return {};
    return fail(Errc::binding_mismatch,
                fmt::format("{}: config_binding is \"{}\", --require-binding asks for \"{}\"",
                            options.config.string(), has, options.require_binding));
}

int run(const Options& options) {
    auto config = load_config(options.config);
    if (!config) return report(config.error(), "config.refused");
    if (const auto bound = check_required_binding(options, *config); !bound)
        return report(bound.error(), "config.refused");
    if (options.check) {
        if (const auto good = check_config(*config); !good)
            return report(good.error(), "config.refused");
        print(stdout, fmt::format("{}: good, SHA-256 {}\n", options.config.string(),
                                  to_hex(config->digest)));
        return kOk;
    }
    report_memory();
    if (const auto done = run_daemon(options.config, *std::move(config)); !done) {
        return report(done.error(), "daemon.failed");
    }
    return kOk;
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = parse(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
    if (!options) {
        print(stderr, kUsage);
        return kBadUsage;
    }
    if (options->help || options->version) {
        print(stdout, options->help ? kUsage : std::string_view("attestd " ATTESTD_VERSION "\n"));
        return kOk;
    }
    if (!close_the_process()) {
        print(stderr, "attestd: cannot keep debuggers and core files away\n");
        return kFailed;
    }
    set_log_level(options->verbose ? LogLevel::debug : LogLevel::info);
    try {
        return run(*options);
    } catch (const std::exception& e) {
        log_event(LogLevel::error, "daemon.bug", {{"what", e.what()}});
        return kFailed;
    }
}
