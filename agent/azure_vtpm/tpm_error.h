// What a TPM or its stack answered, in words that a person can act on.
#pragma once

#include <tss2/tss2_common.h>

#include <string_view>

#include "quote/base/result.h"

namespace attestd::vtpm {

/// Errc::vtpm_failed: the step, the response code decoded and in hexadecimal, and what would mend
/// it where that is known.
[[nodiscard]] Error tpm_error(std::string_view step, TSS2_RC code);

/// Whether the TPM says that a handle or index stands for nothing.
[[nodiscard]] bool is_absent(TSS2_RC code) noexcept;

/// Whether PCRs changed while a policy session was at work.
[[nodiscard]] bool is_changed_pcr(TSS2_RC code) noexcept;

}  // namespace attestd::vtpm
