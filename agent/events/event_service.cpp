#include "agent/events/event_service.h"

#include "agent/log.h"

namespace attestd {
Task<void> EventService::open() {
    auto work = [&events = events_]() -> Result<EventsStatus> {
        static_cast<void>(events.open());  // the status says what came of it
        return events.status();
    };
    auto status = co_await run_blocking(strand_, std::move(work));
    if (status) take_status(*std::move(status));
}

void EventService::take_status(EventsStatus status) {
    const bool is_news = status.state == EventsState::lost && status_.state != EventsState::lost;
    status_ = std::move(status);
    if (!is_news) return;
    log_event(LogLevel::error, "events.lost",
              {{"why", status_.detail}, {"effect", "no event is measured in this boot"}});
}

Task<Result<void>> EventService::record_config(Sha256 config_digest) {
    auto work = [&events = events_,
                 config_digest]() -> Result<std::pair<Result<void>, EventsStatus>> {
        auto recorded = events.record_config(config_digest);
        return std::pair(std::move(recorded), events.status());
    };
    auto done = co_await run_blocking(strand_, std::move(work));
    if (!done) co_return tl::make_unexpected(std::move(done).error());
    take_status(std::move(done->second));
    co_return std::move(done->first);
}

Task<Result<RuntimeEvent>> EventService::record(std::string workload, std::string operation,
                                                std::string content) {
    auto work =
        [&events = events_, workload = std::move(workload), operation = std::move(operation),
         content = std::move(content)]() -> Result<std::pair<Result<RuntimeEvent>, EventsStatus>> {
        auto recorded = events.record_for_workload(workload, operation, content);
        return std::pair(std::move(recorded), events.status());
    };
    auto done = co_await run_blocking(strand_, std::move(work));
    if (!done) co_return tl::make_unexpected(std::move(done).error());
    take_status(std::move(done->second));
    co_return std::move(done->first);
}

Task<Result<Bytes>> EventService::log() {
    auto work = [&events = events_]() -> Result<Bytes> {
        const auto opened = events.open();
        if (!opened && opened.error().code != Errc::event_lost)
            return tl::make_unexpected(opened.error());
        Bytes log = events.log();
        return log.empty() ? write_runtime_log({}) : log;
    };
    co_return co_await run_blocking(strand_, std::move(work));
}

}  // namespace attestd
