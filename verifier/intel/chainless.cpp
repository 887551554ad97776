#include "verifier/intel/chainless.h"

#include <fmt/format.h>

#include <vector>

#include "verifier/intel/collateral.h"
#include "verifier/intel/pck_chain.h"
#include "verifier/intel/quote_verification.h"

namespace attestd {
namespace {

template <class T>
std::optional<Error> definite(const Result<T>& result) {
    if (result || is_absence(result.error().code)) return std::nullopt;
    return result.error();
}

// The roots that the chain could end in: those given apart and those that documents came with.
std::vector<VerifiedRoot> verified_roots(const Endorsements& endorsements,
                                         const TrustAnchors& anchors, Time now) {
    std::vector<VerifiedRoot> out;
    const auto note = [&](const Certificate& certificate) {
        if (certificate.subject().common_name != kIntelRootName) return;
        for (const VerifiedRoot& known : out) {
            if (equal(known.verified.certificate.der(), certificate.der())) return;
        }
        if (auto root = verify_intel_root(certificate, anchors, now))
            out.push_back(*std::move(root));
    };
    for (const Certificate& certificate : endorsements.certificates()) note(certificate);
    for (const auto* documents : {&endorsements.tcb_infos(), &endorsements.qe_identities()}) {
        for (const SignedDocument& document : *documents) {
            if (document.chain && !document.chain->empty()) note(document.chain->back());
        }
    }
    return out;
}

// Which authority's list is needed is not known; a list that says that it is one for PCK
// certificates must at least be readable and in force.
std::optional<Error> judge_pck_lists(const Endorsements& endorsements, Time now) {
    std::optional<Error> complaint;
    for (const GivenCrl& given : endorsements.crls()) {
        if (given.role != CrlRole::pck) continue;
        if (!given.crl) {
            complaint = {Errc::crl_malformed, "PCK revocation list: " + given.crl.error().detail};
            continue;
        }
        const Window& dates = given.crl->validity();
        if (dates.contains(now)) return std::nullopt;
        complaint = now < dates.from
                        ? Error{Errc::crl_not_yet_valid,
                                fmt::format("PCK revocation list: thisUpdate is {}",
                                            to_rfc3339(dates.from))}
                        : Error{Errc::crl_expired,
                                fmt::format("PCK revocation list: nextUpdate was {}: fetch the "
                                            "current list",
                                            to_rfc3339(dates.until))};
    }
    return complaint;
}

// The documents, and what they say of quoting enclave and module, if the chain ended in `root`
// (null: in one that is not given).
std::optional<Error> judge_under(const VerifiedRoot* root, const ParsedQuote& quote,
                                 const Endorsements& endorsements, const TrustAnchors& anchors,
                                 Time now) {
    std::optional<VerifiedCrls> root_crls;
    if (root != nullptr) {
        auto crls = verify_crls(endorsements.crls(), root->verified, CrlRole::root, now,
                                "root revocation list");
        if (auto failure = definite(crls)) return failure;
        if (crls) root_crls = *std::move(crls);
    }
    CollateralContext context{endorsements,
                              anchors,
                              root,
                              /*pck=*/nullptr,
                              root_crls ? &*root_crls : nullptr,
                              quote.quote.is_tdx(),
                              now,
                              {}};
    const auto tcb_info = verify_tcb_info(context);
    if (auto failure = definite(tcb_info)) return failure;
    const auto identity = verify_qe_identity(context);
    if (auto failure = definite(identity)) return failure;
    if (identity) {
        if (auto failure = definite(match_enclave(quote.qe_report, *identity->body)))
            return failure;
    }
    // Of several TCB infos the one for this platform is not known.
    if (!tcb_info || endorsements.tcb_infos().size() != 1) return std::nullopt;
    return definite(verify_tdx_module(quote.quote, *tcb_info->body));
}

}  // namespace

std::optional<Error> find_failure_without_chain(const ParsedQuote& quote,
                                                const Endorsements& endorsements,
                                                const TrustAnchors& anchors, Time now) {
    if (auto failure = judge_pck_lists(endorsements, now)) return failure;
    const std::vector<VerifiedRoot> roots = verified_roots(endorsements, anchors, now);
    if (roots.empty()) return judge_under(nullptr, quote, endorsements, anchors, now);
    std::optional<Error> failure;
    for (const VerifiedRoot& root : roots) {
        failure = judge_under(&root, quote, endorsements, anchors, now);
        if (!failure) break;
    }
    return failure;
}

}  // namespace attestd
