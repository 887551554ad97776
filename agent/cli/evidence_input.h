// What the commands that judge evidence are given: evidence, endorsements beside it, trust anchors,
// a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/cli/command.h"
#include "agent/collateral/bundle.h"
#include "quote/azure/azure_evidence.h"
#include "quote/base/bytes.h"
#include "quote/base/time.h"
#include "verifier/endorsements.h"
#include "verifier/trust_anchors.h"

namespace attestd::cli {

struct EvidenceInput {
    Bytes evidence;  ///< a quote, or a bare report; of Azure's evidence, the one inside
    std::optional<AzureEvidence> azure;  ///< all of it, when it is Azure's
    Bytes event_log;                     ///< of a bundle or document; empty when there is none
    Bytes service_manifest;              ///< of a document; empty when there is none
    Endorsements endorsements;
    std::vector<Bundle::Item> files;  ///< the endorsements as they were given
    TrustAnchors anchors;
    bool anchors_added = false;

    /// Adds one more endorsement, as if it had been given. Whatever is no endorsement is an error.
    [[nodiscard]] Result<void> add(ByteView bytes, const std::string& name);
};

/// Reads evidence (or a bundle, or the JSON of POST /v1/evidence) from `file`, endorsements from
/// files and folders, and further trust anchors. A certificate table behind a report counts as
/// endorsements. Wrong usage for anything that cannot be read or is none of these.
[[nodiscard]] Outcome<EvidenceInput> read_evidence_input(
    const std::string& file, const std::vector<std::string>& endorsements,
    const std::vector<std::string>& trust_anchors);

/// The same without evidence.
[[nodiscard]] Outcome<EvidenceInput> read_endorsement_input(
    const std::vector<std::string>& endorsements, const std::vector<std::string>& trust_anchors);

/// RFC 3339, or @ and seconds since 1970; the present for an empty text.
[[nodiscard]] Result<Time> parse_time_option(const std::string& text);
[[nodiscard]] Time present();

}  // namespace attestd::cli
