#include "verifier/endorsement_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/amd/leaf_extension.h"
#include "quote/base/encoding.h"
#include "quote/base/lower_case.h"
#include "quote/intel/pck_extension.h"
#include "verifier/amd/issuers.h"
#include "verifier/intel/enclave_identity.h"
#include "verifier/intel/pck_chain.h"
#include "verifier/intel/tcb_info.h"
#include "verifier/internal/chain.h"

namespace attestd {
namespace {

using Checked = Result<CheckedEndorsement>;

// The product of "ARK-Milan", "SEV-Milan" or "SEV-VLEK-Milan"; `prefix` is what stands before it.
std::optional<Product> product_after(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return std::nullopt;
    return product_from_name(name.substr(prefix.size()));
}

class Checker final {
 public:
    Checker(const Endorsements& item, const Endorsements& context, const TrustAnchors& anchors,
            Time now)
        : item_(item), anchors_(anchors), now_(now) {
        for (const Endorsements* from : {&item, &context}) gather(*from);
    }

    std::vector<Checked> check_all() {
        std::vector<Checked> out;
        for (const SignedDocument& document : item_.tcb_infos())
            out.push_back(check_tcb_info(document));
        for (const SignedDocument& document : item_.qe_identities())
            out.push_back(check_qe_identity(document));
        for (const GivenCrl& given : item_.crls()) out.push_back(check_crl(given));
        for (const Certificate& certificate : item_.certificates()) {
            if (certificate.subject().common_name == kPckLeafName)
                out.push_back(check_pck_leaf(certificate));
            else if (auto checked = check_amd_certificate(certificate))
                out.push_back(*std::move(checked));
        }
        return out;
    }

 private:
    void gather(const Endorsements& from) {
        const auto append = [this](const auto& chain) {
            if (chain) issuers_.insert(issuers_.end(), chain->begin(), chain->end());
        };
        issuers_.insert(issuers_.end(), from.certificates().begin(), from.certificates().end());
        for (const SignedDocument& document : from.tcb_infos()) append(document.chain);
        for (const SignedDocument& document : from.qe_identities()) append(document.chain);
        for (const GivenCrl& given : from.crls()) append(given.chain);
    }

    // Runs `check` on every certificate that has the name and whose key made the signature; the
    // first that holds, else the last complaint, else `missing`.
    template <class Signed, class Check>
    auto by_issuer(const Signed& thing, std::string_view what, Check check)
        -> decltype(check(std::declval<const Certificate&>())) {
        Error error{Errc::chain_missing, fmt::format("{}: the certificate of \"{}\" is not given",
                                                     what, thing.issuer().common_name)};
        for (const Certificate& candidate : issuers_) {
            if (!candidate.subject().same_as(thing.issuer())) continue;
            const auto key = candidate.key();
            if (!key || !thing.signed_by(*key)) {
                if (error.code == Errc::chain_missing)
                    error = {Errc::chain_signature, fmt::format("{}: not signed by \"{}\"", what,
                                                                thing.issuer().common_name)};
                continue;
            }
            auto checked = check(candidate);
            if (checked) return checked;
            error = std::move(checked).error();
        }
        return tl::make_unexpected(std::move(error));
    }

    // -- Intel --

    Result<VerifiedRoot> root_of(const Certificate& child) {
        return by_issuer(child, "certificate", [this](const Certificate& root) {
            return verify_intel_root(root, anchors_, now_);
        });
    }

    struct Signer {
        PublicKey key;
        Window validity;
        Grade grade;
    };

    Result<Signer> signer_of(const std::vector<Certificate>& chain) {
        if (chain.size() != 2)
            return fail(
                Errc::chain_malformed,
                fmt::format("issuer chain: {} certificates, must be exactly 2", chain.size()));
        ATTESTD_TRY(const VerifiedRoot root, verify_intel_root(chain[1], anchors_, now_));
        ATTESTD_TRY(VerifiedCertificate signer, verify_tcb_signer(chain, &root, anchors_, now_));
        const Window validity =
            signer.certificate.validity().intersect(root.verified.certificate.validity());
        return Signer{std::move(signer.key), validity, root.grade};
    }

    // The chain that came with the document, or those that its signer and root given apart make.
    Result<std::vector<std::vector<Certificate>>> chains_of(const SignedDocument& document) {
        if (!document.chain) return tl::make_unexpected(document.chain.error());
        if (!document.chain->empty()) return std::vector<std::vector<Certificate>>{*document.chain};
        std::vector<std::vector<Certificate>> out;
        for (const Certificate& signer : issuers_) {
            if (signer.subject().common_name != kTcbSignerName) continue;
            const auto root = root_of(signer);
            if (root) out.push_back({signer, root->verified.certificate});
        }
        if (!out.empty()) return out;
        return fail(Errc::chain_missing, "the chain of the document's signer is not given");
    }

    Result<Signer> verify_signature(const SignedDocument& document, Errc chain_error,
                                    Errc signature_error, std::string_view what) {
        const auto chains = chains_of(document);
        if (!chains) return fail(chain_error, fmt::format("{}: {}", what, chains.error().detail));
        Error error{signature_error, fmt::format("{}: the signature over its text is wrong", what)};
        for (const auto& chain : *chains) {
            auto signer = signer_of(chain);
            if (!signer) {
                error = {chain_error, fmt::format("{}: {}", what, to_string(signer.error()))};
                continue;
            }
            const auto& signature = document.signature;
            if (signature && signature->size() == 64 &&
                signer->key.verify_raw(as_bytes(document.text), ByteView(*signature).first(32),
                                       ByteView(*signature).subspan(32))) {
                return signer;
            }
        }
        return tl::make_unexpected(std::move(error));
    }

    Checked check_dated(std::string key, const Window& dates, const Signer& signer,
                        std::uint32_t number, Errc expired, Errc not_yet_valid) {
        if (now_ < dates.from)
            return fail(not_yet_valid, fmt::format("{}: issued {}", key, to_rfc3339(dates.from)));
        if (now_ > dates.until)
            return fail(expired,
                        fmt::format("{}: nextUpdate was {}", key, to_rfc3339(dates.until)));
        const Window validity{dates.from, std::min(dates.until, signer.validity.until)};
        return CheckedEndorsement{std::move(key), validity, /*dated=*/true, number, signer.grade};
    }

    Checked check_tcb_info(const SignedDocument& document) {
        ATTESTD_TRY(const Signer signer, verify_signature(document, Errc::tcb_info_chain,
                                                          Errc::tcb_info_signature, "TCB info"));
        ATTESTD_TRY(const TcbInfo info, parse_tcb_info(document.text));
        return check_dated(tcb_info_key(info.tdx, info.fmspc), info.validity, signer,
                           info.evaluation_data_number, Errc::tcb_info_expired,
                           Errc::tcb_info_not_yet_valid);
    }

    Checked check_qe_identity(const SignedDocument& document) {
        ATTESTD_TRY(const Signer signer,
                    verify_signature(document, Errc::qe_identity_chain, Errc::qe_identity_signature,
                                     "QE identity"));
        ATTESTD_TRY(const EnclaveIdentity identity, parse_enclave_identity(document.text));
        std::string key = identity.id == "TD_QE" ? qe_identity_key(true)
                          : identity.id == "QE"  ? qe_identity_key(false)
                                                 : "intel-enclave-" + lower_case(identity.id);
        return check_dated(std::move(key), identity.validity, signer,
                           identity.evaluation_data_number, Errc::qe_identity_expired,
                           Errc::qe_identity_not_yet_valid);
    }

    // -- PCK certificates --

    struct PckIssuer {
        Window validity;
        Grade grade;
    };

    Checked check_pck_leaf(const Certificate& leaf) {
        ATTESTD_TRY(const auto extension, parse_pck_extension(leaf));
        if (!extension)
            return fail(Errc::chain_extension, "PCK certificate: the SGX extension is missing");
        ATTESTD_CHECK(check_end_entity(leaf, "PCK certificate"));
        ATTESTD_CHECK(check_valid_at(leaf, now_, "PCK certificate"));
        ATTESTD_TRY(
            const PckIssuer issuer,
            by_issuer(leaf, "PCK certificate", [this](const Certificate& ca) -> Result<PckIssuer> {
                ATTESTD_TRY(const VerifiedRoot root, root_of(ca));
                ATTESTD_CHECK(verify_pck_ca(ca, root, now_));
                return PckIssuer{ca.validity().intersect(root.verified.certificate.validity()),
                                 root.grade};
            }));
        return CheckedEndorsement{"intel-pck-" + to_hex(leaf.spki_digest()),
                                  leaf.validity().intersect(issuer.validity),
                                  /*dated=*/false, std::nullopt, issuer.grade};
    }

    // -- revocation lists --

    struct CrlIssuer {
        std::string key;
        Window validity;
        Grade grade;
    };

    Result<CrlIssuer> intel_crl_issuer(const Certificate& issuer) {
        const std::string_view name = issuer.subject().common_name;
        if (name == kIntelRootName) {
            ATTESTD_TRY(const VerifiedRoot root, verify_intel_root(issuer, anchors_, now_));
            return CrlIssuer{std::string(kRootCrlKey), issuer.validity(), root.grade};
        }
        ATTESTD_TRY(const VerifiedRoot root, root_of(issuer));
        ATTESTD_CHECK(verify_pck_ca(issuer, root, now_));
        const Window validity = issuer.validity().intersect(root.verified.certificate.validity());
        return CrlIssuer{std::string(name == kPlatformCaName ? kPlatformCrlKey : kProcessorCrlKey),
                         validity, root.grade};
    }

    Result<CrlIssuer> crl_issuer(const Certificate& issuer) {
        const auto product = product_after(issuer.subject().common_name, "ARK-");
        if (!product) return intel_crl_issuer(issuer);
        ATTESTD_TRY(const VerifiedRoot root, verify_amd_root(issuer, *product, anchors_, now_));
        return CrlIssuer{amd_crl_key(*product), issuer.validity(), root.grade};
    }

    Checked check_crl(const GivenCrl& given) {
        if (!given.crl) return fail(Errc::crl_malformed, to_string(given.crl.error()));
        const Crl& crl = *given.crl;
        auto issuer = by_issuer(crl, "revocation list",
                                [this](const Certificate& c) { return crl_issuer(c); });
        if (!issuer) {
            // The steps of a chain have names of their own; a list's signature has another.
            const Errc code = issuer.error().code == Errc::chain_signature ? Errc::crl_signature
                                                                           : issuer.error().code;
            return fail(code, issuer.error().detail);
        }
        if (now_ < crl.validity().from)
            return fail(Errc::crl_not_yet_valid, fmt::format("{}: thisUpdate is {}", issuer->key,
                                                             to_rfc3339(crl.validity().from)));
        if (now_ > crl.validity().until)
            return fail(Errc::crl_expired, fmt::format("{}: nextUpdate was {}", issuer->key,
                                                       to_rfc3339(crl.validity().until)));
        const Window validity{crl.validity().from,
                              std::min(crl.validity().until, issuer->validity.until)};
        return CheckedEndorsement{std::move(issuer->key), validity, /*dated=*/true, std::nullopt,
                                  issuer->grade};
    }

    // -- AMD certificates --

    struct AmdIssuer {
        Window validity;
        Grade grade;
    };

    Result<AmdIssuer> amd_intermediate(const Certificate& certificate, Product product) {
        return by_issuer(
            certificate, "intermediate certificate",
            [&](const Certificate& root) -> Result<AmdIssuer> {
                ATTESTD_TRY(const VerifiedRoot ark, verify_amd_root(root, product, anchors_, now_));
                ATTESTD_CHECK(verify_amd_intermediate(certificate, ark, now_));
                return AmdIssuer{certificate.validity().intersect(root.validity()), ark.grade};
            });
    }

    Checked check_amd_leaf(const Certificate& leaf) {
        ATTESTD_TRY(const auto extension, parse_amd_leaf_extension(leaf));
        if (!extension) return fail(Errc::chain_extension, "leaf: AMD's extensions are missing");
        const bool vlek = !extension->is_vcek();
        ATTESTD_CHECK(check_amd_name(leaf.subject(), vlek ? "SEV-VLEK" : "SEV-VCEK", "leaf"));
        ATTESTD_CHECK(check_amd_name(leaf.issuer(), amd_intermediate_name(extension->product, vlek),
                                     "issuer of the leaf"));
        ATTESTD_CHECK(check_end_entity(leaf, "leaf"));
        ATTESTD_CHECK(check_valid_at(leaf, now_, "leaf"));
        ATTESTD_TRY(const AmdIssuer issuer,
                    by_issuer(leaf, "leaf", [&](const Certificate& intermediate) {
                        return amd_intermediate(intermediate, extension->product);
                    }));
        return CheckedEndorsement{
            amd_leaf_key(extension->product, extension->hw_id, extension->tcb),
            leaf.validity().intersect(issuer.validity), /*dated=*/false, std::nullopt,
            issuer.grade};
    }

    std::optional<Checked> check_amd_certificate(const Certificate& certificate) {
        const std::string_view name = certificate.subject().common_name;
        if (name == "SEV-VCEK" || name == "SEV-VLEK") return check_amd_leaf(certificate);
        const bool vlek = name.starts_with("SEV-VLEK-");
        const auto product = product_after(name, vlek ? "SEV-VLEK-" : "SEV-");
        if (!product) return std::nullopt;
        auto issuer = amd_intermediate(certificate, *product);
        if (!issuer) return Checked(tl::make_unexpected(std::move(issuer).error()));
        return Checked(CheckedEndorsement{amd_issuers_key(*product, vlek), issuer->validity,
                                          /*dated=*/false, std::nullopt, issuer->grade});
    }

    const Endorsements& item_;
    const TrustAnchors& anchors_;
    Time now_;
    std::vector<Certificate> issuers_;
};

}  // namespace

std::vector<Result<CheckedEndorsement>> check_endorsements(const Endorsements& item,
                                                           const Endorsements& context,
                                                           const TrustAnchors& anchors, Time now) {
    return Checker(item, context, anchors, now).check_all();
}

std::string tcb_info_key(bool tdx, const ByteArray<6>& fmspc) {
    return fmt::format("intel-tcb-{}-{}", tdx ? "tdx" : "sgx", to_hex(fmspc));
}

std::string qe_identity_key(bool tdx) { return tdx ? "intel-qe-tdx" : "intel-qe-sgx"; }

std::string amd_issuers_key(Product product, bool vlek) {
    return fmt::format("amd-{}issuers-{}", vlek ? "vlek-" : "", lower_case(product_name(product)));
}

std::string amd_crl_key(Product product) { return "amd-crl-" + lower_case(product_name(product)); }

std::string amd_leaf_key(Product product, ByteView hw_id, const TcbVersion& tcb) {
    return fmt::format("amd-{}-{}{}{}-{}{}-{}-{}-{}", hw_id.empty() ? "vlek" : "vcek",
                       lower_case(product_name(product)), hw_id.empty() ? "" : "-", to_hex(hw_id),
                       tcb.fmc ? fmt::format("{}-", *tcb.fmc) : std::string(), tcb.bootloader,
                       tcb.tee, tcb.snp, tcb.microcode);
}

}  // namespace attestd
