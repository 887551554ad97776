// What the commands that judge evidence take of Azure confidential VMs: a paravisor's blob, a key
// broker's JSON, and the quotes beside a blob.
#pragma once

#include <string>

#include "agent/cli/command.h"
#include "agent/cli/evidence_input.h"
#include "quote/base/bytes.h"
#include "verifier/verifier.h"

namespace CLI {
class App;
}

namespace attestd::cli {

struct AzureOptions {
    std::string tpm_quote, td_quote;  ///< files; empty when not given
};

void add_azure_options(CLI::App& command, AzureOptions& options);

/// Whether `bytes` are a paravisor's blob or a key broker's JSON around one.
[[nodiscard]] bool looks_like_azure_input(ByteView bytes);

/// Takes them into `out`; a VCEK in the JSON counts as an endorsement. Wrong usage for JSON that
/// is not in its form. A blob that is not in its form is evidence to refuse.
[[nodiscard]] Outcome<int> take_azure_evidence(EvidenceInput& out, Bytes bytes,
                                               const std::string& name);

/// Adds the quotes that were given apart. Wrong usage for a quote beside other evidence, one that
/// is there already, and a file that cannot be read.
[[nodiscard]] Outcome<int> add_azure_quotes(EvidenceInput& input, const AzureOptions& options);

/// Judges the evidence of `input`, whichever it is, by a verifier that remembers nothing.
[[nodiscard]] AttestationResult appraise(const EvidenceInput& input, const AppraisalPolicy& policy,
                                         const Expectations& expected, Time now);

}  // namespace attestd::cli
