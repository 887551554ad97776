// The external platform protocol (attestd-plugin(7)), as attestd-azure-vtpm answers it. Parsing and
// writing in one place.
#pragma once

#include <string>

#include "quote/base/result.h"
#include "quote/base/secret.h"
#include "quote/platform/evidence.h"
#include "quote/platform/vtpm_key.h"

namespace attestd::vtpm {

/// The 64 bytes in {"report_data": hex}. The errors of JSON and of hexadecimal.
[[nodiscard]] Result<ReportData> parse_evidence_request(std::string_view body);

/// {"pcrs": [0, 7], "context": hex of 32 bytes}. Errc::platform_unsupported for a request of what
/// SNP firmware derives, Errc::bad_request and the errors of JSON.
[[nodiscard]] Result<VtpmKeyRequest> parse_key_request(std::string_view body);

/// {"key": base64}, in memory for secrets. `key` is 32 bytes. Errc::memory_locked.
[[nodiscard]] Result<Secret> key_answer(const Secret& key);

/// The status and the problem document of a refusal.
[[nodiscard]] unsigned status_of(Errc code) noexcept;
[[nodiscard]] std::string problem_answer(const Error& error);

}  // namespace attestd::vtpm
