// MaaKind: Microsoft Azure Attestation (`spec/remote-verifiers.md` section 2): SEV-SNP and TDX,
// bare and below a paravisor of Azure's.
//
// The service gives no nonce. Report data = SHA-256(session_data of ours), zeros; below a paravisor
// its JSON is the runtime data, and holds our report data in "user-data". The token repeats the
// runtime data as claims ("x-ms-runtime").
#pragma once

#include "agent/remote/remote_kind.h"

namespace attestd::remote {

class MaaKind final : public RemoteKind {
 public:
    /// Errors of TokenKeys::make(); Errc::bad_value for an endorsement that is no certificate.
    [[nodiscard]] static Result<std::unique_ptr<VerifierKind>> make(const VerifierConfig& config,
                                                                    Surroundings around);

    [[nodiscard]] std::string_view name() const noexcept override { return "maa"; }

 private:
    MaaKind(const VerifierConfig& config, TokenKeys keys, std::string issuers, Surroundings around)
        : RemoteKind(config, std::move(around)),
          config_(*config.remote),
          keys_(std::move(keys)),
          issuers_(std::move(issuers)) {}
    [[nodiscard]] Result<ReportData> challenge(ByteView nonce, Fetcher::Deadline deadline) override;
    [[nodiscard]] Result<Word> ask(const Evidence& evidence, const EvidenceFacts& facts,
                                   const ReportData& expected, Time now,
                                   Fetcher::Deadline deadline) override;
    [[nodiscard]] Result<std::string> body(const Evidence& evidence,
                                           const EvidenceFacts& facts) const;
    [[nodiscard]] Result<void> check_runtime(JsonObject& claims, const EvidenceFacts& facts,
                                             const ReportData& expected) const;
    [[nodiscard]] Result<void> check_policy(JsonObject& claims) const;

    RemoteVerifierConfig config_;
    TokenKeys keys_;
    std::string issuers_;  // PEM: certificates that configuration adds to the leaf's
    Bytes ours_;           // nonce of this attempt
};

}  // namespace attestd::remote
