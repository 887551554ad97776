// tdx/* and snp/*: from the bytes of evidence to an attestation result.
//
//   parse  the format alone
//   cold   nothing is ready: endorsements as bytes, a verifier that has seen nothing
//   warm   endorsements are parsed, but the platform is new to the verifier (TDX only)
//   hot    the platform was verified before: what a renewal of the daemon's session costs
//
// Every result is looked at: a benchmark of refusals would be fast and worthless.
#include <benchmark/benchmark.h>

#include <functional>
#include <memory>

#include "quote/amd/snp_report.h"
#include "quote/intel/quote.h"
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

enum class Memory : std::uint8_t { new_each_time, kept };

void appraise(benchmark::State& state, const Options& options, MakeSample make, Memory memory) {
    const auto sample = sample_for(state, options, make);
    if (!sample) return;
    const auto endorsements = parse_endorsements(*sample);
    if (!endorsements) {
        state.SkipWithError(to_string(endorsements.error()).c_str());
        return;
    }
    auto verifier = std::make_unique<LocalVerifier>(sample->anchors);
    if (!accepted(state, verifier->appraise(sample->quote, *endorsements, {}, {}, sample->now)))
        return;
    for (auto _ : state) {
        if (memory == Memory::new_each_time)
            verifier = std::make_unique<LocalVerifier>(sample->anchors);
        if (!accepted(state, verifier->appraise(sample->quote, *endorsements, {}, {}, sample->now)))
            return;
    }
}

}  // namespace

void register_verifier(const Options& options) {
    using benchmark::RegisterBenchmark;
    RegisterBenchmark("tdx/parse", parse<parse_intel_quote>, options, tdx_sample);
    RegisterBenchmark("tdx/cold", cold, options, tdx_sample);
    RegisterBenchmark("tdx/warm", appraise, options, tdx_sample, Memory::new_each_time);
    RegisterBenchmark("tdx/hot", appraise, options, tdx_sample, Memory::kept);
    RegisterBenchmark("snp/parse", parse<parse_snp_report>, options, snp_sample);
    RegisterBenchmark("snp/cold", cold, options, snp_sample);
    RegisterBenchmark("snp/hot", appraise, options, snp_sample, Memory::kept);
}

}  // namespace attestd::bench
