// Forged evidence with all that its appraisal depends on, to be spoilt in one place by a test.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/support/forge/collateral_forge.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"
#include "verifier/verifier.h"

namespace attestd::test {

/// The time at which forged evidence is good.
[[nodiscard]] Time now();
/// How long its endorsements are: from an hour before now() for 30 days.
[[nodiscard]] Window fresh();

/// Everything that goes into one appraisal.
struct Setting {
    Bytes evidence;
    std::vector<Bytes> endorsements;
    std::vector<Bytes> anchors;
    AppraisalPolicy policy;
    Expectations expected;
    Time at = now();
};

[[nodiscard]] TrustAnchors anchors_of(const Setting& setting);
[[nodiscard]] Endorsements endorsements_of(const Setting& setting);
/// By a verifier that remembers nothing.
[[nodiscard]] AttestationResult appraise(const Setting& setting);
/// By a verifier that may.
[[nodiscard]] AttestationResult appraise_by(LocalVerifier& verifier, const Setting& setting);

/// "accepted", "refused: id id" or "undecided: id": the verdict and the ids of what denies, in
/// order.
[[nodiscard]] std::string outcome_of(const AttestationResult& result);
[[nodiscard]] inline std::string outcome(const Setting& setting) {
    return outcome_of(appraise(setting));
}
/// Ids of all findings, with their severity; for comparing two results.
[[nodiscard]] std::vector<std::string> all_ids(const AttestationResult& result);
[[nodiscard]] bool has_finding(const AttestationResult& result, std::string_view id);

/// The shared Intel hierarchy, under the platform or the processor CA.
[[nodiscard]] const forge::IntelHierarchy& intel(forge::PckCa ca = forge::PckCa::platform);

struct IntelCase {
    explicit IntelCase(forge::QuoteSpec spec = forge::tdx_v4());

    [[nodiscard]] forge::QuoteParts parts() const;
    [[nodiscard]] forge::Collateral signed_collateral() const;
    [[nodiscard]] Setting setting() const;

    forge::QuoteSpec spec;
    forge::PckFields machine;
    forge::CollateralSpec collateral;
    /// Applied after signing.
    std::function<void(forge::QuoteParts&)> spoil_quote;
    std::function<void(forge::Collateral&)> spoil_collateral;
};

[[nodiscard]] inline forge::TdBody& td(IntelCase& c) {
    return std::get<forge::TdBody>(c.spec.body);
}

/// The endorsements of a collateral one by one, as Intel's service gives them: two documents, two
/// CRLs and three certificates.
[[nodiscard]] std::vector<Bytes> taken_apart(const forge::Collateral& collateral,
                                             const forge::IntelHierarchy& intel);

struct SnpCase {
    explicit SnpCase(forge::Product product = forge::Product::milan, std::uint32_t version = 3,
                     forge::ReportKey key = forge::ReportKey::vcek);

    [[nodiscard]] bool vlek() const noexcept { return key == forge::ReportKey::vlek; }
    [[nodiscard]] forge::AmdHierarchy amd() const;
    [[nodiscard]] Bytes report() const;
    /// [leaf, intermediate, root], then the list if any.
    [[nodiscard]] std::vector<Bytes> endorsements() const;
    [[nodiscard]] Setting setting() const;

    forge::Product product;
    forge::ReportKey key;
    forge::SnpFields fields;
    forge::CertificateSpec leaf, intermediate, root;
    std::optional<forge::CrlSpec> crl;
    std::optional<forge::Issuer> leaf_issuer, intermediate_issuer,
        crl_issuer;                            ///< another than it must be
    std::function<void(Bytes&)> spoil_report;  ///< after signing
};

inline constexpr std::string_view kCspId = "CN=cc-us-east-2.amazonaws.com";

}  // namespace attestd::test
