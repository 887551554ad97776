// attestd-inspect: facts about a process' executable and namespaces, for attestd alone.
//
// The only program of this project with a capability (CAP_SYS_PTRACE). It has no network, no
// secret, no device and no state but a few digests, and it writes nothing anywhere.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <vector>

#include "agent/inspect/options.h"
#include "agent/inspect/process.h"
#include "agent/inspect/server.h"

namespace {

using namespace attestd;
using inspect::Mode;
using inspect::Options;

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kBadUsage = 2;
constexpr int kPassedDescriptor = 3;  // sd_listen_fds(3): the first one

void print(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

int report(const Error& error, int status) {
    print(stderr, fmt::format("attestd-inspect: {}\n", to_string(error)));
    return status;
}

// systemd starts this again with the next connection, so there is no need to stay.
Result<void> serve(const Options& options) {
    inspect::ServerConfig config;
    config.max_len = options.max_len;
    if (options.mode == Mode::systemd) {
        const Fd socket(kPassedDescriptor);
        ATTESTD_TRY(config.client, inspect::owner_of(socket));
        ATTESTD_CHECK(inspect::confine(socket));
        config.stops_when_idle = true;
        return inspect::serve(socket, config);
    }
    ATTESTD_TRY(const inspect::SocketFile file,
                inspect::SocketFile::bind(options.listen_path, options.client));
    ATTESTD_TRY(config.client, inspect::owner_of(file.socket()));
    ATTESTD_CHECK(inspect::confine(file.socket()));
    return inspect::serve(file.socket(), config);
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> args(argv + 1, argv + argc);
    const auto options = inspect::parse_options(args);
    if (!options) {
        report(options.error(), kBadUsage);
        print(stderr, inspect::usage());
        return kBadUsage;
    }
    if (options->mode == Mode::help || options->mode == Mode::version) {
        print(stdout, options->mode == Mode::help
                          ? inspect::usage()
                          : std::string_view("attestd-inspect " ATTESTD_VERSION "\n"));
        return kOk;
    }
    if (options->mode == Mode::systemd && !inspect::has_passed_socket()) {
        print(stderr, inspect::usage());
        return kBadUsage;
    }
    try {
        const auto done = serve(*options);
        return done ? kOk : report(done.error(), kFailed);
    } catch (const std::exception& e) {
        return report({Errc::internal, e.what()}, kFailed);
    }
}
