#include "verifier/intel/platform_verification.h"

#include <fmt/format.h>

#include "quote/base/digest.h"
#include "verifier/intel/chainless.h"
#include "verifier/intel/collateral.h"
#include "verifier/intel/quote_verification.h"

namespace attestd {
namespace {

constexpr ByteArray<16> kIntelVendorId{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                       0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

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

Result<Window> check_crl_chain(const std::vector<Certificate>& given, const TrustAnchors& anchors,
                               Time now) {
    if (given.size() != 2) return fail(Errc::chain_malformed, "must hold two certificates");
    ATTESTD_TRY(const VerifiedRoot root, verify_intel_root(given[1], anchors, now));
    ATTESTD_CHECK(check_issued_by(given[0], root.verified, "intermediate certificate"));
    return given[1].validity();
}

// A chain that came beside a PCK list of this platform's authority must be the authority's: what is
// given and wrong is refused, needed or not. Lists of other hierarchies do not matter. Returns the
// span in which this holds.
Result<Window> check_crl_chains(const VerifiedCertificate& intermediate,
                                const Endorsements& endorsements, const TrustAnchors& anchors,
                                Time now) {
    constexpr std::string_view what = "PCK revocation list's chain";
    Window validity;
    for (const GivenCrl& given : endorsements.crls()) {
        if (given.chain && given.chain->empty()) continue;
        if (!given.crl || !is_list_of(*given.crl, intermediate)) continue;
        const auto checked = given.chain ? check_crl_chain(*given.chain, anchors, now)
                                         : Result<Window>(tl::make_unexpected(given.chain.error()));
        if (!checked)
            return fail(Errc::crl_issuer, fmt::format("{}: {}", what, to_string(checked.error())));
        validity = validity.intersect(*checked);
    }
    return validity;
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

// What is known so far. Null or empty: not come to yet, absent, or wrong.
struct Parts {
    std::shared_ptr<const VerifiedCollateral> collateral;  ///< when all that follows holds
    std::optional<VerifiedAuthorities> authorities;
    std::optional<VerifiedPckLeaf> leaf;
    std::optional<VerifiedCrls> root_crls, pck_crls;
    std::optional<Window> crl_chains;
    std::optional<VerifiedDocument<TcbInfo>> tcb_info;
    std::optional<VerifiedDocument<EnclaveIdentity>> qe_identity;
    std::optional<PublicKey> attestation_key;
};

Result<void> check_vendor(const ParsedQuote& quote) {
    if (quote.quote.header.qe_vendor_id == kIntelVendorId) return {};
    return fail(Errc::qe_vendor, "the quoting enclave's vendor id is not Intel's");
}

Result<void> check_leaf_not_revoked(const VerifiedPckLeaf& leaf, const VerifiedCrls& crls) {
    if (!crls.revokes(leaf.verified.certificate.serial())) return {};
    return fail(Errc::leaf_revoked, "the PCK certificate is on its authority's revocation list");
}

// Step 3: both lists, and what they say of the chain.
void verify_revocation(const Endorsements& endorsements, Time now, Steps& steps, Parts& parts) {
    const VerifiedAuthorities& issuers = *parts.authorities;
    parts.root_crls = steps.take(verify_crls(endorsements.crls(), issuers.root.verified,
                                             CrlRole::root, now, "root revocation list"));
    if (parts.root_crls && parts.root_crls->revokes(issuers.intermediate.certificate.serial())) {
        steps.refuse(Errc::intermediate_revoked,
                     "the PCK authority's certificate is on the root revocation list");
    }
    parts.pck_crls = steps.take(verify_crls(endorsements.crls(), issuers.intermediate, CrlRole::pck,
                                            now, "PCK revocation list"));
    if (parts.pck_crls) steps.take(check_leaf_not_revoked(*parts.leaf, *parts.pck_crls));
}

// Steps 4 and 5.
void verify_documents(CollateralContext context, Steps& steps, Parts& parts) {
    parts.tcb_info = steps.take(verify_tcb_info(context));
    if (steps.failed()) return;
    parts.qe_identity = steps.take(verify_qe_identity(context));
}

// Until another document would be the one to choose, and no longer than any of the parts holds.
VerifiedCollateral assemble_collateral(const Parts& parts, Time now) {
    const Window validity = Window{now, Time::max()}
                                .intersect(parts.root_crls->validity())
                                .intersect(parts.pck_crls->validity())
                                .intersect(*parts.crl_chains)
                                .intersect(parts.tcb_info->validity)
                                .intersect(parts.qe_identity->validity)
                                .intersect(parts.authorities->intermediate.certificate.validity())
                                .intersect(parts.authorities->root.verified.certificate.validity());
    return {*parts.authorities,
            *parts.pck_crls,
            {std::make_shared<const Crl>(parts.root_crls->newest()),
             std::make_shared<const Crl>(parts.pck_crls->newest())},
            parts.tcb_info->body,
            parts.qe_identity->body,
            validity};
}

// Steps 2 to 5 with nothing known beforehand.
void verify_anew(const GivenPckChain& chain, const Endorsements& endorsements,
                 const TrustAnchors& anchors, bool tdx, Time now, Steps& steps, Parts& parts) {
    parts.authorities = steps.take(verify_pck_authorities(chain, anchors, now));
    if (!parts.authorities) return;
    parts.leaf = steps.take(verify_pck_leaf(chain, parts.authorities->intermediate, now));
    if (!parts.leaf) return;
    verify_revocation(endorsements, now, steps, parts);
    if (steps.failed()) return;
    parts.crl_chains =
        steps.take(check_crl_chains(parts.authorities->intermediate, endorsements, anchors, now));
    if (!parts.crl_chains) return;
    verify_documents({endorsements,
                      anchors,
                      &parts.authorities->root,
                      &parts.leaf->pck,
                      parts.root_crls ? &*parts.root_crls : nullptr,
                      tdx,
                      now,
                      {}},
                     steps, parts);
    if (parts.root_crls && parts.pck_crls && parts.tcb_info && parts.qe_identity) {
        parts.collateral =
            std::make_shared<const VerifiedCollateral>(assemble_collateral(parts, now));
    }
}

// The same where everything but the leaf was verified before.
void verify_known(const GivenPckChain& chain, Time now, Steps& steps, Parts& parts) {
    const VerifiedCollateral& known = *parts.collateral;
    parts.leaf = steps.take(verify_pck_leaf(chain, known.authorities.intermediate, now));
    if (parts.leaf) steps.take(check_leaf_not_revoked(*parts.leaf, known.pck_crls));
}

// Everything that collateral is verified from, and that its choice depends on.
Sha256 collateral_key(const GivenPckChain& chain, const PckExtension& pck, bool tdx,
                      const Endorsements& endorsements) {
    const ByteArray<1> tee{static_cast<std::uint8_t>(tdx ? 1 : 0)};
    return sha256({endorsements.digest(), tee, pck.fmspc, pck.pce_id, sha256(chain.intermediate),
                   sha256(chain.root)});
}

// Steps 2 to 5: everything that rests on the PCK chain.
void verify_endorsements(const ParsedQuote& quote, const Endorsements& endorsements,
                         const TrustAnchors& anchors, CollateralMemory& memory, Time now,
                         Steps& steps, Parts& parts) {
    const auto chain = steps.take(find_pck_chain(quote, endorsements));
    if (steps.failed()) return;
    if (!chain) {
        if (auto failure = find_failure_without_chain(quote, endorsements, anchors, now))
            steps.refuse(failure->code, std::move(failure->detail));
        return;
    }
    const bool tdx = quote.quote.is_tdx();
    if (!chain->pck || !*chain->pck)  // refused below, in its turn
        return verify_anew(*chain, endorsements, anchors, tdx, now, steps, parts);
    // What the leaf says of its model is not believed yet: it only picks what to compare with.
    const Sha256 key = collateral_key(*chain, **chain->pck, tdx, endorsements);
    parts.collateral = memory.find(key, now);
    if (parts.collateral) return verify_known(*chain, now, steps, parts);
    verify_anew(*chain, endorsements, anchors, tdx, now, steps, parts);
    if (parts.collateral) memory.remember(key, parts.collateral);
}

const EnclaveIdentity* identity_of(const Parts& parts) {
    if (parts.collateral) return parts.collateral->qe_identity.get();
    return parts.qe_identity ? parts.qe_identity->body.get() : nullptr;
}

// Step 6: the quoting enclave's report, as far as what is known allows.
void verify_qe_report(const ParsedQuote& quote, Steps& steps, Parts& parts) {
    const ByteView signature = quote.qe_report_signature;
    if (parts.leaf && !parts.leaf->verified.key.verify_raw(
                          quote.qe_report_bytes, signature.first(32), signature.subspan(32))) {
        return steps.refuse(Errc::qe_report_signature,
                            "the quoting enclave's report is not signed by the PCK key");
    }
    if (!steps.take(check_binding(quote))) return;
    const EnclaveIdentity* const identity = identity_of(parts);
    if (identity != nullptr && !steps.take(match_enclave(quote.qe_report, *identity))) return;
    parts.attestation_key = steps.take(attestation_key_of(quote));
}

UsedEndorsements used(const Parts& parts) {
    const VerifiedCollateral& collateral = *parts.collateral;
    const VerifiedAuthorities& issuers = collateral.authorities;
    return {{parts.leaf->verified.certificate, issuers.intermediate.certificate,
             issuers.root.verified.certificate},
            collateral.crls,
            collateral.tcb_info,
            collateral.qe_identity};
}

VerifiedPlatform assemble(const ParsedQuote& quote, const Parts& parts, Time now) {
    const VerifiedCollateral& collateral = *parts.collateral;
    const Window validity = Window{now, Time::max()}
                                .intersect(collateral.validity)
                                .intersect(parts.leaf->verified.certificate.validity());
    return {{parts.leaf->pck, collateral.tcb_info, collateral.qe_identity, quote.qe_report.isv_svn},
            *parts.attestation_key,
            validity,
            collateral.authorities.root.grade,
            std::make_shared<const UsedEndorsements>(used(parts))};
}

}  // namespace

PlatformOutcome verify_platform(const ParsedQuote& quote, const Endorsements& endorsements,
                                const TrustAnchors& anchors, CollateralMemory& memory, Time now) {
    PlatformOutcome out;
    Steps steps(out);
    Parts parts;
    if (!steps.take(check_vendor(quote))) return out;
    verify_endorsements(quote, endorsements, anchors, memory, now, steps, parts);
    if (steps.failed()) return out;
    verify_qe_report(quote, steps, parts);
    if (steps.failed()) return out;
    if (parts.collateral && out.absent.empty()) {
        out.platform = std::make_shared<const VerifiedPlatform>(assemble(quote, parts, now));
    } else if (parts.leaf && parts.tcb_info && parts.qe_identity) {
        out.unproven = PlatformFacts{parts.leaf->pck, parts.tcb_info->body, parts.qe_identity->body,
                                     quote.qe_report.isv_svn};
    }
    return out;
}

}  // namespace attestd
