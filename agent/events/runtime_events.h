// RuntimeEvents: events of this machine's life measured into RTMR3, and the log that explains the
// register (`spec/guest-interfaces.md` section 6).
//
// Each event stands in the journal, on disk, before the register is extended with it; after a crash
// register and journal are held against each other, and an event that is owed is measured then. Who
// asks never chooses the domain: a workload's is "workload/" and its id, the daemon's is "attestd".
// Calls block: on the strand of the platform, like everything that reaches its device.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "agent/events/event_journal.h"
#include "quote/platform/system.h"

namespace attestd {

enum class EventsState : std::uint8_t {
    unopened,     ///< not looked at yet
    good,         ///< the log explains the register
    unsupported,  ///< this machine has no register to extend
    lost,         ///< register and journal disagree: nothing is measured until the next boot
};

[[nodiscard]] constexpr std::string_view events_state_name(EventsState state) noexcept {
    constexpr std::string_view kNames[] = {"unopened", "good", "unsupported", "lost"};
    return kNames[static_cast<std::size_t>(state)];
}

/// A copy for other threads.
struct EventsStatus {
    EventsState state = EventsState::unopened;
    std::size_t num_events = 0;
    std::string detail;  ///< why it is unsupported or lost, or what is odd
};

class RuntimeEvents final {
 public:
    /// `system` outlives the object; `path` is the journal's, in a folder that is there when the
    /// first event comes.
    RuntimeEvents(System& system, std::filesystem::path path, std::string boot_id)
        : system_(system), path_(std::move(path)), boot_id_(std::move(boot_id)) {}

    /// Holds journal and register against each other, and measures an event that a crash left owed;
    /// nothing when that was done. Errc::platform_unsupported, Errc::event_lost, and errors of disk
    /// and register, after which it may be tried again.
    [[nodiscard]] Result<void> open();

    /// Measures `operation` in the name of a workload. Errc::bad_value for a name or a content that
    /// check_runtime_event() refuses, Errc::event_refused when the log is full; errors of open().
    [[nodiscard]] Result<RuntimeEvent> record_for_workload(std::string_view workload,
                                                           std::string operation,
                                                           std::string content);

    /// Measures the digest of the configuration, as "attestd config DIGEST"; nothing when the
    /// latest such event says the same, so that a restart changes no register. Errors of open() and
    /// Errc::event_refused.
    [[nodiscard]] Result<void> record_config(const Sha256& config_digest);

    /// The log of all events so far, in the form of a boot log; empty when there are none.
    [[nodiscard]] Bytes log() const;
    [[nodiscard]] EventsStatus status() const;

 private:
    [[nodiscard]] Result<void> reconcile();
    [[nodiscard]] Result<RuntimeEvent> record(RuntimeEvent event);
    [[nodiscard]] Result<void> extend(const RuntimeEvent& event);
    [[nodiscard]] tl::unexpected<Error> lose(std::string why);

    System& system_;
    std::filesystem::path path_;
    std::string boot_id_;
    std::optional<EventJournal> journal_;
    EventsState state_ = EventsState::unopened;
    std::string detail_;
};

}  // namespace attestd
