// An event log held against the registers of verified evidence, and what it explains against
// policy.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "quote/boot/event_log.h"
#include "quote/intel/quote.h"
#include "verifier/azure/azure_claims.h"
#include "verifier/internal/pending.h"
#include "verifier/policy.h"

namespace attestd {

/// Registers that a signature covers. There are none of evidence whose verification failed: a log
/// is compared with nothing else.
class QuotedRegisters final {
 public:
    /// RTMR0 to RTMR3 of a TD's quote.
    [[nodiscard]] static std::optional<QuotedRegisters> of(const Pending& pending,
                                                           const TdReport& report);
    /// PCRs that a vTPM quoted; empty without a quote.
    [[nodiscard]] static std::optional<QuotedRegisters> of(const Pending& pending,
                                                           const AzureClaims* claims);

    [[nodiscard]] EventLogKind kind() const noexcept { return kind_; }
    [[nodiscard]] const std::map<std::string, Bytes>& values() const noexcept { return values_; }

 private:
    explicit QuotedRegisters(EventLogKind kind) : kind_(kind) {}
    EventLogKind kind_;
    std::map<std::string, Bytes> values_;  // by name: "rtmr0", "pcr7"
};

/// Replays `log` and compares; `registers` is empty for evidence that has none, which is an error
/// where policy names an event log. Errors: Errc::event_log_malformed, Errc::event_log_mismatch,
/// findings `event-log.*`; absent: Errc::event_log_missing. Nothing is done when the evidence
/// failed.
void appraise_event_log(Pending& pending, const EventLogPolicy& policy, ByteView log,
                        const std::optional<QuotedRegisters>& registers);

}  // namespace attestd
