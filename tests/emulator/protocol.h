// JSON of the two sockets: the `external` platform protocol (attestd-plugin(7)) and the control
// requests.
#pragma once

#include <string>
#include <string_view>

#include "tests/emulator/machine.h"

namespace attestd::devsim {

/// `{"report_data": 128 hex digits}`.
[[nodiscard]] Result<ReportData> parse_evidence_request(std::string_view body);
/// `{"tee": ..., "evidence": base64, "endorsements": [base64, ...], "event_log": base64}`.
[[nodiscard]] std::string evidence_json(Tee tee, const MachineEvidence& evidence);

/// `{"guest_field_select": n, "vmpl": n, "guest_svn": n, "tcb_version": 16 hex digits}`; the digits
/// are the eight bytes as they stand in a report.
[[nodiscard]] Result<DerivedKeyRequest> parse_key_request(std::string_view body);
/// `{"key": base64}`.
[[nodiscard]] std::string key_json(ByteView key);

/// Members of Control by their names; "fail" for the fault, "delay_ms" for the delay, and "device"
/// with an object of DeviceFaults: "errno" and "times", "lost_commits", "foreign_writes",
/// "vanishing", "stuck_rmdirs", "read_len", "empty", "provider", "firmware_error", "vmm_error",
/// "status", "certs_len", "zero_key".
[[nodiscard]] Result<Control> parse_control(std::string_view body);
[[nodiscard]] std::string state_json(const Machine& machine);

/// `{"code": ..., "title": ..., "detail": ..., "status": ...}` (RFC 9457).
[[nodiscard]] std::string problem_json(const Error& error, unsigned status);

}  // namespace attestd::devsim
