// Evidence as JSON, in the two forms that travel over sockets. Parsing and writing in one place.
//
// What a platform plug-in answers (attestd-plugin(7)); the last three may be absent:
//   {"tee": "tdx"|"snp", "evidence": base64, "endorsements": [base64...], "event_log": base64,
//    "service_manifest": base64}
// "evidence" is a TDX quote or an SNP report; or, of an Azure confidential VM, the whole JSON of
// version 2 (quote/azure/azure_evidence.h), in which a vTPM's quote carries the report data.
// What attestd answers to POST /v1/evidence, and `attestctl quote --json` prints (attestd-api(7)):
//   {"tee": ..., "interface": ..., "workload": ..., "report_data": hex, "quote": base64,
//    "endorsements": [base64...], "event_log": base64, "service_manifest": base64}
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "quote/base/json.h"
#include "quote/base/result.h"
#include "quote/platform/evidence.h"

namespace attestd {

/// attestd's answer.
struct EvidenceDocument {
    Evidence evidence;
    std::string workload;    ///< whom the report data names; empty straight from a platform
    ReportData report_data;  ///< what the sender says that it put in; nothing checks it
};

/// A plug-in's answer; `interface` stays empty. Errc::bad_json and the other errors of JSON,
/// Errc::bad_value, Errc::bad_encoding. `name` is for error texts.
[[nodiscard]] Result<Evidence> parse_plug_in_evidence(std::string_view text, std::string name);
/// The same within a larger document.
[[nodiscard]] Result<Evidence> parse_plug_in_evidence(const JsonValue& value);
/// The form of a plug-in's answer, and the same on one line.
[[nodiscard]] nlohmann::ordered_json plug_in_members(const Evidence& evidence);
[[nodiscard]] std::string plug_in_json(const Evidence& evidence);

/// Whether `text` is an object with the members of attestd's answer: for recognising.
[[nodiscard]] bool looks_like_evidence_document(std::string_view text);

/// attestd's answer. The same errors.
[[nodiscard]] Result<EvidenceDocument> parse_evidence_document(std::string_view text,
                                                               std::string name);

/// attestd's answer on one line.
[[nodiscard]] std::string to_json(const EvidenceDocument& document);

}  // namespace attestd
