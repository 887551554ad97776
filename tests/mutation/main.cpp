// attestd-mutations: every mechanical mutation of every genuine case, and what became of it.
//
//   attestd-mutations [--most N] [--threads N] [--cold-every N] [--only TEXT] [--tap]
//
// --most N bounds the mutants of each kind for one input (all of them without it); --cold-every N
// puts every N-th mutant also before a verifier that remembers nothing. Exit status 1 when
// something verified that should not, or was refused for a reason that is not right for its place.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string_view>

#include "tests/mutation/cases.h"

namespace {

using namespace attestd;
using namespace attestd::mutation;

struct Options {
    Effort effort{0, 1, 64};
    std::string only;
    bool tap = false;
};

std::size_t number_of(std::string_view text) {
    std::size_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || end != text.data() + text.size())
        throw std::invalid_argument("a number is needed: " + std::string(text));
    return out;
}

Options parse_options(int argc, char** argv) {
    Options out;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--tap") {
            out.tap = true;
            continue;
        }
        if (++i == argc) throw std::invalid_argument(std::string(name) + ": a value is needed");
        if (name == "--most")
            out.effort.most = number_of(argv[i]);
        else if (name == "--threads")
            out.effort.num_threads = number_of(argv[i]) >= 2 ? 2 : 1;  // never more than two
        else if (name == "--cold-every")
            out.effort.cold_every = number_of(argv[i]);
        else if (name == "--only")
            out.only = argv[i];
        else
            throw std::invalid_argument("unknown option " + std::string(name));
    }
    return out;
}

// Where lines for people go: TAP has standard output to itself.
std::FILE* people(const Options& options) { return options.tap ? stderr : stdout; }

void print_row(const Options& options, const std::string& name, const Tally& tally,
               double seconds) {
    std::string reasons;
    for (const auto& [reason, count] : tally.by_reason)
        reasons += fmt::format(" {} {},", reason, count);
    for (const auto& [reason, count] : tally.by_unsigned)
        reasons += fmt::format(" NOT SIGNED ({}) {},", reason, count);
    if (!reasons.empty()) reasons.pop_back();
    std::size_t refused = 0;
    for (const auto& [reason, count] : tally.by_reason) refused += count;
    fmt::print(people(options), "{:<44} {:>7} {:>7} {:>5} {:>6} {:>6.1f} {}\n", name,
               tally.num_mutants, refused - tally.num_undecided, tally.num_undecided,
               tally.num_unsigned, seconds, reasons);
    std::fflush(people(options));
}

void print_wrong(const Options& options, const Tally& tally) {
    for (const std::string& line : tally.wrong) fmt::print(people(options), "  WRONG {}\n", line);
    if (tally.num_wrong > 0) fmt::print(people(options), "  WRONG: {} mutants\n", tally.num_wrong);
}

class Report {
 public:
    explicit Report(const Options& options) : options_(options) {}

    void run_all(const Jobs& jobs) {
        for (const Job& job : jobs.all) {
            for (const Target& target : job.targets) run_one(job.genuine, target);
        }
        for (const std::string& group : jobs.absent) skip(group);
    }
    int finish() {
        print_row(options_, "all", total_, seconds_);
        if (total_.num_wrong > 0)
            fmt::print(people(options_), "WRONG: {} mutants\n", total_.num_wrong);
        if (options_.tap) std::printf("1..%d\n", num_);
        return total_.num_wrong == 0 && total_.num_mutants > 0 ? 0 : 1;
    }

 private:
    void run_one(const Case& genuine, const Target& target) {
        const std::string name = genuine.name + ": " + target.what;
        if (name.find(options_.only) == name.npos) return;
        const auto start = std::chrono::steady_clock::now();
        const Tally tally = run(genuine, target, options_.effort);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        print_row(options_, name, tally, took.count());
        print_wrong(options_, tally);
        seconds_ += took.count();
        total_.add(tally);
        if (!options_.tap) return;
        std::printf("%s %d - %s, %zu mutants\n", tally.num_wrong == 0 ? "ok" : "not ok", ++num_,
                    name.c_str(), tally.num_mutants);
        std::fflush(stdout);
    }
    void skip(const std::string& group) {
        fmt::print(stderr, "SKIPPED: {}\n", group);
        if (options_.tap) std::printf("ok %d - # SKIP %s\n", ++num_, group.c_str());
    }

    const Options& options_;
    Tally total_;
    double seconds_ = 0;
    int num_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    try {
        const Options options = parse_options(argc, argv);
        fmt::print(people(options), "{:<44} {:>7} {:>7} {:>5} {:>6} {:>6} {}\n", "case: input",
                   "mutants", "refused", "undec", "nosign", "s", "by reason");
        Report report(options);
        report.run_all(forged_jobs());
        report.run_all(recorded_jobs());
        return report.finish();
    } catch (const std::exception& e) {
        fmt::print(stderr, "attestd-mutations: {}\n", e.what());
        return 2;
    }
}
