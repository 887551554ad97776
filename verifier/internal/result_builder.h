// ResultBuilder: the only way to make an AttestationResult. Private to the verifier.
#pragma once

#include <algorithm>
#include <utility>

#include "verifier/result.h"

namespace attestd {

class ResultBuilder final {
 public:
    /// Starts a refused result of test grade about evidence whose signed part has this digest.
    ResultBuilder(Tee tee, std::string format, Time now, const Sha256& evidence_digest) {
        result_.tee_ = tee;
        result_.format_ = std::move(format);
        result_.verified_at_ = now;
        result_.evidence_digest_ = evidence_digest;
    }

    void add(Finding finding) { result_.findings_.push_back(std::move(finding)); }
    void add(const Error& error) { add(finding_of(result_.tee_, error)); }
    void error(std::string_view id, std::string detail) {
        add_own(id, Severity::error, std::move(detail));
    }
    void warning(std::string_view id, std::string detail) {
        add_own(id, Severity::warning, std::move(detail));
    }
    void info(std::string_view id, std::string detail) {
        add_own(id, Severity::info, std::move(detail));
    }

    void tcb(TcbState state) { result_.tcb_ = std::move(state); }
    void claims(Claims claims) { result_.claims_ = std::move(claims); }
    void azure(std::shared_ptr<const AzureClaims> claims) { result_.azure_ = std::move(claims); }
    void boot(std::shared_ptr<const BootFacts> facts) { result_.boot_ = std::move(facts); }
    void rests_on(std::shared_ptr<const UsedEndorsements> used) {
        result_.rests_on_ = std::move(used);
    }
    void format(std::string format) { result_.format_ = std::move(format); }
    void grade(Grade grade) { result_.grade_ = grade; }

    [[nodiscard]] const Claims& claims() const noexcept { return result_.claims_; }
    [[nodiscard]] const AzureClaims* azure() const noexcept { return result_.azure_.get(); }
    [[nodiscard]] std::size_t num_errors() const noexcept {
        const auto& all = result_.findings_;
        return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const Finding& f) {
            return f.severity == Severity::error;
        }));
    }

    /// The evidence was verified in full: accepted until `until` unless a finding denies.
    [[nodiscard]] AttestationResult finish_verified(Time until) && {
        if (num_errors() == 0) {
            result_.verdict_ = Verdict::accepted;
            result_.valid_until_ = until;
        }
        return std::move(result_);
    }
    /// Verification did not succeed: never accepted. Undecided when only absences stand in the way.
    [[nodiscard]] AttestationResult finish_unverified(bool only_absences) && {
        if (only_absences) result_.verdict_ = Verdict::undecided;
        return std::move(result_);
    }

 private:
    void add_own(std::string_view id, Severity severity, std::string detail) {
        std::string full(tee_name(result_.tee_));
        full += '.';
        full += id;
        add({std::move(full), severity, std::move(detail)});
    }

    AttestationResult result_;
};

}  // namespace attestd
