// attestd-forge KIND DIR [--now @UNIX]: writes a synthetic case, evidence with all its
// endorsements, into a folder. Its hierarchy exists for that one run: root.der is the trust anchor
// by which it verifies.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdio>
#include <exception>

#include "quote/base/fd.h"
#include "tests/emulator/options.h"
#include "tests/support/forge/case_forge.h"

namespace attestd {
namespace {

constexpr unsigned kFolderMode = 0755, kFileMode = 0644;

struct ForgeOptions {
    std::string kind, dir;
    Time now;
};

std::string usage() {
    std::string text = "usage: attestd-forge KIND DIR [--now @UNIX]\nkinds:";
    for (const std::string& kind : forge::case_kinds()) text += ' ' + kind;
    return text;
}

Result<ForgeOptions> parse_options(std::vector<std::string> args) {
    ForgeOptions options{.kind = {}, .dir = {}, .now = devsim::system_now()};
    if (args.size() == 4 && args[2] == "--now") {
        ATTESTD_TRY(options.now, devsim::parse_unix_time(args[3]));
        args.resize(2);
    }
    if (args.size() != 2) return fail(Errc::bad_usage, usage());
    options.kind = args[0];
    options.dir = args[1];
    return options;
}

Result<void> run(const ForgeOptions& options) {
    ATTESTD_TRY(const auto files, forge::forge_case(options.kind, options.now));
    if (::mkdir(options.dir.c_str(), kFolderMode) != 0 && errno != EEXIST) {
        return fail_errno(errno, options.dir);
    }
    ATTESTD_TRY(const Fd dir, open_file(options.dir, O_RDONLY | O_DIRECTORY));
    for (const forge::CaseFile& file : files) {
        ATTESTD_CHECK(replace_file(dir, file.name, file.content, kFileMode));
    }
    return {};
}

int main_checked(int argc, char** argv) {
    const auto options = parse_options({argv + 1, argv + argc});
    if (!options) {
        fmt::print(stderr, "{}\n", options.error().detail);
        return 2;
    }
    const auto done = run(*options);
    if (done) return 0;
    fmt::print(stderr, "attestd-forge: {}\n", to_string(done.error()));
    return done.error().code == Errc::bad_usage ? 2 : 1;
}

}  // namespace
}  // namespace attestd

int main(int argc, char** argv) {
    try {
        return attestd::main_checked(argc, argv);
    } catch (const std::exception& bug) {
        std::fprintf(stderr, "attestd-forge: %s\n", bug.what());
        return 1;
    }
}
