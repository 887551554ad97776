// Inspection of what paravisors, vTPMs and SVSMs publish. Nothing is verified.
#pragma once

#include <string_view>

#include "agent/cli/inspection.h"
#include "quote/base/bytes.h"
#include "verifier/endorsements.h"

namespace attestd::cli {

/// A paravisor's blob, with the hardware report inside.
[[nodiscard]] Result<Inspection> inspect_hcl_blob(ByteView bytes, const Endorsements& given);

/// A key broker's evidence around a blob.
[[nodiscard]] Result<Inspection> inspect_azure_evidence(std::string_view text,
                                                        const Endorsements& given);

/// A vTPM's quote with its PCR values (JSON).
[[nodiscard]] Result<Inspection> inspect_vtpm_quote(std::string_view text);

/// The manifest of an SVSM's services.
[[nodiscard]] Result<Inspection> inspect_service_manifest(ByteView bytes);

}  // namespace attestd::cli
