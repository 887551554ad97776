// Appraisal of what all Intel evidence has in common, and of SGX enclaves (`spec/tdx.md`
// sections 6.4, 7).

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "verifier/intel/tcb_evaluation.h"
#include "verifier/internal/appraisal.h"

namespace attestd {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view value) {
    return std::find(list.begin(), list.end(), value) != list.end();
}

// SWHardeningNeeded passes when every advisory is one that the workload answers for; of hardening
// that no advisory names nobody can say that.
bool all_advisories_allowed(const IntelTcbPolicy& policy, const TcbEvaluation& evaluation) {
    return !evaluation.advisory_ids.empty() &&
           std::all_of(evaluation.advisory_ids.begin(), evaluation.advisory_ids.end(),
                       [&](const auto& id) { return contains(policy.allowed_advisories, id); });
}

// Until when OutOfDate is forgiven; empty when it is not.
std::optional<Time> grace_end(const IntelTcbPolicy& policy, const TcbEvaluation& evaluation,
                              Time now) {
    if (policy.grace_days <= 0 || !evaluation.fell_behind) return std::nullopt;
    const auto grace = std::chrono::days{policy.grace_days};
    if (*evaluation.fell_behind < now - grace) return std::nullopt;
    return *evaluation.fell_behind + grace;
}

// Whether `status`, judged on `evaluation`, passes; until when.
std::optional<Time> allowed_until(const IntelTcbPolicy& policy, TcbStatus status,
                                  const TcbEvaluation& evaluation, Time now) {
    if (status == TcbStatus::revoked) return std::nullopt;  // whatever the policy says
    if (contains(policy.allowed_tcb_statuses, tcb_status_name(status))) return Time::max();
    if (status == TcbStatus::sw_hardening_needed && all_advisories_allowed(policy, evaluation))
        return Time::max();
    if (status == TcbStatus::out_of_date) return grace_end(policy, evaluation, now);
    return std::nullopt;
}

Time appraise_status(ResultBuilder& out, const IntelTcbPolicy& policy, std::string_view id,
                     std::string_view which, TcbStatus status, const TcbEvaluation& evaluation,
                     Time now) {
    const auto until = allowed_until(policy, status, evaluation, now);
    if (until) return *until;
    const std::string advisories =
        evaluation.advisory_ids.empty()
            ? "none"
            : fmt::format("{}", fmt::join(evaluation.advisory_ids, ", "));
    out.error(id, fmt::format("{} TCB status {} is not among the allowed ({}); advisories: {}",
                              which, tcb_status_name(status),
                              fmt::join(policy.allowed_tcb_statuses, ", "), advisories));
    return Time::max();
}

}  // namespace

void appraise_report_data(ResultBuilder& out, const ReportData& value,
                          const Expectations& expected) {
    if (expected.service_manifest) {
        out.error("svsm.evidence",
                  "a service manifest is expected, and no SVSM makes evidence of this kind");
    }
    if (expected.nonce && !expected.report_data) {
        out.error("report-data.mismatch",
                  "a vTPM's nonce is expected, and this evidence has no vTPM");
    }
    if (!expected.report_data || equal_constant_time(value, *expected.report_data)) return;
    out.error(
        "report-data.mismatch",
        fmt::format(
            "report data is {}, another value is expected: old evidence, or made for somebody else",
            to_hex(value)));
}

Time appraise_intel_tcb(ResultBuilder& out, const IntelTcbPolicy& policy,
                        const TcbJudgement* judgement, std::uint32_t evaluation_data_number,
                        Time now) {
    if (evaluation_data_number < policy.min_tcb_evaluation_data_number) {
        out.error(
            "tcb.evaluation-number",
            fmt::format(
                "tcbEvaluationDataNumber is {}, the policy demands {}: fetch newer collateral",
                evaluation_data_number, policy.min_tcb_evaluation_data_number));
    }
    if (judgement == nullptr) return Time::max();  // refused by a finding of its own
    // With an update under a running TD both states count (6.3).
    const TcbEvaluation& judged =
        judgement->current && judgement->status != judgement->launch.status ? *judgement->current
                                                                            : judgement->launch;
    Time until = appraise_status(out, policy, "tcb.status", "the", judgement->status, judged, now);
    if (judgement->current) {
        until =
            std::min(until, appraise_status(out, policy, "tcb.current-status", "the current",
                                            judgement->current->status, *judgement->current, now));
    }
    return until;
}

void appraise_sgx(ResultBuilder& out, const SgxPolicy& policy, const EnclaveReport& report) {
    if (report.debug() && !policy.allow_debug)
        out.error("policy.debug", "the enclave is debuggable: the host can read its memory");
    appraise_reference(out, "mrenclave", policy.mrenclave, report.mr_enclave);
    appraise_reference(out, "mrsigner", policy.mrsigner, report.mr_signer);
    if (policy.isvprodid && report.isv_prod_id != *policy.isvprodid) {
        out.error("isvprodid.mismatch", fmt::format("ISVPRODID is {}, the policy pins {}",
                                                    report.isv_prod_id, *policy.isvprodid));
    }
    if (report.isv_svn < policy.min_isvsvn) {
        out.error("isvsvn.too-low", fmt::format("ISVSVN is {}, the policy demands {}",
                                                report.isv_svn, policy.min_isvsvn));
    }
}

}  // namespace attestd
