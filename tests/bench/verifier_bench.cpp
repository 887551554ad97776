// tdx/* and snp/*: from the bytes of evidence to an attestation result.
//
//   parse  the format alone
//   cold   nothing is ready: endorsements as bytes, a verifier that has seen nothing
//   warm   one verifier and its endorsements are kept, every quote is of a platform that is new to
//          it, of a model that it knows: what a service that appraises a fleet pays (TDX only)
//   hot    the platform was verified before: what a renewal of the daemon's session costs
//
// Every result is looked at: a benchmark of refusals would be fast and worthless. `allocations` is
// the number of calls of operator new for each verification.
#include <benchmark/benchmark.h>

#include <functional>
#include <memory>

#include "quote/amd/snp_report.h"
#include "quote/intel/quote.h"
#include "tests/bench/allocations.h"
#include "tests/bench/evidence.h"
#include "verifier/verifier.h"

namespace attestd::bench {
namespace {

using MakeSample = Result<Sample> (*)(const Options&);

// Empty, and the benchmark marked as failed, when the sample cannot be made.
std::optional<Sample> sample_for(benchmark::State& state, const Options& options, MakeSample make) {
    Result<Sample> sample = make(options);
    if (sample) return *std::move(sample);
    state.SkipWithError(to_string(sample.error()).c_str());
    return std::nullopt;
}

bool accepted(benchmark::State& state, const AttestationResult& result) {
    if (result.verdict() == Verdict::accepted) return true;
    const auto refusal = result.affirming();
    state.SkipWithError(refusal ? "not accepted" : to_string(refusal.error()).c_str());
    return false;
}

template <auto Parse>
void parse(benchmark::State& state, const Options& options, MakeSample make) {
    const auto sample = sample_for(state, options, make);
    if (!sample) return;
    for (auto _ : state) {
        auto parsed = Parse(sample->quote);
        if (!parsed) {
            state.SkipWithError(to_string(parsed.error()).c_str());
            return;
        }
        benchmark::DoNotOptimize(*parsed);
    }
}

void cold(benchmark::State& state, const Options& options, MakeSample make) {
    const auto sample = sample_for(state, options, make);
    if (!sample) return;
    for (auto _ : state) {
        const auto endorsements = parse_endorsements(*sample);
        if (!endorsements) {
            state.SkipWithError(to_string(endorsements.error()).c_str());
            return;
        }
        LocalVerifier verifier(sample->anchors);
        if (!accepted(state, verifier.appraise(sample->quote, *endorsements, {}, {}, sample->now)))
            return;
    }
}

// Verifies `quotes` in rotation with one verifier and the same endorsements.
void rotate(benchmark::State& state, const Sample& sample, const std::vector<Bytes>& quotes) {
    const auto endorsements = parse_endorsements(sample);
    if (!endorsements) {
        state.SkipWithError(to_string(endorsements.error()).c_str());
        return;
    }
    LocalVerifier verifier(sample.anchors);
    const auto appraise = [&](const Bytes& quote) {
        return accepted(state, verifier.appraise(quote, *endorsements, {}, {}, sample.now));
    };
    for (const Bytes& quote : quotes) {
        if (!appraise(quote)) return;
    }
    std::size_t next = 0;
    const std::uint64_t before = num_allocations();
    for (auto _ : state) {
        if (!appraise(quotes[next])) return;
        next = next + 1 == quotes.size() ? 0 : next + 1;
    }
    state.counters["allocations"] = benchmark::Counter(
        static_cast<double>(num_allocations() - before), benchmark::Counter::kAvgIterations);
}

void hot(benchmark::State& state, const Options& options, MakeSample make) {
    const auto sample = sample_for(state, options, make);
    if (sample) rotate(state, *sample, {sample->quote});
}

void warm(benchmark::State& state) {
    const auto fleet = tdx_fleet();
    if (!fleet) {
        state.SkipWithError(to_string(fleet.error()).c_str());
        return;
    }
    rotate(state, fleet->sample, fleet->quotes);
}

}  // namespace

void register_verifier(const Options& options) {
    using benchmark::RegisterBenchmark;
    RegisterBenchmark("tdx/parse", parse<parse_intel_quote>, options, tdx_sample);
    RegisterBenchmark("tdx/cold", cold, options, tdx_sample);
    RegisterBenchmark("tdx/warm", warm);
    RegisterBenchmark("tdx/hot", hot, options, tdx_sample);
    RegisterBenchmark("snp/parse", parse<parse_snp_report>, options, snp_sample);
    RegisterBenchmark("snp/cold", cold, options, snp_sample);
    RegisterBenchmark("snp/hot", hot, options, snp_sample);
}

}  // namespace attestd::bench
