#include "verifier/stated_result.h"

#include <fmt/format.h>

#include "quote/azure/bound_data.h"
#include "verifier/internal/appraisal.h"
#include "verifier/internal/result_builder.h"

namespace attestd {
namespace {

ResultBuilder unreadable(const Evidence& evidence, const Error& error, Time now) {
    ResultBuilder out(evidence.tee, "unknown", now, sha256(evidence.quote));
    out.add(error);
    return out;
}

// The hardware's part of the evidence, and of Azure's what lies around it.
struct Parts {
    Bytes hardware;
    std::optional<AzureEvidence> azure;
};

Result<Parts> parts_of(const Evidence& evidence) {
    if (!looks_like_azure_evidence(as_text(evidence.quote))) return Parts{evidence.quote, {}};
    ATTESTD_TRY(AzureEvidence azure, parse_azure_evidence(as_text(evidence.quote), "evidence"));
    return Parts{hardware_evidence_of(azure), std::move(azure)};
}

// A paravisor's blob and its vTPM's quote stand between the hardware and what was asked.
void check_bound_data(ResultBuilder& out, const AzureEvidence& azure, HclReportType type,
                      const Expectations& expected) {
    const auto found = bound_data_of(azure, type);
    if (found)
        appraise_report_data(out, *found, expected);
    else
        out.add(found.error());
}

// That its host can read its memory.
bool is_debuggable(const Claims& claims) noexcept {
    constexpr std::uint8_t kTdDebug = 0x01;  // TDATTRIBUTES bit 0
    if (const auto* report = std::get_if<SnpReport>(&claims)) return report->policy.debug();
    const auto* quote = std::get_if<IntelQuote>(&claims);
    if (quote == nullptr) return false;
    if (const auto* td = std::get_if<TdReport>(&quote->body))
        return (td->td_attributes[0] & kTdDebug) != 0;
    return std::get<EnclaveReport>(quote->body).debug();
}

// What the evidence says of itself, and that it was made for what was asked.
ResultBuilder begin_result(const Evidence& evidence, const Expectations& expected, Time now) {
    const auto parts = parts_of(evidence);
    if (!parts) return unreadable(evidence, parts.error(), now);
    if (evidence.tee == Tee::snp) {
        const auto parsed = parse_snp_report(parts->hardware);
        if (!parsed) return unreadable(evidence, parsed.error(), now);
        ResultBuilder out(Tee::snp, parsed->report.format(), now, sha256(parsed->signed_part));
        out.claims(parsed->report);
        if (parts->azure)
            check_bound_data(out, *parts->azure, HclReportType::snp, expected);
        else
            appraise_snp_report_data(out, parsed->report, expected);
        return out;
    }
    const auto parsed = parse_intel_quote(parts->hardware);
    if (!parsed) return unreadable(evidence, parsed.error(), now);
    ResultBuilder out(evidence.tee, parsed->quote.format(), now, sha256(parsed->signed_part));
    if (parsed->quote.is_tdx() != (evidence.tee == Tee::tdx))
        out.error("stated.tee", "the evidence is not of the kind that it is called");
    out.claims(parsed->quote);
    if (parts->azure)
        check_bound_data(out, *parts->azure, HclReportType::tdx, expected);
    else
        appraise_report_data(out, parsed->quote.report_data(), expected);
    return out;
}

void check_statement(ResultBuilder& out, const VerifierStatement& statement,
                     const Expectations& expected, Grade grade, Time now) {
    if (!expected.report_data) {
        out.error("stated.unbound", "nothing says which report data the statement is to speak of");
    } else if (statement.report_data != expected.report_data) {
        out.error("stated.report-data",
                  "the verifier speaks of other report data than it was asked about");
    }
    if (statement.grade == Grade::test && grade != Grade::test) {
        out.error("stated.grade",
                  "the verifier says that its result is of test grade; configuration does not "
                  "expect that (verifier.test)");
    }
    if (statement.verdict != Verdict::accepted) return;
    if (!statement.valid_until) {
        out.error("stated.unlimited", "the verifier accepts and does not say until when");
    } else if (*statement.valid_until <= now) {
        out.error("stated.expired", fmt::format("the verifier's word ended at {}",
                                                to_rfc3339(*statement.valid_until)));
    }
}

}  // namespace

AttestationResult result_of_statement(const Evidence& evidence, const VerifierStatement& statement,
                                      const Expectations& expected, Grade grade, Time now) {
    ResultBuilder out = begin_result(evidence, expected, now);
    out.grade(grade);
    check_statement(out, statement, expected, grade, now);
    const bool is_sound = out.num_errors() == 0;
    for (const Finding& finding : statement.findings) {
        out.add({fmt::format("{}.stated.{}", tee_name(evidence.tee), finding.id), finding.severity,
                 finding.detail});
    }
    // Whoever judged it. After the verifier's own words, which may say more.
    const bool is_debugged = is_debuggable(out.claims());
    if (is_debugged)
        out.error("policy.debug", "the evidence is of a machine whose memory its host can read");
    switch (statement.verdict) {
        case Verdict::accepted:
            return std::move(out).finish_verified(statement.valid_until.value_or(now));
        case Verdict::undecided:
            return std::move(out).finish_unverified(/*only_absences=*/is_sound && !is_debugged);
        case Verdict::refused:
            break;
    }
    if (out.num_errors() == 0)
        out.error("stated.refused", "the verifier refused the evidence and gave no reason");
    return std::move(out).finish_unverified(/*only_absences=*/false);
}

}  // namespace attestd
