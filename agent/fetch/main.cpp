// attestd-fetch: fetches one URL for attestd or attestctl, and is gone.
//
// The only program of this project that talks to the internet, and the only one that knows libcurl.
// It holds no key, no device and no state; what it brings is believed by nobody unread.
#include <curl/curl.h>
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <vector>

#include "agent/fetch/connection.h"
#include "agent/fetch/listener.h"
#include "agent/fetch/options.h"
#include "agent/fetch/process.h"

namespace {

using namespace attestd;
using fetch::Mode;
using fetch::Options;

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kBadUsage = 2;
constexpr int kPassedDescriptor = 3;  // sd_listen_fds(3): the first one

void print(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

int report(const Error& error, int status) {
    print(stderr, fmt::format("attestd-fetch: {}\n", to_string(error)));
    return status;
}

Result<fetch::FetchConfig> config_of(const Options& options) {
    if (options.config.empty()) return fetch::load_default_config();
    return fetch::load_fetch_config(options.config);
}

// The reason reaches the client as well as the log, so a refused configuration is not found by
// guessing.
int serve_connection(int descriptor, const Options& options) {
    const Fd connection(descriptor);
    if (const auto good = fetch::check_connection(connection); !good)
        return report(good.error(), kBadUsage);
    const auto config = config_of(options);
    const auto served = fetch::serve(connection, config);
    if (!config) return report(config.error(), kBadUsage);
    return served ? kOk : report(served.error(), kFailed);
}

int listen(const Options& options) {
    const auto config = config_of(options);
    if (!config) return report(config.error(), kBadUsage);
    const auto serve = [&](const Fd& connection) { return fetch::serve(connection, config); };
    const auto done = fetch::listen_at(options.listen_path, options.listen_mode, serve);
    return done ? kOk : report(done.error(), kFailed);
}

int check(const Options& options) {
    const auto config = config_of(options);
    if (!config) return report(config.error(), kBadUsage);
    print(stdout, fmt::format("good: {} hosts\n", config->hosts.size() + config->vsock.size()));
    return kOk;
}

int run(const Options& options) {
    const bool passed = options.mode == Mode::systemd;
    if (passed && !fetch::has_passed_connection()) {
        print(stderr, fetch::usage());
        return kBadUsage;
    }
    const int keep = passed ? kPassedDescriptor : options.connection;
    if (!fetch::confine(keep)) {
        print(stderr, "attestd-fetch: cannot confine itself\n");
        return kFailed;
    }
    switch (options.mode) {
        case Mode::listen:
            return listen(options);
        case Mode::check:
            return check(options);
        default:
            return serve_connection(keep, options);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> args(argv + 1, argv + argc);
    const auto options = fetch::parse_options(args);
    if (!options) {
        report(options.error(), kBadUsage);
        print(stderr, fetch::usage());
        return kBadUsage;
    }
    if (options->mode == Mode::help || options->mode == Mode::version) {
        print(stdout, options->mode == Mode::help
                          ? fetch::usage()
                          : std::string_view("attestd-fetch " ATTESTD_VERSION "\n"));
        return kOk;
    }
    try {
        return run(*options);
    } catch (const std::exception& e) {
        return report({Errc::internal, e.what()}, kFailed);
    }
}
