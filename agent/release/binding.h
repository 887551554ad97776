// Configuration binding: is this configuration the one that the machine was launched for?
//
// The configuration lies on a disk that the host can write. A launch field holds its digest, or
// RTMR3 was extended with it; the hardware signs either, and attestd compares (DESIGN section 8).
#pragma once

#include "config/config.h"
#include "verifier/result.h"

namespace attestd {

/// Errc::binding_mismatch when `config` is bound to a field of the evidence and that field does not
/// hold its digest, or the evidence has no such field; when it is bound to RTMR3, and the events
/// that explain the evidence's registers do not name it as the last configuration. Nothing is
/// compared for `none` and `image`.
[[nodiscard]] Result<void> check_binding(const Config& config, const AttestationResult& result);

}  // namespace attestd
