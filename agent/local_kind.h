// LocalKind: evidence appraised in this process, with endorsements from files, from the evidence's
// own company and from the collateral cache; no network.
//
// Whatever is dated is held against the newest one ever seen (agent/collateral/floors.h), wherever
// it came from. What is missing or ends before long is named, for somebody else to fetch.
#pragma once

#include <filesystem>
#include <optional>

#include "agent/collateral/provider.h"
#include "agent/verifier_kind.h"

namespace attestd {

/// A file of endorsements, as it is.
struct EndorsementFile {
    std::string name;
    Bytes bytes;
};

class LocalKind final : public VerifierKind {
 public:
    /// Parses policy and trust anchors now, with the errors of parse_appraisal_policy() and
    /// TrustAnchors; endorsements are read at each appraisal, so that fresh ones count without a
    /// reload.
    [[nodiscard]] static Result<std::unique_ptr<VerifierKind>> make(const VerifierConfig& config);

    std::string_view name() const noexcept override { return "local"; }

    /// Besides what VerifierKind says: Errc::clock_before_collateral, errors of the cache's folder,
    /// and Errc::crl_rollback or Errc::collateral_rollback when an endorsement that was left out
    /// for its age is missed.
    [[nodiscard]] Result<AttestationResult> appraise(const Evidence& evidence,
                                                     const Expectations& expected,
                                                     Time now) override;
    [[nodiscard]] std::vector<EndorsementId> take_wanted() override;

 private:
    struct Gathered;
    struct Given;
    LocalKind(TrustAnchors anchors, Endorsements roots, AppraisalPolicy policy,
              const VerifierConfig& config);
    /// `evidence` as the hardware gave it; within `azure`, when that is not null.
    [[nodiscard]] Result<AttestationResult> appraise(const Evidence& evidence,
                                                     const AzureEvidence* azure,
                                                     const Expectations& expected, Time now);
    [[nodiscard]] Result<void> open_cache();
    [[nodiscard]] static Result<std::vector<Given>> take_apart(
        const std::vector<EndorsementFile>& files, const std::vector<Bytes>& hints);
    void add_issuers(Endorsements& context, ByteView quote, Time now) const;
    [[nodiscard]] Result<void> gather(Gathered& out, const Evidence& evidence, Time now);
    [[nodiscard]] Result<void> gather_cached(Gathered& out, const Evidence& evidence, Time now);

    TrustAnchors anchors_;
    LocalVerifier verifier_;
    Endorsements roots_;  // certificates of the added anchors: an anchor is a key by its digest
    AppraisalPolicy policy_;
    std::vector<std::filesystem::path> paths_;
    std::filesystem::path cache_path_;
    bool is_test_, needs_event_log_;
    std::optional<CollateralProvider> collateral_;  // opened by the first appraisal; never fetches
    std::vector<EndorsementId> wanted_;
};

/// The endorsements among these files and folders (one level). What a folder holds and is no
/// endorsement is passed over; a file that was named must be one. Errc::not_found and others for
/// what cannot be read, and the errors of what is damaged.
[[nodiscard]] Result<std::vector<EndorsementFile>> read_endorsement_files(
    const std::vector<std::filesystem::path>& paths);

}  // namespace attestd
