// The evidence that is verified in the benchmarks: given on the command line, or forged.
#pragma once

#include <vector>

#include "tests/bench/options.h"
#include "verifier/endorsements.h"
#include "verifier/trust_anchors.h"

namespace attestd::bench {

/// One piece of evidence with all that its verification needs, as bytes.
struct Sample {
    Bytes quote;
    std::vector<Bytes> endorsements;
    TrustAnchors anchors;
    Time now;
};

/// A TDX quote of version 4 with its collateral.
[[nodiscard]] Result<Sample> tdx_sample(const Options& options);
/// An SNP report (Milan, version 3) with VCEK, ASK, ARK and revocation list.
[[nodiscard]] Result<Sample> snp_sample(const Options& options);

/// Quotes of many platforms of one model under one authority: more than a verifier remembers, so
/// that in rotation each is new to it.
struct Fleet {
    Sample sample;  ///< the endorsements that all share; `quote` is the first's
    std::vector<Bytes> quotes;
};
[[nodiscard]] Result<Fleet> tdx_fleet();

/// The endorsements of a sample, recognised and parsed.
[[nodiscard]] Result<Endorsements> parse_endorsements(const Sample& sample);

}  // namespace attestd::bench
