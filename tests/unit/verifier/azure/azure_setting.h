// Forged evidence of an Azure confidential VM, to be spoilt in one place by a test.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "quote/azure/azure_evidence.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/unit/verifier/setting.h"

namespace attestd::test {

enum class AzureTee : std::uint8_t { snp, tdx };

/// The nonce that the forged quote carries.
[[nodiscard]] Bytes challenge();

struct AzureCase {
    explicit AzureCase(AzureTee tee);

    /// Everything but the evidence: endorsements, anchors, policy, expectations, time.
    [[nodiscard]] Setting setting() const;
    [[nodiscard]] AzureEvidence evidence() const;

    AzureTee tee;
    SnpCase snp;
    IntelCase intel;
    forge::RuntimeSpec runtime;
    forge::HclSpec hcl;
    forge::VtpmQuoteSpec quote;
    forge::VtpmKey signer = forge::shared_vtpm_key();
    std::optional<Bytes> nonce = challenge();  ///< what is expected
    AppraisalPolicy policy;
    /// After all is made: of the hardware report, then of the whole.
    std::function<void(forge::TdBody&)> spoil_tdreport;
    std::function<void(AzureEvidence&)> spoil;

 private:
    [[nodiscard]] Bytes hardware_report(const std::string& json) const;
    [[nodiscard]] Bytes td_quote(const std::string& json) const;
};

[[nodiscard]] AttestationResult appraise(const AzureEvidence& evidence, const Setting& setting);
[[nodiscard]] AttestationResult appraise(const AzureCase& c);
[[nodiscard]] inline std::string outcome(const AzureCase& c) { return outcome_of(appraise(c)); }

/// "snp." or "tdx." before `id`: findings of both TEEs have the same names.
[[nodiscard]] std::string of(const AzureCase& c, std::string_view id);

}  // namespace attestd::test
