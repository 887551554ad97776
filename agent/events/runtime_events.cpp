#include "agent/events/runtime_events.h"

#include <fmt/format.h>

#include "quote/base/encoding.h"
#include "quote/platform/tdx_guest.h"

namespace attestd {
namespace {

constexpr std::string_view kWorkloadDomain = "workload/";
constexpr std::size_t kOwnEvents = 64;  // places that no workload's events take

}  // namespace

tl::unexpected<Error> RuntimeEvents::lose(std::string why) {
    state_ = EventsState::lost;
    detail_ = std::move(why);
    return fail(Errc::event_lost, detail_);
}

Result<void> RuntimeEvents::open() {
    if (state_ == EventsState::good) return {};
    if (state_ == EventsState::lost) return fail(Errc::event_lost, detail_);
    auto done = reconcile();
    if (done) return done;
    if (done.error().code == Errc::platform_unsupported) {
        state_ = EventsState::unsupported;
        detail_ = done.error().detail;
    } else if (done.error().code == Errc::event_lost) {
        return lose(done.error().detail);
    }
    return done;
}

// After a crash the register holds what all events lead to, or all but the last: that one was
// written and not measured, and is owed.
Result<void> RuntimeEvents::reconcile() {
    ATTESTD_TRY(const RtmrValue value, read_rtmr(system_, kRuntimeRegister));
    ATTESTD_TRY(EventJournal journal, EventJournal::open(path_, boot_id_));
    const std::size_t num = journal.events().size();
    if (journal.has_begun() && value != journal.value_after(num)) {
        if (num == 0 || value != journal.value_after(num - 1)) {
            journal_ = std::move(journal);
            return lose(
                fmt::format("RTMR3 holds {}, the log of {} events leads to {}: somebody "
                            "else extended it, or the log was put back",
                            to_hex(value), num, to_hex(journal_->value_after(num))));
        }
        ATTESTD_CHECK(
            extend_rtmr(system_, kRuntimeRegister, runtime_event_digest(journal.events().back())));
    }
    journal_ = std::move(journal);
    state_ = EventsState::good;
    detail_.clear();
    return {};
}

Result<RuntimeEvent> RuntimeEvents::record_for_workload(std::string_view workload,
                                                        std::string operation,
                                                        std::string content) {
    RuntimeEvent event{std::string(kWorkloadDomain) + std::string(workload), std::move(operation),
                       std::move(content)};
    return record(std::move(event));
}

Result<void> RuntimeEvents::record_config(const Sha256& config_digest) {
    ATTESTD_CHECK(open());
    RuntimeEvent event = config_event(config_digest);
    if (last_config(journal_->events()) == event.content) return {};
    ATTESTD_CHECK(record(std::move(event)));
    return {};
}

Result<RuntimeEvent> RuntimeEvents::record(RuntimeEvent event) {
    ATTESTD_CHECK(check_runtime_event(event));
    ATTESTD_CHECK(open());
    const std::size_t num = journal_->events().size();
    const bool is_own = !event.domain.starts_with(kWorkloadDomain);
    if (num >= kMaxRuntimeEvents - (is_own ? 0 : kOwnEvents)) {
        return fail(Errc::event_refused,
                    fmt::format("the log holds {} events, as many as it may", num));
    }
    ATTESTD_TRY(const RtmrValue now, read_rtmr(system_, kRuntimeRegister));
    // What somebody else extended the register with before, this log cannot explain; it says so.
    if (!journal_->has_begun()) ATTESTD_CHECK(journal_->begin(now));
    if (now != journal_->value_after(journal_->events().size()))
        return lose("RTMR3 was extended by somebody else: the log cannot explain it any more");
    ATTESTD_CHECK(journal_->append(event));
    ATTESTD_CHECK(extend(event));
    return event;
}

// The event stands in the journal, on disk.
Result<void> RuntimeEvents::extend(const RuntimeEvent& event) {
    auto extended = extend_rtmr(system_, kRuntimeRegister, runtime_event_digest(event));
    if (extended) return {};
    const std::size_t num = journal_->events().size();
    const auto after = read_rtmr(system_, kRuntimeRegister);
    if (after && *after == journal_->value_after(num)) return {};
    // Not measured, so it does not stand in the log either.
    if (after && *after == journal_->value_after(num - 1)) {
        ATTESTD_CHECK(journal_->take_back());
        return tl::make_unexpected(std::move(extended).error());
    }
    if (after) return lose("RTMR3 and its log disagree: " + extended.error().detail);
    state_ = EventsState::unopened;  // what came of it, the next look at the register tells
    return tl::make_unexpected(std::move(extended).error());
}

Bytes RuntimeEvents::log() const {
    if (!journal_ || journal_->events().empty()) return {};
    return write_runtime_log(journal_->events());
}

EventsStatus RuntimeEvents::status() const {
    EventsStatus out{state_, journal_ ? journal_->events().size() : 0, detail_};
    if (state_ == EventsState::good && journal_->has_begun() && !all_zero(journal_->base()))
        out.detail = "RTMR3 had been extended by somebody else before the first event";
    return out;
}

}  // namespace attestd
