// SessionAttester: the session's platform for a source of secrets that gives evidence itself.
//
// The source lives on a thread of its own, the session on the event loop: questions are posted
// there, and the source's thread waits for the answer up to its deadline. The session's own renewal
// goes before, as it does for workloads.
#pragma once

#include <string>

#include "agent/kbs/client.h"
#include "agent/session.h"

namespace attestd {

class SessionAttester final : public kbs::Attester {
 public:
    /// All outlive the object. `asker` is what the session calls whoever asks; no workload's id has
    /// a colon in it.
    SessionAttester(Io& io, Session& session, const std::string& source)
        : io_(io), session_(session), asker_("source:" + source) {}

    [[nodiscard]] Result<kbs::TeeKind> kind() override;
    [[nodiscard]] Result<Evidence> collect(const ReportData& report_data,
                                           Fetcher::Deadline deadline) override;

 private:
    Io& io_;
    Session& session_;
    std::string asker_;
};

}  // namespace attestd
