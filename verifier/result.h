// AttestationResult: what a verifier concluded (RFC 9334), and AffirmingResult: the one kind of it
// that opens anything.
//
// An AffirmingResult cannot be made but from an accepted AttestationResult, and an accepted
// AttestationResult cannot be made but by appraising VerifiedEvidence: skipping a step does not
// compile.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "quote/amd/snp_report.h"
#include "quote/base/digest.h"
#include "quote/base/time.h"
#include "quote/intel/quote.h"
#include "verifier/finding.h"
#include "verifier/grade.h"

namespace attestd {

enum class Verdict : std::uint8_t {
    accepted,   ///< every check ran and passed
    refused,    ///< a check failed, or could not be made sense of
    undecided,  ///< an endorsement is absent and nothing else is wrong
};

/// Intel's words for the state of a platform (`spec/tdx.md` section 6).
struct IntelTcb {
    std::string status;  ///< terminal status; "TcbNotSupported" when no level matches
    std::optional<std::string> platform, tdx_module, qe, launch, current;
    std::optional<Time> date;
    std::vector<std::string> advisory_ids, current_advisory_ids;  ///< sorted, no repeats
};

/// The four TCB versions of an SNP report; AMD publishes no status for them.
struct SnpTcbs {
    TcbVersion reported, current, committed, launch;
};

using TcbState = std::variant<std::monostate, IntelTcb, SnpTcbs>;
/// The evidence's own statements, decoded.
using Claims = std::variant<std::monostate, IntelQuote, SnpReport>;

class VerifiedEvidence;
struct AzureClaims;
struct BootFacts;
struct AppraisalPolicy;
struct Expectations;
struct UsedEndorsements;
class AffirmingResult;

class AttestationResult final {
 public:
    [[nodiscard]] Verdict verdict() const noexcept { return verdict_; }
    [[nodiscard]] Tee tee() const noexcept { return tee_; }
    [[nodiscard]] const std::string& format() const noexcept {
        return format_;
    }  ///< "tdx-quote-v4"
    [[nodiscard]] Grade grade() const noexcept { return grade_; }
    [[nodiscard]] Time verified_at() const noexcept { return verified_at_; }
    /// The earliest end of everything the result rests on; empty when it was not accepted.
    [[nodiscard]] std::optional<Time> valid_until() const noexcept { return valid_until_; }
    [[nodiscard]] const TcbState& tcb() const noexcept { return tcb_; }
    [[nodiscard]] const Findings& findings() const noexcept { return findings_; }
    [[nodiscard]] const Claims& claims() const noexcept { return claims_; }
    /// What a paravisor and its vTPM state beside the claims; null for other evidence.
    [[nodiscard]] const AzureClaims* azure() const noexcept { return azure_.get(); }
    /// What the event log explains, once its replay gave the evidence's registers; else null.
    [[nodiscard]] const BootFacts* boot() const noexcept { return boot_.get(); }
    /// The endorsements that it rests on (used_endorsements.h). Null unless all of them were
    /// verified here, and the evidence's signature with them; policy may have refused all the same.
    [[nodiscard]] const UsedEndorsements* rests_on() const noexcept { return rests_on_.get(); }
    /// SHA-256 of the signed part of the evidence: what audit records and status call it.
    [[nodiscard]] const Sha256& evidence_digest() const noexcept { return evidence_digest_; }

    /// The result as a key that opens. Errc::not_affirming, naming the first error, unless
    /// accepted.
    [[nodiscard]] Result<AffirmingResult> affirming() const;

 private:
    friend class ResultBuilder;
    AttestationResult() = default;

    Verdict verdict_ = Verdict::refused;
    Tee tee_ = Tee::tdx;
    std::string format_;
    Grade grade_ = Grade::test;
    Time verified_at_{};
    std::optional<Time> valid_until_;
    TcbState tcb_;
    Findings findings_;
    Claims claims_;
    std::shared_ptr<const AzureClaims> azure_;
    std::shared_ptr<const BootFacts> boot_;
    std::shared_ptr<const UsedEndorsements> rests_on_;
    Sha256 evidence_digest_{};
};

/// An accepted result. Cheap to copy; immutable.
class AffirmingResult final {
 public:
    [[nodiscard]] const AttestationResult& result() const noexcept { return *result_; }
    [[nodiscard]] Time verified_at() const noexcept { return result_->verified_at(); }
    [[nodiscard]] Time valid_until() const noexcept { return *result_->valid_until(); }
    [[nodiscard]] Grade grade() const noexcept { return result_->grade(); }

 private:
    friend class AttestationResult;
    explicit AffirmingResult(std::shared_ptr<const AttestationResult> result) noexcept
        : result_(std::move(result)) {}
    std::shared_ptr<const AttestationResult> result_;
};

}  // namespace attestd
