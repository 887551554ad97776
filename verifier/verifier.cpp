#include "verifier/verifier.h"

#include <fmt/format.h>

#include "quote/base/digest.h"
#include "verifier/amd/report_verification.h"
#include "verifier/intel/quote_verification.h"
#include "verifier/intel/tcb_evaluation.h"
#include "verifier/internal/appraisal.h"
#include "verifier/internal/memory.h"
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

AttestationResult appraise_quote(const ParsedQuote& quote, const PlatformOutcome& outcome,
                                 const AppraisalPolicy& policy, const Expectations& expected,
                                 Time now) {
    const auto* const td = std::get_if<TdReport>(&quote.quote.body);
    const Tee tee = td != nullptr ? Tee::tdx : Tee::sgx;
    ResultBuilder out(tee, quote.quote.format(), now, sha256(quote.signed_part));
    if (const auto verified = verify_quote(quote, outcome); !verified) {
        out.add(verified.error());
        return std::move(out).finish_unverified(/*only_absences=*/false);
    }
    out.claims(quote.quote);
    for (const Error& absent : outcome.absent) out.add(absent);
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
    appraise_report_data(out, quote.quote.report_data(), expected);
    if (!outcome.platform) {
        return std::move(out).finish_unverified(out.num_errors() == outcome.absent.size());
    }
    out.grade(outcome.platform->grade);
    return std::move(out).finish_verified(std::min(outcome.platform->validity.until, grace_end));
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

AttestationResult appraise_report(ParsedSnpReport parsed, const SnpLeafOutcome& outcome,
                                  const AppraisalPolicy& policy, const Expectations& expected,
                                  Time now) {
    const SnpReport& report = parsed.report;
    ResultBuilder out(Tee::snp, report.format(), now, sha256(parsed.signed_part));
    const auto leaf = verify_report(parsed, outcome);
    if (!leaf) {
        out.add(leaf.error());
        return std::move(out).finish_unverified(/*only_absences=*/false);
    }
    out.claims(report);
    if (outcome.absent) out.add(*outcome.absent);
    if (report.product) out.tcb(tcbs_of(report, *report.product));
    if (!policy.names_snp) refuse_tee(out, Tee::snp);
    const auto csp_id =
        *leaf != nullptr ? std::optional<std::string_view>((*leaf)->csp_id) : std::nullopt;
    appraise_snp(out, policy.snp, report, csp_id);
    appraise_report_data(out, report.report_data, expected);
    if (*leaf == nullptr) return std::move(out).finish_unverified(out.num_errors() == 1);
    if (!(*leaf)->crl_checked) {
        out.info("crl.not-given",
                 "no revocation list of AMD is given; the baseline checks one when it is");
    }
    out.grade((*leaf)->grade);
    return std::move(out).finish_verified((*leaf)->validity.until);
}

}  // namespace

struct LocalVerifier::Impl {
    explicit Impl(TrustAnchors a) : anchors(std::move(a)) {}

    PlatformOutcome platform_of(const ParsedQuote& quote, const Endorsements& endorsements,
                                Time now);
    SnpLeafOutcome leaves_of(const ParsedSnpReport& parsed, const Endorsements& endorsements,
                             const SnpChainOptions& options, Time now);

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

LocalVerifier::LocalVerifier(TrustAnchors anchors)
    : impl_(std::make_unique<Impl>(std::move(anchors))) {}
LocalVerifier::~LocalVerifier() = default;

AttestationResult LocalVerifier::appraise(ByteView quote, const Endorsements& endorsements,
                                          const AppraisalPolicy& policy,
                                          const Expectations& expected, Time now) {
    if (should_be_report(quote)) {
        auto report = parse_snp_report(quote);
        if (!report) return refuse_unparsed(Tee::snp, "snp-report", report.error(), quote, now);
        const SnpChainOptions options{policy.snp.require_crl, policy.snp.allow_masked_chip_id};
        const SnpLeafOutcome outcome = impl_->leaves_of(*report, endorsements, options, now);
        return appraise_report(*std::move(report), outcome, policy, expected, now);
    }
    const auto parsed = parse_intel_quote(quote);
    if (parsed) {
        const PlatformOutcome outcome = impl_->platform_of(*parsed, endorsements, now);
        return appraise_quote(*parsed, outcome, policy, expected, now);
    }
    const bool tdx = quote.size() > 4 && quote[4] == kTeeTypeTdx;
    return refuse_unparsed(tdx ? Tee::tdx : Tee::sgx, tdx ? "tdx-quote" : "sgx-quote",
                           parsed.error(), quote, now);
}

}  // namespace attestd
