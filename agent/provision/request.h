// A provisioning request: a fresh public key of a running attestd, and evidence that speaks of
// nothing else. Parsing and writing in one place.
//
//   {"attestd_provision_request": 1, "request": TEXT,
//    "evidence": {"tee", "evidence", "endorsements", "event_log", "service_manifest"}}
// TEXT is itself JSON: {"expires", "id", "instance", "issued", "key", "machine"}. The evidence's
// report data is SHA-512("attestd provisioning v1" 0x00 | u32be(len TEXT) | TEXT), over the text as
// received: everything that the reader goes by is bound, and nothing is written again to check it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "quote/base/json.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/jose/jwk.h"
#include "quote/platform/evidence.h"
#include "verifier/verifier.h"

namespace attestd {

using ProvisionId = ByteArray<16>;

inline constexpr std::size_t kMaxMachineLabelLen = 64;
inline constexpr std::chrono::seconds kMaxProvisionLife{24 * 3600};
/// How far a clock here may be behind the one that a request was made by.
inline constexpr std::chrono::seconds kProvisionClockSkew{300};
/// The longest document of provisioning: a request with its evidence, or a package.
inline constexpr std::size_t kMaxProvisionLen = std::size_t{2} << 20;

/// What the evidence binds.
struct ProvisionBody {
    ProvisionId id;        ///< of the request, random
    ProvisionId instance;  ///< of the daemon's run that made it, random
    std::string machine;   ///< what it calls itself: printable ASCII; for the operator's eyes
    Time issued;
    Time expires;
    JosePublicKey key;
};

struct ProvisionRequest {
    ProvisionBody body;
    std::string body_text;  ///< as received
    Evidence evidence;      ///< not yet verified; `interface` is empty
};

/// Printable ASCII, 1 to 64 characters, no quotation mark or backslash. Errc::bad_value.
[[nodiscard]] Result<void> check_machine_label(std::string_view label);

[[nodiscard]] std::string write_provision_body(const ProvisionBody& body);
[[nodiscard]] ReportData provision_report_data(std::string_view body_text);

/// The document, on one line.
[[nodiscard]] std::string write_provision_request(std::string_view body_text,
                                                  const Evidence& evidence);

/// Errc::unsupported_version, Errc::bad_value, errors of JSON and of JosePublicKey. Nothing is
/// verified yet.
[[nodiscard]] Result<ProvisionRequest> parse_provision_request(const JsonValue& document);
[[nodiscard]] Result<ProvisionRequest> parse_provision_request(std::string_view text,
                                                               std::string name);

/// That `now` lies in the request's life. Errc::provision_expired.
[[nodiscard]] Result<void> check_provision_times(const ProvisionBody& body, Time now);

/// What a verifier must find in the evidence of this very request.
[[nodiscard]] Expectations provision_expectations(const ProvisionRequest& request);

/// That a verifier accepted the evidence, and that it is of the TEE that the request names.
/// Errc::provision_binding when it speaks of something else than this request;
/// Errc::provision_machine, with the first reason, when the machine is not one to be trusted.
[[nodiscard]] Result<void> check_provision_result(const ProvisionRequest& request,
                                                  const AttestationResult& result);

}  // namespace attestd
