#include "verifier/verifier.h"

#include <fmt/format.h>

#include "quote/base/digest.h"
#include "verifier/amd/report_verification.h"
#include "verifier/intel/quote_verification.h"
#include "verifier/internal/appraisal.h"
#include "verifier/internal/memory.h"
#include "verifier/internal/result_builder.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxRememberedPlatforms = 64;

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

}  // namespace

struct LocalVerifier::Impl {
    explicit Impl(TrustAnchors a) : anchors(std::move(a)) {}

    AttestationResult appraise_intel(const ParsedQuote& quote, const Endorsements& endorsements,
                                     const AppraisalPolicy& policy, const Expectations& expected,
                                     Time now);
    AttestationResult appraise_amd(ParsedSnpReport report, const Endorsements& endorsements,
                                   const AppraisalPolicy& policy, const Expectations& expected,
                                   Time now);
    PlatformOutcome platform_of(const ParsedQuote& quote, const Endorsements& endorsements,
                                Time now);
    SnpLeafOutcome leaf_of(const SnpReport& report, const Endorsements& endorsements,
                           const SnpChainOptions& options, Time now);

    TrustAnchors anchors;
    Memory<VerifiedPlatform> platforms{kMaxRememberedPlatforms};
    Memory<VerifiedSnpLeaf> leaves{kMaxRememberedPlatforms};
};

// A platform that was verified before, from the same bytes, is the same platform: the key covers
// the attestation key, the QE report with its signature and data, the PCK chain and every
// endorsement.
PlatformOutcome LocalVerifier::Impl::platform_of(const ParsedQuote& quote,
                                                 const Endorsements& endorsements, Time now) {
    const std::uint8_t tee = quote.quote.is_tdx() ? 1 : 0;
    const Sha256 key = sha256({endorsements.digest(), quote.quote.header.qe_vendor_id,
                               ByteView(&tee, 1), quote.platform_part});
    if (auto known = platforms.find(key, now)) return {std::move(known), {}, {}};
    PlatformOutcome outcome = verify_platform(quote, endorsements, anchors, now);
    if (outcome.platform) platforms.remember(key, outcome.platform);
    return outcome;
}

SnpLeafOutcome LocalVerifier::Impl::leaf_of(const SnpReport& report,
                                            const Endorsements& endorsements,
                                            const SnpChainOptions& options, Time now) {
    // Everything in the report that the choice and the checks of a leaf depend on.
    const ByteArray<7> rest{static_cast<std::uint8_t>(report.signing_key),
                            static_cast<std::uint8_t>(report.version),
                            report.cpuid_family,
                            report.cpuid_model,
                            report.cpuid_stepping,
                            static_cast<std::uint8_t>(options.require_crl ? 1 : 0),
                            static_cast<std::uint8_t>(options.allow_masked_chip_id ? 1 : 0)};
    const Sha256 key = sha256({endorsements.digest(), rest, report.chip_id, report.reported_tcb});
    if (auto known = leaves.find(key, now)) return {std::move(known), {}, {}};
    SnpLeafOutcome outcome = verify_snp_leaf(report, endorsements, anchors, options, now);
    if (outcome.leaf) leaves.remember(key, outcome.leaf);
    return outcome;
}

AttestationResult LocalVerifier::Impl::appraise_intel(const ParsedQuote& quote,
                                                      const Endorsements& endorsements,
                                                      const AppraisalPolicy& policy,
                                                      const Expectations& expected, Time now) {
    const auto* const td = std::get_if<TdReport>(&quote.quote.body);
    const Tee tee = td != nullptr ? Tee::tdx : Tee::sgx;
    ResultBuilder out(tee, quote.quote.format(), now, sha256(quote.signed_part));
    const PlatformOutcome outcome = platform_of(quote, endorsements, now);
    if (outcome.failure) {
        out.add(*outcome.failure);
        return std::move(out).finish_unverified(false);
    }
    // Without endorsements the quote can still be held against its own key.
    const auto own_key = outcome.platform ? Result<PublicKey>(outcome.platform->attestation_key)
                                          : attestation_key_of(quote);
    auto signature = own_key ? verify_quote_signature(quote, *own_key)
                             : Result<void>(tl::make_unexpected(own_key.error()));
    if (signature && outcome.platform)
        signature = verify_tdx_module(quote.quote, outcome.platform->tcb_info);
    if (!signature) {
        out.add(signature.error());
        return std::move(out).finish_unverified(false);
    }

    out.claims(quote.quote);
    for (const Error& absent : outcome.absent) out.add(absent);
    Time until = Time::max();
    if (outcome.platform) {
        const VerifiedPlatform& platform = *outcome.platform;
        out.grade(platform.grade);
        const auto judgement = judge_tcb(quote.quote, platform.qe_isv_svn, platform.pck,
                                         platform.tcb_info, platform.qe_identity);
        if (judgement) {
            out.tcb(to_intel_tcb(*judgement));
        } else {
            out.tcb(IntelTcb{"TcbNotSupported", {}, {}, {}, {}, {}, {}, {}, {}});
            out.add(judgement.error());
        }
        const std::uint32_t number = std::min(platform.tcb_info.evaluation_data_number,
                                              platform.qe_identity.evaluation_data_number);
        until = std::min(platform.validity.until,
                         appraise_intel_tcb(out, td != nullptr ? policy.tdx.tcb : policy.sgx.tcb,
                                            judgement ? &*judgement : nullptr, number, now));
    }
    const std::size_t num_absent = outcome.absent.size();
    const bool spoken_of = td != nullptr ? policy.names_tdx : policy.names_sgx;
    if (!spoken_of) refuse_tee(out, tee);
    if (td != nullptr)
        appraise_tdx(out, policy.tdx, *td, outcome.platform ? &outcome.platform->pck : nullptr);
    else
        appraise_sgx(out, policy.sgx, std::get<EnclaveReport>(quote.quote.body));
    appraise_report_data(out, quote.quote.report_data(), expected);
    if (outcome.platform) return std::move(out).finish_verified(until);
    return std::move(out).finish_unverified(out.num_errors() == num_absent);
}

AttestationResult LocalVerifier::Impl::appraise_amd(ParsedSnpReport parsed,
                                                    const Endorsements& endorsements,
                                                    const AppraisalPolicy& policy,
                                                    const Expectations& expected, Time now) {
    SnpReport& report = parsed.report;
    ResultBuilder out(Tee::snp, report.format(), now, sha256(parsed.signed_part));
    const SnpChainOptions options{policy.snp.require_crl, policy.snp.allow_masked_chip_id};
    Result<void> checked = check_signed(parsed);
    SnpLeafOutcome outcome;
    if (checked) outcome = leaf_of(report, endorsements, options, now);
    if (checked && outcome.failure) checked = tl::make_unexpected(*outcome.failure);
    if (checked && outcome.leaf) {
        report.product = outcome.leaf->product;
        checked = verify_report_signature(parsed, outcome.leaf->leaf.key);
    }
    if (checked && report.product) checked = check_tcb_order(report, *report.product);
    if (!checked) {
        out.add(checked.error());
        return std::move(out).finish_unverified(false);
    }

    out.claims(report);
    if (outcome.absent) out.add(*outcome.absent);
    if (report.product) {
        const auto decode = [&](const ByteArray<8>& tcb) {
            return decode_tcb(*report.product, tcb);
        };
        out.tcb(SnpTcbs{decode(report.reported_tcb), decode(report.current_tcb),
                        decode(report.committed_tcb), decode(report.launch_tcb)});
    }
    if (!policy.names_snp) refuse_tee(out, Tee::snp);
    appraise_snp(out, policy.snp, report,
                 outcome.leaf ? std::string_view(outcome.leaf->csp_id) : std::string_view());
    appraise_report_data(out, report.report_data, expected);
    if (!outcome.leaf) return std::move(out).finish_unverified(out.num_errors() == 1);
    if (!outcome.leaf->crl_checked)
        out.info("crl.not-given",
                 "no revocation list of AMD is given; the baseline checks one when it is");
    out.grade(outcome.leaf->grade);
    return std::move(out).finish_verified(outcome.leaf->validity.until);
}

LocalVerifier::LocalVerifier(TrustAnchors anchors)
    : impl_(std::make_unique<Impl>(std::move(anchors))) {}
LocalVerifier::~LocalVerifier() = default;

AttestationResult LocalVerifier::appraise(ByteView quote, const Endorsements& endorsements,
                                          const AppraisalPolicy& policy,
                                          const Expectations& expected, Time now) {
    if (quote.size() == kSnpReportLen && looks_like_snp_report(quote) &&
        !looks_like_intel_quote(quote)) {
        const auto report = parse_snp_report(quote);
        if (!report) return refuse_unparsed(Tee::snp, "snp-report", report.error(), quote, now);
        return impl_->appraise_amd(*report, endorsements, policy, expected, now);
    }
    const auto parsed = parse_intel_quote(quote);
    if (parsed) return impl_->appraise_intel(*parsed, endorsements, policy, expected, now);
    const bool tdx = quote.size() > 4 && quote[4] == kTeeTypeTdx;
    return refuse_unparsed(tdx ? Tee::tdx : Tee::sgx, tdx ? "tdx-quote" : "sgx-quote",
                           parsed.error(), quote, now);
}

}  // namespace attestd
