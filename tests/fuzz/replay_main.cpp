// attestd-fuzz-replay: one target in the normal test suite, so that it cannot rot.
//
//   attestd-fuzz-replay TARGET REGRESSIONS-DIR    seeds, regressions and some mutations, as TAP
//   attestd-fuzz-replay TARGET --file FILE        one input, such as a crash that was found
//   attestd-fuzz-replay TARGET --mutation N FILE  writes mutation N into FILE, and runs nothing
//   attestd-fuzz-replay --targets REGRESSIONS-DIR TARGET...
//                                                 that these are all targets, and that each folder
//                                                 of regressions is one's and holds some
//
// A property that does not hold ends the program; the input that was at work is named then.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "quote/base/fd.h"
#include "tests/fuzz/fixed_random.h"
#include "tests/fuzz/mutator.h"
#include "tests/fuzz/seed_files.h"
#include "tests/fuzz/target.h"

using namespace attestd;
using namespace attestd::fuzz;

namespace {

char g_at_work[256];  // what the handler below prints

void on_abort(int) {
    const ByteView text = as_bytes(std::string_view(g_at_work));
    [[maybe_unused]] const auto n = ::write(STDERR_FILENO, text.data(), text.size());
}

void run(const Target& target, const std::string& name, ByteView input) {
    const auto end =
        fmt::format_to_n(g_at_work, sizeof g_at_work - 2, "the input was: {}", name).out;
    *end = '\n';
    *(end + 1) = '\0';
    restart_fixed_random(kInputRandomLen);
    target.run(input);
}

void say(unsigned number, std::string_view name, std::size_t count, std::string_view what) {
    fmt::print("ok {} - {}: {} {}\n", number, name, count, what);
    std::fflush(stdout);
}

void run_mutations(const Target& target, const Seeds& seeds) {
    Mutator mutator(seeds, target.words);
    for (unsigned n = 0; n < target.mutations; ++n) {
        const Seed& of = seeds[n % seeds.size()];
        run(target, fmt::format("mutation {} of {}", n, of.name), mutator.mutant(of, n));
    }
}

// The mutations in a process of their own, which has to die of them.
bool dies_of_mutations(const Target& target, const Seeds& seeds) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) {
        run_mutations(target, seeds);
        ::_exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return false;
    return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

int replay(const Target& target, const char* regressions_dir) {
    use_fixed_random();
    const Seeds seeds = target.seeds();
    holds(!seeds.empty(), "there are seeds");
    const Seeds regressions = read_seeds(std::filesystem::path(regressions_dir) / target.name);
    fmt::print("1..3\n");
    for (const Seed& one : seeds) {
        const std::size_t before = times_reached();
        run(target, one.name, one.bytes);
        if (times_reached() == before) fmt::print("# {} is refused\n", one.name);
    }
    if (times_reached() == 0) {
        fmt::print("not ok 1 - {}: no seed gets behind the parser\n", target.name);
        return 1;
    }
    say(1, target.name, seeds.size(), "seeds");
    for (const Seed& one : regressions) run(target, one.name, one.bytes);
    say(2, target.name, regressions.size(), "regressions");
    if (!target.must_crash) {
        run_mutations(target, seeds);
        say(3, target.name, target.mutations, "mutations");
        return 0;
    }
    const bool died = dies_of_mutations(target, seeds);
    fmt::print("{} 3 - {}: the wrong parser is found out\n", died ? "ok" : "not ok", target.name);
    return died ? 0 : 1;
}

int replay_file(const Target& target, const char* path) {
    use_fixed_random();
    static_cast<void>(target.seeds());
    run(target, path, must(read_file(path, std::size_t{4} << 20)));
    return 0;
}

int write_mutation(const Target& target, const char* number, const char* path) {
    use_fixed_random();
    const Seeds seeds = target.seeds();
    const auto n = static_cast<unsigned>(std::strtoul(number, nullptr, 10));
    Mutator mutator(seeds, target.words);
    const std::filesystem::path file(path);
    const Seed one{file.filename().string(), mutator.mutant(seeds[n % seeds.size()], n)};
    write_seed(one, file.parent_path());
    return 0;
}

// What is wrong with the folders of regressions; empty when nothing is.
std::string wrong_folder(const std::filesystem::path& regressions) {
    if (!std::filesystem::is_directory(regressions)) return regressions.string() + " is not there";
    for (const auto& entry : std::filesystem::directory_iterator(regressions)) {
        const std::string name = entry.path().filename().string();
        if (find_target(name) == nullptr) return name + " is no target";
        if (read_seeds(entry.path()).empty()) return name + " holds nothing";
    }
    return {};
}

int check_list(const char* regressions, std::vector<std::string_view> named) {
    std::vector<std::string_view> there;
    for (const Target& target : all_targets()) there.push_back(target.name);
    std::sort(named.begin(), named.end());
    std::sort(there.begin(), there.end());
    const bool all_run = named == there;
    fmt::print("1..2\n{} 1 - all {} targets are run\n", all_run ? "ok" : "not ok", there.size());
    for (const std::string_view name : there) fmt::print("# {}\n", name);
    const std::string wrong = wrong_folder(regressions);
    fmt::print("{} 2 - each folder of regressions is a target's\n",
               wrong.empty() ? "ok" : "not ok");
    if (!wrong.empty()) std::fprintf(stderr, "regressions: %s\n", wrong.c_str());
    return all_run && wrong.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> args(argv + 1, argv + argc);
    if (args.size() >= 3 && args[0] == "--targets")
        return check_list(argv[2], {args.begin() + 2, args.end()});
    const Target* const target = args.empty() ? nullptr : find_target(args[0]);
    if (target == nullptr || args.size() < 2 || args.size() > 4) {
        std::fprintf(stderr,
                     "usage: attestd-fuzz-replay TARGET REGRESSIONS-DIR | TARGET --file FILE\n");
        return 2;
    }
    std::signal(SIGABRT, on_abort);
    if (args[1] == "--file" && args.size() == 3) return replay_file(*target, argv[3]);
    if (args[1] == "--mutation" && args.size() == 4)
        return write_mutation(*target, argv[3], argv[4]);
    return replay(*target, argv[2]);
}
