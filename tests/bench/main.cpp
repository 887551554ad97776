// attestd-bench: Google Benchmark's command line, and evidence to run on.
//
//   attestd-bench [--quote FILE] [--report FILE] [--endorsements PATH]... [--at TIME]
//                 [--attestd PROGRAM] [--devsim PROGRAM] [--benchmark_...]
//
// Without evidence it forges its own. A benchmark that cannot run says so in its result
// (`error_occurred`) and the others go on. TIME is RFC 3339 or `@unix`.
#include <benchmark/benchmark.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <vector>

#include "tests/bench/options.h"

namespace {

using attestd::Errc;
using attestd::Result;
using attestd::Time;
using attestd::bench::Options;

Result<Time> parse_time(std::string_view text) {
    if (!text.starts_with('@')) return attestd::parse_rfc3339(text, "--at");
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return attestd::fail(Errc::bad_usage,
                             "--at: a time as 2026-11-22T07:54:00Z or @1795334040 is needed");
    }
    return Time(std::chrono::seconds(seconds));
}

Result<void> take(Options& options, std::string_view name, std::string_view value) {
    if (name == "--quote") {
        options.quote = value;
    } else if (name == "--report") {
        options.report = value;
    } else if (name == "--endorsements") {
        options.endorsements.emplace_back(value);
    } else if (name == "--attestd") {
        options.attestd = value;
    } else if (name == "--devsim") {
        options.devsim = value;
    } else {
        ATTESTD_TRY(options.at, parse_time(value));
    }
    return {};
}

bool is_ours(std::string_view name) {
    constexpr std::array<std::string_view, 6> kNames{"--quote", "--report",  "--endorsements",
                                                     "--at",    "--attestd", "--devsim"};
    return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// Takes our own options out of `args`; what is left is Google Benchmark's.
Result<Options> parse_options(std::vector<char*>& args) {
    Options options;
    const auto build = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../..";
    options.attestd = build / "agent/attestd";
    options.devsim = build / "tests/emulator/attestd-devsim";
    std::vector<char*> rest{args.front()};
    for (std::size_t i = 1; i < args.size(); ++i) {
        const std::string_view name = args[i];
        if (!is_ours(name)) {
            rest.push_back(args[i]);
            continue;
        }
        if (i + 1 == args.size())
            return attestd::fail(Errc::bad_usage, std::string(name) + ": a value is needed");
        ATTESTD_CHECK(take(options, name, args[++i]));
    }
    args = std::move(rest);
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);  // a server that goes away is an error of one benchmark
    std::vector<char*> args(argv, argv + argc);
    const auto options = parse_options(args);
    if (!options) {
        std::fprintf(stderr, "attestd-bench: %s\n", attestd::to_string(options.error()).c_str());
        return 2;
    }
    int num_args = static_cast<int>(args.size());
    benchmark::Initialize(&num_args, args.data());
    args.resize(static_cast<std::size_t>(num_args));
    if (benchmark::ReportUnrecognizedArguments(num_args, args.data())) return 2;

    attestd::bench::register_crypto_floor();
    attestd::bench::register_http_floor();
    attestd::bench::register_verifier(*options);
    attestd::bench::register_release(*options);
    const std::size_t num_run = benchmark::RunSpecifiedBenchmarks();
    attestd::bench::stop_agent();
    benchmark::Shutdown();
    return num_run == 0 ? 1 : 0;
}
