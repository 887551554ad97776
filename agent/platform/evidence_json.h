// Evidence as JSON: what a platform plug-in answers, and what attestd itself answers to POST
// /v1/evidence.
//
//   {"tee": "tdx"|"snp", "evidence": base64, "endorsements": [base64...], "event_log": base64,
//    "report_data": hex}
// The last three may be absent. Parsing and writing in one place.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "quote/base/result.h"
#include "quote/platform/evidence.h"

namespace attestd {

struct EvidenceDocument {
    Evidence evidence;  ///< `interface` is not part of the JSON and stays empty
    std::optional<ReportData>
        report_data;  ///< what the sender says that it put in; nothing checks it
};

/// Errc::bad_json and the other errors of JSON, Errc::bad_value, Errc::bad_encoding. `name` is for
/// error texts.
[[nodiscard]] Result<EvidenceDocument> parse_evidence_json(std::string_view text, std::string name);

/// The JSON on one line; members that are empty are left out.
[[nodiscard]] std::string to_json(const EvidenceDocument& document);

/// The report data that the evidence itself carries, read by the parser of its format.
[[nodiscard]] Result<ReportData> report_data_of(const Evidence& evidence);

}  // namespace attestd
