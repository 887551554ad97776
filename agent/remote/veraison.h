// VeraisonKind: Veraison's challenge-response API (`spec/remote-verifiers.md` section 3): SEV-SNP.
//
//      newSession?nonce=ours --> session --evidence--> complete, or processing --> ... --> DELETE
//
// The session's nonce is the report data, all 64 bytes of it, so it has to be ours: one that the
// service chose would leave no room for another. The token repeats it ("eat_nonce").
#pragma once

#include "agent/remote/remote_kind.h"

namespace attestd::remote {

class VeraisonKind final : public RemoteKind {
 public:
    /// Errors of TokenKeys::make().
    [[nodiscard]] static Result<std::unique_ptr<VerifierKind>> make(const VerifierConfig& config,
                                                                    Surroundings around);

    [[nodiscard]] std::string_view name() const noexcept override { return "veraison"; }

 private:
    VeraisonKind(const VerifierConfig& config, TokenKeys keys, Surroundings around)
        : RemoteKind(config, std::move(around)), config_(*config.remote), keys_(std::move(keys)) {}
    [[nodiscard]] Result<ReportData> challenge(ByteView nonce, Fetcher::Deadline deadline) override;
    [[nodiscard]] Result<Word> ask(const Evidence& evidence, const EvidenceFacts& facts,
                                   const ReportData& expected, Time now,
                                   Fetcher::Deadline deadline) override;
    /// The token of the session at `url`, once it is complete.
    [[nodiscard]] Result<std::string> result_of(const std::string& url, const std::string& body,
                                                Fetcher::Deadline deadline);
    [[nodiscard]] Result<void> judge(JsonObject& claims, const ReportData& expected) const;
    [[nodiscard]] Result<Word> ask_session(const std::string& url, const Evidence& evidence,
                                           const EvidenceFacts& facts, const ReportData& expected,
                                           Time now, Fetcher::Deadline deadline);
    void drop_session(const std::string& url);

    RemoteVerifierConfig config_;
    TokenKeys keys_;
    std::string session_url_;  // of this attempt
};

}  // namespace attestd::remote
