// Appraisal of claims by policy: pure comparison, no cryptography. Findings go into the builder;
// whether the claims may be believed is the caller's to know.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "quote/base/encoding.h"
#include "quote/base/time.h"
#include "verifier/internal/result_builder.h"
#include "verifier/policy.h"
#include "verifier/verifier.h"

namespace attestd {

struct TcbJudgement;
struct PckExtension;

/// A reference value: in the list, or anything, or reported as unpinned. `name` is the policy's key
/// ("mrtd"); the finding's id is `<name>.mismatch` or `<name>.unpinned`.
template <std::size_t N>
void appraise_reference(ResultBuilder& out, std::string_view name,
                        const ReferenceValues<N>& reference, const ByteArray<N>& value) {
    std::string id(name);
    for (char& c : id) {
        if (c == '_') c = '-';
    }
    if (reference.kind == ReferenceValues<N>::Kind::unpinned) {
        out.warning(id + ".unpinned", std::string(name) + " is " + to_hex(value) +
                                          ", and no reference value is given");
    } else if (!reference.allows(value)) {
        out.error(id + ".mismatch", std::string(name) + " is " + to_hex(value) +
                                        ", which is not among the reference values");
    }
}

/// REPORTDATA against what the caller expects, over all 64 bytes, in constant time.
void appraise_report_data(ResultBuilder& out, const ReportData& value,
                          const Expectations& expected);

/// The same for a report that may have been made by an SVSM: where a service manifest is expected,
/// REPORT_DATA is SHA-512 over nonce and manifest, and VMPL is 0.
void appraise_snp_report_data(ResultBuilder& out, const SnpReport& report,
                              const Expectations& expected);

/// What the policies about Intel evidence share: status, advisories, evaluation number. `judgement`
/// is null when no TCB level fits. Returns until when the acceptance may last (grace), or
/// Time::max().
[[nodiscard]] Time appraise_intel_tcb(ResultBuilder& out, const IntelTcbPolicy& policy,
                                      const TcbJudgement* judgement,
                                      std::uint32_t evaluation_data_number, Time now);

void appraise_tdx(ResultBuilder& out, const TdxPolicy& policy, const TdReport& report,
                  const PckExtension* pck);
void appraise_sgx(ResultBuilder& out, const SgxPolicy& policy, const EnclaveReport& report);

/// `csp_id` is the verified VLEK's: absent when no leaf was verified, which is said elsewhere.
void appraise_snp(ResultBuilder& out, const SnpPolicy& policy, const SnpReport& report,
                  std::optional<std::string_view> csp_id);

}  // namespace attestd
