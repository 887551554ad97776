// CocoAsKind: Trustee's attestation service by its restful interface, without a key broker
// (`spec/kbs.md` sections 6.1 and 6.3).
//
//      report data = SHA-384({"nonce": ours}) --> POST /attestation --> a token (EAR)
//
// The service has no challenge of its own, so freshness is ours alone: the runtime data with our
// nonce goes along always, and a token that does not repeat it, and nothing beside it, is refused.
#pragma once

#include "agent/remote/remote_kind.h"

namespace attestd::remote {

class CocoAsKind final : public RemoteKind {
 public:
    /// Errors of TokenKeys::make(); Errc::bad_value for init-data that is not UTF-8.
    [[nodiscard]] static Result<std::unique_ptr<VerifierKind>> make(const VerifierConfig& config,
                                                                    Surroundings around);

    [[nodiscard]] std::string_view name() const noexcept override { return "coco_as"; }

 private:
    CocoAsKind(const VerifierConfig& config, TokenKeys keys, Surroundings around)
        : RemoteKind(config, std::move(around)), config_(*config.remote), keys_(std::move(keys)) {}
    [[nodiscard]] Result<ReportData> challenge(ByteView nonce, Fetcher::Deadline deadline) override;
    [[nodiscard]] Result<Word> ask(const Evidence& evidence, const EvidenceFacts& facts,
                                   const ReportData& expected, Time now,
                                   Fetcher::Deadline deadline) override;
    [[nodiscard]] Result<std::string> attestation_body(const Evidence& evidence) const;
    [[nodiscard]] Result<void> judge(JsonObject& claims, const Evidence& evidence,
                                     const EvidenceFacts& facts, const ReportData& expected) const;

    RemoteVerifierConfig config_;
    TokenKeys keys_;
    std::string nonce_;  // of this attempt, as it stands in the runtime data
};

}  // namespace attestd::remote
