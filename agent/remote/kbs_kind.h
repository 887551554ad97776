// KbsKind: the attestation service behind a Trustee key broker, asked by the broker's own handshake
// (`spec/kbs.md` sections 3 and 6).
//
// What is bound is the broker's nonce and a key of ours that is as fresh as a nonce; it serves for
// nothing else and is gone with the attempt.
#pragma once

#include "agent/kbs/handshake.h"
#include "agent/kbs/token_judge.h"
#include "agent/remote/remote_kind.h"

namespace attestd::remote {

class KbsKind final : public RemoteKind {
 public:
    /// Errors of kbs::broker_signers().
    [[nodiscard]] static Result<std::unique_ptr<VerifierKind>> make(const VerifierConfig& config,
                                                                    Surroundings around);

    [[nodiscard]] std::string_view name() const noexcept override { return "kbs"; }

 private:
    KbsKind(const VerifierConfig& config, std::optional<TokenSigners> signers, Surroundings around)
        : RemoteKind(config, std::move(around)),
          config_(*config.broker),
          signers_(std::move(signers)) {}
    [[nodiscard]] Result<ReportData> challenge(ByteView nonce, Fetcher::Deadline deadline) override;
    [[nodiscard]] Result<Word> ask(const Evidence& evidence, const EvidenceFacts& facts,
                                   const ReportData& expected, Time now,
                                   Fetcher::Deadline deadline) override;
    [[nodiscard]] kbs::SendStep sender();

    BrokerVerifierConfig config_;
    std::optional<TokenSigners> signers_;
    std::optional<kbs::OpenHandshake> open_;  // of this attempt
};

}  // namespace attestd::remote
