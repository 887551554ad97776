// ItaKind: Intel Trust Authority (`spec/remote-verifiers.md` section 1): TDX, bare and below a
// paravisor of Azure's.
//
// GET nonce; report data = SHA-512(its val | its iat | session_data of ours); POST attest; a token
// whose "verifier_nonce", held data and report data say the same.
#pragma once

#include "agent/remote/remote_kind.h"

namespace attestd::remote {

class ItaKind final : public RemoteKind {
 public:
    /// Errors of TokenKeys::make().
    [[nodiscard]] static Result<std::unique_ptr<VerifierKind>> make(const VerifierConfig& config,
                                                                    Surroundings around);

    [[nodiscard]] std::string_view name() const noexcept override { return "ita"; }

 private:
    /// As it came, and the bytes of what is bound.
    struct Nonce {
        std::string val, iat, signature;  // base64
        Bytes bound;                      // val and iat, decoded
    };
    ItaKind(const VerifierConfig& config, TokenKeys keys, Surroundings around)
        : RemoteKind(config, std::move(around)), config_(*config.remote), keys_(std::move(keys)) {}
    [[nodiscard]] Result<ReportData> challenge(ByteView nonce, Fetcher::Deadline deadline) override;
    [[nodiscard]] Result<Word> ask(const Evidence& evidence, const EvidenceFacts& facts,
                                   const ReportData& expected, Time now,
                                   Fetcher::Deadline deadline) override;
    [[nodiscard]] Result<FetchResponse> call(FetchRequest request, Fetcher::Deadline deadline);
    [[nodiscard]] std::string attest_body(const EvidenceFacts& facts) const;
    [[nodiscard]] Result<void> check_binding(JsonObject& claims, const EvidenceFacts& facts,
                                             const ReportData& expected) const;
    void check_policies(JsonObject& claims, Findings& out) const;
    [[nodiscard]] static Result<Nonce> parse_nonce(const FetchResponse& answer);

    RemoteVerifierConfig config_;
    TokenKeys keys_;
    Bytes ours_;  // nonce of this attempt
    Nonce theirs_;
};

}  // namespace attestd::remote
