// attestd-azure-vtpm: evidence and keys of an Azure confidential VM's vTPM, for attestd.
//
// An external platform (attestd-plugin(7)) that speaks to one device, /dev/tpmrm0, and to
// attestd-fetch's socket. A process for each connection, gone after the answer: one that the TPM
// keeps waiting costs that request alone.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "agent/azure_vtpm/options.h"
#include "agent/azure_vtpm/service.h"
#include "agent/fetch/listener.h"
#include "agent/fetch/process.h"

namespace {

using namespace attestd;
using vtpm::Mode;
using vtpm::Options;

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kBadUsage = 2;
constexpr int kPassedDescriptor = 3;  // sd_listen_fds(3): the first one
constexpr unsigned kSocketMode = 0600;

void print(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

int report(const Error& error, int status) {
    print(stderr, fmt::format("attestd-azure-vtpm: {}\n", to_string(error)));
    return status;
}

int serve_passed(const Options& options) {
    const Fd connection(kPassedDescriptor);
    if (const auto good = fetch::check_connection(connection); !good)
        return report(good.error(), kBadUsage);
    const auto served = vtpm::serve(connection, options.service);
    return served ? kOk : report(served.error(), kFailed);
}

int listen(const Options& options) {
    const auto serve = [&](const Fd& connection) {
        return vtpm::serve(connection, options.service);
    };
    const auto done = fetch::listen_at(options.listen_path, kSocketMode, serve);
    return done ? kOk : report(done.error(), kFailed);
}

int run(const Options& options) {
    const bool passed = options.mode == Mode::systemd;
    if (passed && !fetch::has_passed_connection()) {
        print(stderr, vtpm::usage());
        return kBadUsage;
    }
    // libtss2 would write of each failure what our own error says once.
    if (!fetch::confine(passed ? kPassedDescriptor : -1) ||
        ::setenv("TSS2_LOG", "all+NONE", /*overwrite=*/1) != 0) {
        print(stderr, "attestd-azure-vtpm: cannot confine itself\n");
        return kFailed;
    }
    return passed ? serve_passed(options) : listen(options);
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> args(argv + 1, argv + argc);
    const auto options = vtpm::parse_options(args);
    if (!options) {
        report(options.error(), kBadUsage);
        print(stderr, vtpm::usage());
        return kBadUsage;
    }
    if (options->mode == Mode::help || options->mode == Mode::version) {
        print(stdout, options->mode == Mode::help
                          ? vtpm::usage()
                          : std::string_view("attestd-azure-vtpm " ATTESTD_VERSION "\n"));
        return kOk;
    }
    try {
        return run(*options);
    } catch (const std::exception& e) {
        return report({Errc::internal, e.what()}, kFailed);
    }
}
