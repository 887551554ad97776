// Evidence for a workload: how it asks, and what is put into the report data for it.
#pragma once

#include <string>

#include "quote/base/result.h"
#include "quote/platform/evidence.h"

namespace attestd {

/// SHA-512("attestd workload evidence v1" 0x00 | u32be(len id) | id | u32be(len data) | data):
/// names the workload, so that one cannot speak as another, and never equals the session's own.
[[nodiscard]] ReportData workload_report_data(std::string_view workload_id, ByteView data);

/// The body of POST /v1/evidence.
struct EvidenceRequest {
    Bytes data;        ///< at most 64 bytes
    bool raw = false;  ///< put the bytes in unchanged
};

/// Errc::bad_request and the JSON errors.
[[nodiscard]] Result<EvidenceRequest> parse_evidence_request(ByteView body);

}  // namespace attestd
