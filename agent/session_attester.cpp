#include "agent/session_attester.h"

#include "agent/awaited_answer.h"

namespace attestd {
namespace {

constexpr auto kLoopPatience = std::chrono::seconds(10);  // for what the loop knows already
constexpr const char* kTooLate = "the platform gave no evidence in time";

Result<kbs::TeeKind> kind_of_session(const Session& session) {
    const auto kind = session.tee_kind(BootClock::now());
    if (!kind) return fail(Errc::not_affirming, "there is no affirming attestation result");
    return *kind;
}

Task<void> answer_with_evidence(Session& session, std::string asker, ReportData report_data,
                                Answer<Evidence> answer) {
    answer->set_value(co_await session.collect(std::move(asker), report_data));
}

}  // namespace

Result<kbs::TeeKind> SessionAttester::kind() {
    const auto answer = make_answer<kbs::TeeKind>();
    asio::post(io_, [answer, &session = session_] { answer->set_value(kind_of_session(session)); });
    return wait_for_answer(answer, std::chrono::steady_clock::now() + kLoopPatience, kTooLate);
}

Result<Evidence> SessionAttester::collect(const ReportData& report_data,
                                          Fetcher::Deadline deadline) {
    const auto answer = make_answer<Evidence>();
    asio::post(io_, [answer, report_data, asker = asker_, &session = session_, &io = io_] {
        spawn(io, answer_with_evidence(session, asker, report_data, answer));
    });
    return wait_for_answer(answer, deadline, kTooLate);
}

}  // namespace attestd
