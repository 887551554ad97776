#include "verifier/intel/quote_verification.h"

#include <fmt/format.h>

#include "quote/base/digest.h"
#include "verifier/intel/collateral.h"
#include "verifier/intel/pck_chain.h"

namespace attestd {
namespace {

constexpr ByteArray<16> kIntelVendorId{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                       0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

bool verify_split(const PublicKey& key, ByteView message, ByteView signature) {
    return key.verify_raw(message, signature.first(32), signature.subspan(32));
}

// SHA-256(attestation key || QE authentication data), then 32 zero bytes (step 6).
Result<void> check_binding(const ParsedQuote& quote) {
    const Sha256 want = sha256({quote.attestation_key, quote.qe_auth_data});
    const ByteView have(quote.qe_report.report_data);
    if (equal(have.first(32), want) && all_zero(have.subspan(32))) return {};
    return fail(Errc::qe_report_binding,
                "the quoting enclave's report does not vouch for the attestation key");
}

bool is_list_of(const Crl& crl, const VerifiedCertificate& issuer) {
    return crl.issuer().same_as(issuer.certificate.subject()) && crl.signed_by(issuer.key);
}

Result<void> check_crl_chain(const std::vector<Certificate>& given, const TrustAnchors& anchors,
                             Time now) {
    if (given.size() != 2) return fail(Errc::chain_malformed, "must hold two certificates");
    ATTESTD_TRY(const VerifiedRoot root, verify_intel_root(given[1], anchors, now));
    return check_issued_by(given[0], root.verified, "intermediate certificate");
}

// A chain that came beside a PCK list of this platform's authority must be the authority's: what is
// given and wrong is refused, needed or not. Lists of other hierarchies do not matter.
Result<void> check_crl_chains(const VerifiedPckChain& chain, const Endorsements& endorsements,
                              const TrustAnchors& anchors, Time now) {
    constexpr std::string_view what = "PCK revocation list's chain";
    for (const GivenCrl& given : endorsements.crls()) {
        if (given.chain && given.chain->empty()) continue;
        if (!given.crl || !is_list_of(*given.crl, chain.intermediate)) continue;
        const auto checked = given.chain ? check_crl_chain(*given.chain, anchors, now)
                                         : Result<void>(tl::make_unexpected(given.chain.error()));
        if (!checked)
            return fail(Errc::crl_issuer, fmt::format("{}: {}", what, to_string(checked.error())));
    }
    return {};
}

// Collects what the steps say: an absence is noted and passed over, a failure ends the run.
class Steps {
 public:
    explicit Steps(PlatformOutcome& out) : out_(out) {}

    bool failed() const noexcept { return out_.failure.has_value(); }

    template <class T>
    std::optional<T> take(Result<T> result) {
        if (result) return *std::move(result);
        note(std::move(result).error());
        return std::nullopt;
    }
    void refuse(Errc code, std::string why) { note(Error{code, std::move(why)}); }
    bool take(Result<void> result) {
        if (result) return true;
        note(std::move(result).error());
        return false;
    }

 private:
    void note(Error error) {
        if (is_absence(error.code)) {
            // One list serves several steps: its absence is said once.
            for (const Error& known : out_.absent) {
                if (known.code == error.code && known.detail == error.detail) return;
            }
            out_.absent.push_back(std::move(error));
        } else if (!out_.failure) {
            out_.failure = std::move(error);
        }
    }

    PlatformOutcome& out_;
};

struct Parts {
    std::optional<VerifiedPckChain> chain;
    std::optional<VerifiedCrls> root_crls, pck_crls;
    std::optional<VerifiedDocument<TcbInfo>> tcb_info;
    std::optional<VerifiedDocument<EnclaveIdentity>> qe_identity;
    std::optional<PublicKey> attestation_key;
};

Result<void> check_vendor(const ParsedQuote& quote) {
    if (quote.quote.header.qe_vendor_id == kIntelVendorId) return {};
    return fail(Errc::qe_vendor, "the quoting enclave's vendor id is not Intel's");
}

// Step 3: both lists, and what they say of the chain.
void verify_revocation(const Endorsements& endorsements, Time now, Steps& steps, Parts& parts) {
    const VerifiedPckChain& chain = *parts.chain;
    parts.root_crls = steps.take(verify_crls(endorsements.crls(), chain.root.verified,
                                             CrlRole::root, now, "root revocation list"));
    if (parts.root_crls && parts.root_crls->revokes(chain.intermediate.certificate.serial())) {
        steps.refuse(Errc::intermediate_revoked,
                     "the PCK authority's certificate is on the root revocation list");
    }
    parts.pck_crls = steps.take(verify_crls(endorsements.crls(), chain.intermediate, CrlRole::pck,
                                            now, "PCK revocation list"));
    if (parts.pck_crls && parts.pck_crls->revokes(chain.leaf.certificate.serial())) {
        steps.refuse(Errc::leaf_revoked,
                     "the PCK certificate is on its authority's revocation list");
    }
}

// Steps 2 to 5: everything that rests on the PCK chain.
void verify_endorsements(const ParsedQuote& quote, const Endorsements& endorsements,
                         const TrustAnchors& anchors, Time now, Steps& steps, Parts& parts) {
    const auto certificates = steps.take(find_pck_chain(quote, endorsements));
    if (!certificates) return;
    parts.chain = steps.take(verify_pck_chain(*certificates, anchors, now));
    if (!parts.chain) return;
    verify_revocation(endorsements, now, steps, parts);
    if (steps.failed() || !steps.take(check_crl_chains(*parts.chain, endorsements, anchors, now)))
        return;
    CollateralContext context{endorsements,
                              anchors,
                              *parts.chain,
                              parts.root_crls ? &*parts.root_crls : nullptr,
                              quote.quote.is_tdx(),
                              now,
                              {}};
    parts.tcb_info = steps.take(verify_tcb_info(context));
    if (steps.failed()) return;
    parts.qe_identity = steps.take(verify_qe_identity(context));
}

// Step 6: the quoting enclave's report, as far as what is known allows.
void verify_qe_report(const ParsedQuote& quote, Steps& steps, Parts& parts) {
    if (parts.chain &&
        !verify_split(parts.chain->leaf.key, quote.qe_report_bytes, quote.qe_report_signature)) {
        return steps.refuse(Errc::qe_report_signature,
                            "the quoting enclave's report is not signed by the PCK key");
    }
    if (!steps.take(check_binding(quote))) return;
    if (parts.qe_identity && !steps.take(match_enclave(quote.qe_report, parts.qe_identity->body)))
        return;
    parts.attestation_key = steps.take(attestation_key_of(quote));
}

PlatformFacts facts_of(const ParsedQuote& quote, const Parts& parts) {
    return {parts.chain->pck, parts.tcb_info->body, parts.qe_identity->body,
            quote.qe_report.isv_svn};
}

std::shared_ptr<const VerifiedPlatform> assemble(const ParsedQuote& quote, const Parts& parts,
                                                 Time now) {
    const VerifiedPckChain& chain = *parts.chain;
    const Window validity = Window{now, Time::max()}
                                .intersect(parts.root_crls->validity())
                                .intersect(parts.pck_crls->validity())
                                .intersect(parts.tcb_info->validity)
                                .intersect(parts.qe_identity->validity)
                                .intersect(chain.leaf.certificate.validity())
                                .intersect(chain.intermediate.certificate.validity())
                                .intersect(chain.root.verified.certificate.validity());
    return std::make_shared<const VerifiedPlatform>(VerifiedPlatform{
        facts_of(quote, parts), *parts.attestation_key, validity, chain.root.grade});
}

}  // namespace

PlatformOutcome verify_platform(const ParsedQuote& quote, const Endorsements& endorsements,
                                const TrustAnchors& anchors, Time now) {
    PlatformOutcome out;
    Steps steps(out);
    Parts parts;
    if (!steps.take(check_vendor(quote))) return out;
    verify_endorsements(quote, endorsements, anchors, now, steps, parts);
    if (steps.failed()) return out;
    verify_qe_report(quote, steps, parts);
    if (steps.failed()) return out;
    if (out.absent.empty())
        out.platform = assemble(quote, parts, now);
    else if (parts.tcb_info && parts.qe_identity)
        out.unproven = facts_of(quote, parts);
    return out;
}

Result<PublicKey> attestation_key_of(const ParsedQuote& quote) {
    auto key = PublicKey::from_point(KeyKind::p256, quote.attestation_key);
    if (!key) return fail(Errc::quote_signature, "attestation key: " + key.error().detail);
    return key;
}

Result<void> verify_quote_signature(const ParsedQuote& quote, const PublicKey& attestation_key) {
    if (verify_split(attestation_key, quote.signed_part, quote.signature)) return {};
    return fail(Errc::quote_signature, "the quote is not signed by its attestation key");
}

Result<void> verify_tdx_module(const IntelQuote& quote, const TcbInfo& info) {
    const auto* const td = std::get_if<TdReport>(&quote.body);
    if (td == nullptr) return {};
    ATTESTD_CHECK(match_tdx_module(*td, td->tee_tcb_svn, info));
    if (td->tee_tcb_svn2) return match_tdx_module(*td, *td->tee_tcb_svn2, info);
    return {};
}

}  // namespace attestd
