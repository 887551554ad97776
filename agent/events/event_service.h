// EventService: run-time events for the daemon's event loop: the blocking work goes to the strand
// of the platform, and what it says last is kept here.
#pragma once

#include "agent/events/runtime_events.h"
#include "agent/task.h"

namespace attestd {

class EventService final {
 public:
    /// `events` outlives the object; from here on it is used on `strand` alone.
    EventService(Strand strand, RuntimeEvents& events)
        : strand_(std::move(strand)), events_(events) {}

    /// Holds log and register against each other; what comes of it, status() tells.
    [[nodiscard]] Task<void> open();
    /// As RuntimeEvents::record_for_workload().
    [[nodiscard]] Task<Result<RuntimeEvent>> record(std::string workload, std::string operation,
                                                    std::string content);
    /// As RuntimeEvents::record_config().
    [[nodiscard]] Task<Result<void>> record_config(Sha256 config_digest);
    /// The log in the form of a boot log, with no event when there are none. Errors of
    /// RuntimeEvents::open(), but for Errc::event_lost: a log that is lost is still to be looked
    /// at.
    [[nodiscard]] Task<Result<Bytes>> log();

    [[nodiscard]] const EventsStatus& status() const noexcept { return status_; }
    /// Whether nothing can be measured before the next boot.
    [[nodiscard]] bool is_hopeless() const noexcept {
        return status_.state == EventsState::unsupported || status_.state == EventsState::lost;
    }

 private:
    void take_status(EventsStatus status);

    Strand strand_;
    RuntimeEvents& events_;
    EventsStatus status_;
};

}  // namespace attestd
