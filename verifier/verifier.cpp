#include "verifier/verifier.h"

#include <fmt/format.h>

#include "quote/azure/hcl_blob.h"
#include "quote/base/digest.h"
#include "quote/intel/tdreport.h"
#include "verifier/amd/report_verification.h"
#include "verifier/azure/appraise_azure.h"
#include "verifier/azure/td_quote_match.h"
#include "verifier/boot/appraise_event_log.h"
#include "verifier/intel/quote_verification.h"
#include "verifier/intel/tcb_evaluation.h"
#include "verifier/internal/appraisal.h"
#include "verifier/internal/memory.h"
#include "verifier/internal/pending.h"
#include "verifier/internal/result_builder.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxRememberedPlatforms = 64;
// Models of platforms, not platforms; each holds its documents, decoded: some tens of kilobytes.
constexpr std::size_t kMaxRememberedCollateral = 32;

AttestationResult refuse_unparsed(Tee tee, std::string format, const Error& error, ByteView bytes,
                                  Time now) {
    ResultBuilder out(tee, std::move(format), now, sha256(bytes));
    const Errc code = tee == Tee::snp ? Errc::report_malformed : Errc::quote_malformed;
    out.add(Error{code, to_string(error)});
    return std::move(out).finish_unverified(/*only_absences=*/false);
}

void refuse_tee(ResultBuilder& out, Tee tee) {
    out.error("policy.tee",
              fmt::format("the policy does not speak of {} evidence: add a \"{}\" member to it",
                          tee_name(tee), tee_name(tee)));
}

// -- Intel --

const PlatformFacts* facts_of(const PlatformOutcome& outcome) noexcept {
    if (outcome.platform) return &outcome.platform->facts;
    return outcome.unproven ? &*outcome.unproven : nullptr;
}

// Steps 7 and 8, as far as what is known allows: without endorsements the quote can still be held
// against its own key.
Result<void> verify_quote(const ParsedQuote& quote, const PlatformOutcome& outcome) {
    if (outcome.failure) return tl::make_unexpected(*outcome.failure);
    if (outcome.platform) {
        ATTESTD_CHECK(verify_quote_signature(quote, outcome.platform->attestation_key));
    } else {
        ATTESTD_TRY(const PublicKey own_key, attestation_key_of(quote));
        ATTESTD_CHECK(verify_quote_signature(quote, own_key));
    }
    const PlatformFacts* const facts = facts_of(outcome);
    return facts != nullptr ? verify_tdx_module(quote.quote, *facts->tcb_info) : Result<void>{};
}

// Step 9. Returns until when the acceptance may last.
Time appraise_platform(ResultBuilder& out, const IntelQuote& quote, const PlatformFacts& facts,
                       const IntelTcbPolicy& policy, Time now) {
    const auto judgement =
        judge_tcb(quote, facts.qe_isv_svn, facts.pck, *facts.tcb_info, *facts.qe_identity);
    if (judgement) {
        out.tcb(to_intel_tcb(*judgement));
    } else {
        out.tcb(IntelTcb{"TcbNotSupported", {}, {}, {}, {}, {}, {}, {}, {}});
        out.add(judgement.error());
    }
    const std::uint32_t number =
        std::min(facts.tcb_info->evaluation_data_number, facts.qe_identity->evaluation_data_number);
    return appraise_intel_tcb(out, policy, judgement ? &*judgement : nullptr, number, now);
}

Pending appraise_quote(const ParsedQuote& quote, const PlatformOutcome& outcome,
                       const AppraisalPolicy& policy, Time now) {
    const auto* const td = std::get_if<TdReport>(&quote.quote.body);
    const Tee tee = td != nullptr ? Tee::tdx : Tee::sgx;
    Pending pending{{tee, quote.quote.format(), now, sha256(quote.signed_part)}, {}};
    ResultBuilder& out = pending.out;
    if (const auto verified = verify_quote(quote, outcome); !verified) {
        pending.fail(verified.error());
        return pending;
    }
    out.claims(quote.quote);
    for (const Error& absent : outcome.absent) pending.absent(absent);
    const PlatformFacts* const facts = facts_of(outcome);
    const auto& tcb_policy = td != nullptr ? policy.tdx.tcb : policy.sgx.tcb;
    const Time grace_end = facts != nullptr
                               ? appraise_platform(out, quote.quote, *facts, tcb_policy, now)
                               : Time::max();
    if (td != nullptr ? !policy.names_tdx : !policy.names_sgx) refuse_tee(out, tee);
    if (td != nullptr)
        appraise_tdx(out, policy.tdx, *td, facts != nullptr ? &facts->pck : nullptr);
    else
        appraise_sgx(out, policy.sgx, std::get<EnclaveReport>(quote.quote.body));
    if (!outcome.platform) return pending;
    out.grade(outcome.platform->grade);
    out.rests_on(outcome.platform->rests_on);
    pending.until = std::min(outcome.platform->validity.until, grace_end);
    return pending;
}

// -- AMD --

// A report, or something that should be one: of just its length, or about as long and like one to
// look at. (An Intel quote with a damaged key type begins like a report; it is longer.)
bool should_be_report(ByteView evidence) noexcept {
    if (looks_like_intel_quote(evidence)) return false;
    return evidence.size() == kSnpReportLen ||
           (evidence.size() < 2 * kSnpReportLen && looks_like_snp_report(evidence));
}

// The leaf that signed the report, of those that may speak for it.
Result<const VerifiedSnpLeaf*> find_signer(const ParsedSnpReport& report,
                                           const VerifiedSnpLeaves& leaves) {
    Result<void> checked;
    for (const VerifiedSnpLeaf& leaf : leaves.all) {
        checked = verify_report_signature(report, leaf.leaf.key);
        if (checked) return &leaf;
    }
    return tl::make_unexpected(checked.error());
}

// Steps 10 and 11 of a report whose leaf is looked for in `outcome`; null when none was verified,
// and then the report withstands what can be asked all the same. The report learns its product.
Result<const VerifiedSnpLeaf*> verify_report(ParsedSnpReport& parsed,
                                             const SnpLeafOutcome& outcome) {
    if (outcome.failure) return tl::make_unexpected(*outcome.failure);
    const VerifiedSnpLeaf* signer = nullptr;
    if (outcome.leaves) {
        ATTESTD_TRY(signer, find_signer(parsed, *outcome.leaves));
        parsed.report.product = signer->product;
    }
    Result<void> unproven;
    for (const PublicKey& key : outcome.unproven_keys) {
        unproven = verify_report_signature(parsed, key);
        if (unproven) break;
    }
    ATTESTD_CHECK(unproven);
    if (parsed.report.product) {
        ATTESTD_CHECK(check_tcb_order(parsed.report, *parsed.report.product));
    }
    return signer;
}

SnpTcbs tcbs_of(const SnpReport& report, Product product) {
    return {decode_tcb(product, report.reported_tcb), decode_tcb(product, report.current_tcb),
            decode_tcb(product, report.committed_tcb), decode_tcb(product, report.launch_tcb)};
}

Pending appraise_report(ParsedSnpReport parsed, const SnpLeafOutcome& outcome,
                        const AppraisalPolicy& policy, Time now) {
    const SnpReport& report = parsed.report;
    Pending pending{{Tee::snp, report.format(), now, sha256(parsed.signed_part)}, {}};
    ResultBuilder& out = pending.out;
    const auto leaf = verify_report(parsed, outcome);
    if (!leaf) {
        pending.fail(leaf.error());
        return pending;
    }
    out.claims(report);
    if (outcome.absent) pending.absent(*outcome.absent);
    if (report.product) out.tcb(tcbs_of(report, *report.product));
    if (!policy.names_snp) refuse_tee(out, Tee::snp);
    const auto csp_id =
        *leaf != nullptr ? std::optional<std::string_view>((*leaf)->csp_id) : std::nullopt;
    appraise_snp(out, policy.snp, report, csp_id);
    if (*leaf == nullptr) return pending;
    if (!(*leaf)->crl_checked) {
        out.info("crl.not-given",
                 "no revocation list of AMD is given; the baseline checks one when it is");
    }
    out.grade((*leaf)->grade);
    out.rests_on((*leaf)->rests_on);
    pending.until = (*leaf)->validity.until;
    return pending;
}

// The quote is what is believed; what the blob shows of the TD must be the same.
void match_td_quote(Pending& pending, const LocalTdReport& report, const TdReport& quoted) {
    const std::string_view differs = first_difference(report, quoted);
    if (pending.failed || differs.empty()) return;
    pending.out.error(
        "hcl.td-quote-mismatch",
        fmt::format("{} of the TDREPORT is not that of the TD quote beside it", differs));
    pending.failed = true;
}

}  // namespace

struct LocalVerifier::Impl {
    explicit Impl(TrustAnchors a) : anchors(std::move(a)) {}

    PlatformOutcome platform_of(const ParsedQuote& quote, const Endorsements& endorsements,
                                Time now);
    SnpLeafOutcome leaves_of(const ParsedSnpReport& parsed, const Endorsements& endorsements,
                             const SnpChainOptions& options, Time now);
    // Everything but what depends on how the evidence came: REPORT_DATA, a paravisor's blob.
    Pending judge(const ParsedSnpReport& parsed, const Endorsements& endorsements,
                  const AppraisalPolicy& policy, Time now) {
        const SnpChainOptions options{policy.snp.require_crl, policy.snp.allow_masked_chip_id};
        return appraise_report(parsed, leaves_of(parsed, endorsements, options, now), policy, now);
    }
    Pending judge(const ParsedQuote& quote, const Endorsements& endorsements,
                  const AppraisalPolicy& policy, Time now) {
        return appraise_quote(quote, platform_of(quote, endorsements, now), policy, now);
    }
    Pending judge_azure_snp(const AzureEvidence& evidence, const HclBlob& blob,
                            const Endorsements& endorsements, const AppraisalPolicy& policy,
                            const Expectations& expected, Time now);
    Pending judge_azure_tdx(const AzureEvidence& evidence, const HclBlob& blob,
                            const Endorsements& endorsements, const AppraisalPolicy& policy,
                            const Expectations& expected, Time now);

    TrustAnchors anchors;
    Memory<VerifiedPlatform> platforms{kMaxRememberedPlatforms};
    CollateralMemory collateral{kMaxRememberedCollateral};
    Memory<VerifiedSnpLeaves> leaves{kMaxRememberedPlatforms};
};

// A platform that was verified before, from the same bytes, is the same platform: the key covers
// the attestation key, the QE report with its signature and data, the PCK chain and every
// endorsement, and what tells how those bytes are to be read.
PlatformOutcome LocalVerifier::Impl::platform_of(const ParsedQuote& quote,
                                                 const Endorsements& endorsements, Time now) {
    const QuoteHeader& header = quote.quote.header;
    const ByteArray<2> form{static_cast<std::uint8_t>(header.version),
                            static_cast<std::uint8_t>(header.tee_type)};
    const Sha256 key =
        sha256({endorsements.digest(), header.qe_vendor_id, form, quote.platform_part});
    if (auto known = platforms.find(key, now)) return {std::move(known), {}, {}, {}};
    PlatformOutcome outcome = verify_platform(quote, endorsements, anchors, collateral, now);
    if (outcome.platform) platforms.remember(key, outcome.platform);
    return outcome;
}

SnpLeafOutcome LocalVerifier::Impl::leaves_of(const ParsedSnpReport& parsed,
                                              const Endorsements& endorsements,
                                              const SnpChainOptions& options, Time now) {
    if (auto checked = check_signed(parsed); !checked) return {nullptr, {}, {}, checked.error()};
    const SnpReport& report = parsed.report;
    // Everything in the report that the choice and the checks of a leaf depend on.
    const ByteArray<7> rest{static_cast<std::uint8_t>(report.signing_key),
                            static_cast<std::uint8_t>(report.version),
                            report.cpuid_family,
                            report.cpuid_model,
                            report.cpuid_stepping,
                            static_cast<std::uint8_t>(options.require_crl ? 1 : 0),
                            static_cast<std::uint8_t>(options.allow_masked_chip_id ? 1 : 0)};
    const Sha256 key = sha256({endorsements.digest(), rest, report.chip_id, report.reported_tcb});
    if (auto known = leaves.find(key, now)) return {std::move(known), {}, {}, {}};
    SnpLeafOutcome outcome = verify_snp_leaf(report, endorsements, anchors, options, now);
    if (outcome.leaves) leaves.remember(key, outcome.leaves);
    return outcome;
}

// -- Azure --

Pending LocalVerifier::Impl::judge_azure_snp(const AzureEvidence& evidence, const HclBlob& blob,
                                             const Endorsements& endorsements,
                                             const AppraisalPolicy& policy,
                                             const Expectations& expected, Time now) {
    const auto report = parse_snp_report(blob.hardware_report);
    if (!report || !evidence.td_quote.empty()) {
        Pending refused{{Tee::snp, "azure-snp-report", now, sha256(blob.hardware_report)}, {}};
        refused.fail(report ? Error{Errc::hcl_malformed, "a TD quote beside an SNP report"}
                            : Error{Errc::report_malformed, to_string(report.error())});
        return refused;
    }
    Pending pending = judge(*report, endorsements, policy, now);
    pending.out.format("azure-" + report->report.format());
    if (!pending.failed) refuse_other_vmpl(pending.out, report->report);
    appraise_azure(pending, evidence, blob, report->report.report_data, AzureRules(policy.snp),
                   expected);
    return pending;
}

Pending LocalVerifier::Impl::judge_azure_tdx(const AzureEvidence& evidence, const HclBlob& blob,
                                             const Endorsements& endorsements,
                                             const AppraisalPolicy& policy,
                                             const Expectations& expected, Time now) {
    const auto report = parse_tdreport(blob.hardware_report);
    const auto quote = evidence.td_quote.empty()
                           ? std::nullopt
                           : std::optional(parse_intel_quote(evidence.td_quote));
    Pending pending{{Tee::tdx, "azure-tdx", now, sha256(blob.hardware_report)}, {}};
    if (!report) {
        pending.fail({Errc::hcl_malformed, "TDREPORT: " + to_string(report.error())});
    } else if (!quote) {
        pending.absent("hcl.td-quote-missing",
                       "no TD quote is given: only its own machine can check a TDREPORT");
        if (!policy.names_tdx) refuse_tee(pending.out, Tee::tdx);
    } else if (!*quote || !(*quote)->quote.is_tdx()) {
        pending.fail({Errc::quote_malformed, *quote ? "the quote beside a TDREPORT is not a TD's"
                                                    : to_string(quote->error())});
    } else {
        pending = judge(**quote, endorsements, policy, now);
        pending.out.format("azure-" + (*quote)->quote.format());
        match_td_quote(pending, *report, std::get<TdReport>((*quote)->quote.body));
    }
    if (report) {
        appraise_azure(pending, evidence, blob, report->mac.report_data, AzureRules(policy.tdx),
                       expected);
    }
    return pending;
}

LocalVerifier::LocalVerifier(TrustAnchors anchors)
    : impl_(std::make_unique<Impl>(std::move(anchors))) {}
LocalVerifier::~LocalVerifier() = default;

AttestationResult LocalVerifier::appraise(ByteView quote, const Endorsements& endorsements,
                                          const AppraisalPolicy& policy,
                                          const Expectations& expected, Time now) {
    if (should_be_report(quote)) {
        auto report = parse_snp_report(quote);
        if (!report) return refuse_unparsed(Tee::snp, "snp-report", report.error(), quote, now);
        Pending pending = impl_->judge(*report, endorsements, policy, now);
        if (!pending.failed) {
            refuse_bare(pending.out, policy.snp.azure);
            appraise_snp_report_data(pending.out, report->report, expected);
            appraise_event_log(pending, policy.event_log, expected.event_log, std::nullopt);
        }
        return std::move(pending).conclude();
    }
    const auto parsed = parse_intel_quote(quote);
    if (parsed) {
        Pending pending = impl_->judge(*parsed, endorsements, policy, now);
        if (!pending.failed) {
            if (parsed->quote.is_tdx()) refuse_bare(pending.out, policy.tdx.azure);
            appraise_report_data(pending.out, parsed->quote.report_data(), expected);
            const auto* const td = std::get_if<TdReport>(&parsed->quote.body);
            appraise_event_log(pending, policy.event_log, expected.event_log,
                               td != nullptr ? QuotedRegisters::of(pending, *td) : std::nullopt);
        }
        return std::move(pending).conclude();
    }
    const bool tdx = quote.size() > 4 && quote[4] == kTeeTypeTdx;
    return refuse_unparsed(tdx ? Tee::tdx : Tee::sgx, tdx ? "tdx-quote" : "sgx-quote",
                           parsed.error(), quote, now);
}

AttestationResult LocalVerifier::appraise(const AzureEvidence& evidence,
                                          const Endorsements& endorsements,
                                          const AppraisalPolicy& policy,
                                          const Expectations& expected, Time now) {
    const auto blob = parse_hcl_blob(evidence.hcl_blob);
    if (!blob) {
        // Which TEE's findings these are, the evidence beside the blob tells.
        const bool tdx = !evidence.td_quote.empty();
        Pending refused{{tdx ? Tee::tdx : Tee::snp, tdx ? "azure-tdx" : "azure-snp-report", now,
                         sha256(evidence.hcl_blob)},
                        {}};
        refused.fail({Errc::hcl_malformed, to_string(blob.error())});
        return std::move(refused).conclude();
    }
    Pending pending =
        blob->report_type == HclReportType::snp
            ? impl_->judge_azure_snp(evidence, *blob, endorsements, policy, expected, now)
            : impl_->judge_azure_tdx(evidence, *blob, endorsements, policy, expected, now);
    appraise_event_log(pending, policy.event_log, expected.event_log,
                       QuotedRegisters::of(pending, pending.out.azure()));
    return std::move(pending).conclude();
}

}  // namespace attestd
