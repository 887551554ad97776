#include "verifier/intel/collateral.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "quote/base/encoding.h"

namespace attestd {
namespace {

// The names that one kind of document gives to the errors of the steps all kinds share.
struct DocumentErrors {
    std::string_view what;
    Errc missing, chain, signature, expired, not_yet_valid;
};

constexpr DocumentErrors kTcbInfoErrors{"TCB info",
                                        Errc::tcb_info_missing,
                                        Errc::tcb_info_chain,
                                        Errc::tcb_info_signature,
                                        Errc::tcb_info_expired,
                                        Errc::tcb_info_not_yet_valid};
constexpr DocumentErrors kQeIdentityErrors{"QE identity",
                                           Errc::qe_identity_missing,
                                           Errc::qe_identity_chain,
                                           Errc::qe_identity_signature,
                                           Errc::qe_identity_expired,
                                           Errc::qe_identity_not_yet_valid};

using Chain = std::vector<Certificate>;

// The chain that came with the document; else each signer given apart, with the PCK chain's root.
Result<std::vector<Chain>> signer_chains(const SignedDocument& document, const CollateralContext& c,
                                         const DocumentErrors& errors) {
    if (!document.chain)
        return fail(errors.chain,
                    fmt::format("{} issuer chain: {}", errors.what, document.chain.error().detail));
    if (!document.chain->empty()) return std::vector<Chain>{*document.chain};
    std::vector<Chain> out;
    for (const Certificate& certificate : c.endorsements.certificates()) {
        if (c.root == nullptr || certificate.subject().common_name != kTcbSignerName) continue;
        out.push_back({certificate, c.root->verified.certificate});
    }
    if (!out.empty()) return out;
    return fail(Errc::chain_missing,
                fmt::format("{}: the chain of its signer is not given", errors.what));
}

// How far a document came before it was refused: its place in the order of the steps.
std::size_t step_of(Errc code) noexcept {
    constexpr std::array kSteps{
        Errc::chain_missing,         Errc::tcb_info_chain,         Errc::qe_identity_chain,
        Errc::tcb_info_signature,    Errc::qe_identity_signature,  Errc::tcb_signer_revoked,
        Errc::tcb_info_version,      Errc::qe_identity_version,    Errc::tcb_info_malformed,
        Errc::qe_identity_malformed, Errc::tcb_info_tee,           Errc::qe_identity_tee,
        Errc::tcb_info_fmspc,        Errc::tcb_info_pceid,         Errc::tcb_info_expired,
        Errc::qe_identity_expired,   Errc::tcb_info_not_yet_valid, Errc::qe_identity_not_yet_valid};
    return static_cast<std::size_t>(std::find(kSteps.begin(), kSteps.end(), code) - kSteps.begin());
}

void keep_furthest(std::optional<Error>& furthest, Error error) {
    if (!furthest || step_of(furthest->code) < step_of(error.code)) furthest = std::move(error);
}

bool same_chain(const Chain& a, const Chain& b) {
    return std::equal(
        a.begin(), a.end(), b.begin(), b.end(),
        [](const Certificate& x, const Certificate& y) { return equal(x.der(), y.der()); });
}

Result<VerifiedCertificate> verify_signer(const Chain& chain, CollateralContext& c,
                                          const DocumentErrors& errors) {
    if (c.known_signer && same_chain(c.known_signer->first, chain)) return c.known_signer->second;
    auto signer = verify_tcb_signer(chain, c.root, c.anchors, c.now);
    if (!signer) {
        return fail(errors.chain,
                    fmt::format("{} issuer chain: {}: {}", errors.what,
                                errc_name(signer.error().code), signer.error().detail));
    }
    c.known_signer.emplace(chain, *signer);
    return signer;
}

// Chain, revocation and signature under one chain. Returns the span in which they hold.
Result<Window> verify_signature_by(const Chain& chain, const SignedDocument& document,
                                   CollateralContext& c, const DocumentErrors& errors) {
    ATTESTD_TRY(const VerifiedCertificate signer, verify_signer(chain, c, errors));
    if (c.root_crls != nullptr && c.root_crls->revokes(signer.certificate.serial())) {
        return fail(Errc::tcb_signer_revoked,
                    fmt::format("{}: its signer's certificate is revoked", errors.what));
    }
    const auto& signature = document.signature;
    const bool good = signature && signature->size() == 64 &&
                      signer.key.verify_raw(as_bytes(document.text), ByteView(*signature).first(32),
                                            ByteView(*signature).subspan(32));
    if (!good)
        return fail(errors.signature,
                    fmt::format("{}: the signature over its text is wrong", errors.what));
    return signer.certificate.validity().intersect(chain[1].validity());
}

// Step 4 or 5 up to the signature; nothing of the text has been interpreted yet.
Result<Window> verify_signature(const SignedDocument& document, CollateralContext& c,
                                const DocumentErrors& errors) {
    ATTESTD_TRY(const auto chains, signer_chains(document, c, errors));
    std::optional<Error> furthest;
    for (const Chain& chain : chains) {
        auto window = verify_signature_by(chain, document, c, errors);
        if (window) return window;
        keep_furthest(furthest, std::move(window).error());
    }
    return tl::make_unexpected(*std::move(furthest));
}

Result<void> check_dates(const Window& window, CollateralContext& c, const DocumentErrors& errors) {
    if (c.now < window.from) {
        c.next_from = std::min(c.next_from, window.from);
        return fail(errors.not_yet_valid,
                    fmt::format("{}: issued {}", errors.what, to_rfc3339(window.from)));
    }
    if (c.now > window.until) {
        return fail(errors.expired, fmt::format("{}: nextUpdate was {}: fetch the current document",
                                                errors.what, to_rfc3339(window.until)));
    }
    return {};
}

// Whether the TCB info is for platforms like this one.
Result<void> check_model(const TcbInfo& info, const PckExtension& pck) {
    if (info.fmspc != pck.fmspc) {
        return fail(Errc::tcb_info_fmspc,
                    fmt::format("TCB info is for FMSPC {}, the platform's is {}: fetch that one",
                                to_hex(info.fmspc), to_hex(pck.fmspc)));
    }
    if (info.pce_id != pck.pce_id) {
        return fail(Errc::tcb_info_pceid,
                    fmt::format("TCB info is for PCEID {}, the platform's is {}",
                                to_hex(info.pce_id), to_hex(pck.pce_id)));
    }
    return {};
}

Result<VerifiedDocument<TcbInfo>> verify_one_tcb_info(const SignedDocument& document,
                                                      CollateralContext& c) {
    ATTESTD_TRY(const Window signature, verify_signature(document, c, kTcbInfoErrors));
    ATTESTD_TRY(TcbInfo info, parse_tcb_info(document.text));
    if (info.tdx != c.tdx) {
        return fail(Errc::tcb_info_tee,
                    fmt::format("TCB info is for {}, the evidence is {}", info.tdx ? "TDX" : "SGX",
                                c.tdx ? "TDX" : "SGX"));
    }
    if (c.pck != nullptr) ATTESTD_CHECK(check_model(info, *c.pck));
    // Dates last: of several documents the one for this platform is the one to complain about.
    ATTESTD_CHECK(check_dates(info.validity, c, kTcbInfoErrors));
    const Window validity = signature.intersect(info.validity);
    return VerifiedDocument<TcbInfo>{std::make_shared<const TcbInfo>(std::move(info)), validity};
}

Result<VerifiedDocument<EnclaveIdentity>> verify_one_qe_identity(const SignedDocument& document,
                                                                 CollateralContext& c) {
    ATTESTD_TRY(const Window signature, verify_signature(document, c, kQeIdentityErrors));
    ATTESTD_TRY(EnclaveIdentity identity, parse_enclave_identity(document.text));
    const std::string_view want = c.tdx ? "TD_QE" : "QE";
    if (identity.id != want) {
        return fail(Errc::qe_identity_tee,
                    fmt::format("the identity is of {}, the evidence needs {}", identity.id, want));
    }
    // Dates last: of several documents the one for this platform is the one to complain about.
    ATTESTD_CHECK(check_dates(identity.validity, c, kQeIdentityErrors));
    const Window validity = signature.intersect(identity.validity);
    return VerifiedDocument<EnclaveIdentity>{
        std::make_shared<const EnclaveIdentity>(std::move(identity)), validity};
}

// Of the documents that hold, the one with the highest evaluation data number, then the newest;
// else the error of the document that came furthest. What is chosen is the choice only until
// another document comes into force.
template <class Body, class Verify>
Result<VerifiedDocument<Body>> best_of(const std::vector<SignedDocument>& documents,
                                       CollateralContext& c, const DocumentErrors& errors,
                                       Verify verify) {
    const auto rank = [](const Body& b) {
        return std::pair{b.evaluation_data_number, b.validity.from};
    };
    std::optional<VerifiedDocument<Body>> best;
    std::optional<Error> furthest;
    c.next_from = Time::max();
    for (const SignedDocument& document : documents) {
        Result<VerifiedDocument<Body>> verified = verify(document, c);
        if (!verified)
            keep_furthest(furthest, std::move(verified).error());
        else if (!best || rank(*best->body) < rank(*verified->body))
            best = *std::move(verified);
    }
    if (best) {
        best->validity.until =
            std::min(best->validity.until, c.next_from - std::chrono::seconds(1));
        return *std::move(best);
    }
    if (furthest) return tl::make_unexpected(*std::move(furthest));
    return fail(errors.missing, fmt::format("no {} is given", errors.what));
}

}  // namespace

Result<VerifiedDocument<TcbInfo>> verify_tcb_info(CollateralContext& context) {
    return best_of<TcbInfo>(context.endorsements.tcb_infos(), context, kTcbInfoErrors,
                            verify_one_tcb_info);
}

Result<VerifiedDocument<EnclaveIdentity>> verify_qe_identity(CollateralContext& context) {
    return best_of<EnclaveIdentity>(context.endorsements.qe_identities(), context,
                                    kQeIdentityErrors, verify_one_qe_identity);
}

}  // namespace attestd
