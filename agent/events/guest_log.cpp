#include "agent/events/guest_log.h"

#include "quote/boot/event_log.h"
#include "quote/platform/configfs_tsm.h"

namespace attestd {

Result<Evidence> GuestLogPlatform::collect(const ReportData& report_data, Deadline deadline) {
    auto evidence = inner_.collect(report_data, deadline);
    // A vTPM's log explains PCRs, and comes with the evidence or not at all.
    if (evidence && evidence->tee == Tee::tdx && !is_azure(*evidence)) add_log(*evidence);
    return evidence;
}

void GuestLogPlatform::add_log(Evidence& evidence) {
    if (evidence.event_log.empty()) evidence.event_log = read_boot_event_log(system_);
    if (evidence.event_log.empty()) return;
    // A log that does not take the other one is shown as it is: its reader says what is wrong.
    if (auto merged = merge_event_logs(evidence.event_log, events_.log()))
        evidence.event_log = *std::move(merged);
}

}  // namespace attestd
