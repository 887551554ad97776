#include "agent/cli/azure_input.h"

#include <CLI/CLI.hpp>

#include "agent/cli/evidence_file.h"
#include "quote/azure/hcl_blob.h"

namespace attestd::cli {
void add_azure_options(CLI::App& command, AzureOptions& options) {
    command.add_option("--tpm-quote", options.tpm_quote,
                       "the vTPM's quote that belongs to a paravisor's blob (JSON)");
    command.add_option("--td-quote", options.td_quote,
                       "the TD quote that belongs to a paravisor's blob with a TDREPORT");
}

bool looks_like_azure_input(ByteView bytes) {
    return looks_like_hcl_blob(bytes) || looks_like_azure_evidence(as_text(bytes));
}

Outcome<int> take_azure_evidence(EvidenceInput& out, Bytes bytes, const std::string& name) {
    out.azure.emplace();
    if (looks_like_hcl_blob(bytes)) {
        out.azure->hcl_blob = std::move(bytes);
    } else {
        auto parsed = parse_azure_evidence(as_text(bytes), name);
        if (!parsed) return wrong_usage(std::move(parsed).error());
        out.azure = *std::move(parsed);
        if (!out.azure->vcek.empty()) {
            if (auto added = out.add(out.azure->vcek, name + ": vcek"); !added)
                return wrong_usage(std::move(added).error());
        }
    }
    out.evidence = hardware_evidence_of(*out.azure);
    return exit_status::done;
}

Outcome<int> add_azure_quotes(EvidenceInput& input, const AzureOptions& options) {
    if (options.tpm_quote.empty() && options.td_quote.empty()) return exit_status::done;
    if (!input.azure) {
        return wrong_usage(
            {Errc::bad_usage, "--tpm-quote and --td-quote go with a paravisor's blob as FILE"});
    }
    if (!options.tpm_quote.empty()) {
        if (input.azure->vtpm_quote)
            return wrong_usage({Errc::bad_usage, "--tpm-quote: FILE has one already"});
        ATTESTD_TRY(const Bytes bytes, read_bytes(options.tpm_quote));
        auto quote = parse_vtpm_quote(as_text(bytes), options.tpm_quote);
        if (!quote) return wrong_usage(std::move(quote).error());
        input.azure->vtpm_quote = *std::move(quote);
    }
    if (!options.td_quote.empty()) {
        if (!input.azure->td_quote.empty())
            return wrong_usage({Errc::bad_usage, "--td-quote: FILE has one already"});
        ATTESTD_TRY(input.azure->td_quote, read_input(options.td_quote));
    }
    input.evidence = hardware_evidence_of(*input.azure);
    return exit_status::done;
}

AttestationResult appraise(const EvidenceInput& input, const AppraisalPolicy& policy,
                           const Expectations& expected, Time now) {
    LocalVerifier verifier(input.anchors);
    if (input.azure)
        return verifier.appraise(*input.azure, input.endorsements, policy, expected, now);
    return verifier.appraise(input.evidence, input.endorsements, policy, expected, now);
}

}  // namespace attestd::cli
