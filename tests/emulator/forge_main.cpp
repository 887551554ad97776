// attestd-forge KIND DIR [--now @UNIX]: writes a synthetic case, evidence with all its
// endorsements, into a folder. Its hierarchy exists for that one run: root.der is the trust anchor
// by which it verifies. services/SET/ holds what the vendors' services would answer, in three sets
// (forge_services()): index.json names for each path the status, the headers and the body's file.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

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

Result<Fd> make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), kFolderMode) != 0 && errno != EEXIST) return fail_errno(errno, path);
    return open_file(path, O_RDONLY | O_DIRECTORY);
}

Result<void> write_services(const std::string& path, const forge::ServiceSet& set) {
    ATTESTD_TRY(const Fd dir, make_folder(path));
    nlohmann::ordered_json index = nlohmann::ordered_json::object();
    for (const forge::ServiceAnswer& answer : set.answers) {
        const std::string file = fmt::format("{}.body", index.size());
        nlohmann::ordered_json headers = nlohmann::ordered_json::object();
        for (const auto& [name, value] : answer.headers) headers[name] = value;
        index[answer.path] = {{"status", 200}, {"headers", std::move(headers)}, {"file", file}};
        ATTESTD_CHECK(replace_file(dir, file, answer.body, kFileMode));
    }
    return replace_file(dir, "index.json", as_bytes(index.dump(1) + "\n"), kFileMode);
}

Result<void> run(const ForgeOptions& options) {
    ATTESTD_TRY(const auto files, forge::forge_case(options.kind, options.now));
    ATTESTD_TRY(const Fd dir, make_folder(options.dir));
    for (const forge::CaseFile& file : files) {
        ATTESTD_CHECK(replace_file(dir, file.name, file.content, kFileMode));
    }
    ATTESTD_TRY(const auto sets, forge::forge_services(options.kind, options.now));
    ATTESTD_CHECK(make_folder(options.dir + "/services"));
    for (const forge::ServiceSet& set : sets) {
        ATTESTD_CHECK(write_services(options.dir + "/services/" + set.name, set));
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
