// Whether evidence carries the report data that was asked for. Asked always: a device or a plug-in
// that answers another one's request looks healthy otherwise.
#pragma once

#include "quote/base/result.h"
#include "quote/platform/evidence.h"

namespace attestd {

/// The report data that the evidence itself carries, read by the parser of its format.
[[nodiscard]] Result<ReportData> report_data_of(const Evidence& evidence);

/// Errc::platform_failed when the evidence is not of the kind that it is called,
/// Errc::platform_wrong_echo when it carries other report data than `asked`, or than what an SVSM
/// makes of it where the evidence has a service's manifest.
[[nodiscard]] Result<void> check_echo(const Evidence& evidence, const ReportData& asked);

}  // namespace attestd
