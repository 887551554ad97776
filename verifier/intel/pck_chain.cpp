#include "verifier/intel/pck_chain.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/x509/pem.h"

namespace attestd {
namespace {

constexpr std::size_t kPckChainLen = 3;
constexpr std::size_t kSignerChainLen = 2;

// All of Intel's names end in the same place.
Result<void> check_name(const DistinguishedName& name,
                        std::initializer_list<std::string_view> common_names,
                        std::string_view what) {
    const bool known =
        std::find(common_names.begin(), common_names.end(), name.common_name) != common_names.end();
    if (known && name.organization == "Intel Corporation" && name.locality == "Santa Clara" &&
        name.state == "CA" && name.country == "US" && name.organizational_unit.empty()) {
        return {};
    }
    return fail(Errc::chain_name, fmt::format("{}: \"{}\" is not Intel's name for this place", what,
                                              name.common_name));
}

tl::unexpected<Error> wrong_length(std::string_view what, std::size_t have, std::size_t want) {
    return fail(Errc::chain_malformed,
                fmt::format("{}: {} certificates, must be exactly {}", what, have, want));
}

Result<Certificate> parse_link(ByteView der) {
    auto certificate = Certificate::parse(der);
    if (!certificate)
        return fail(Errc::chain_malformed, "PCK chain: " + to_string(certificate.error()));
    return certificate;
}

GivenPckChain chain_of(Certificate leaf, Bytes intermediate, Bytes root) {
    auto pck = parse_pck_extension(leaf);
    return {std::move(leaf), std::move(pck), std::move(intermediate), std::move(root)};
}

Result<GivenPckChain> parse_chain(std::string_view pem) {
    auto blocks = parse_pem(pem, PemStyle::exact);
    if (!blocks) return fail(Errc::chain_malformed, "PCK chain: " + blocks.error().detail);
    for (const PemBlock& block : *blocks) {
        if (block.label != "CERTIFICATE")
            return fail(Errc::chain_malformed, "PCK chain: a PEM block " + block.label);
    }
    if (blocks->size() != kPckChainLen)
        return wrong_length("PCK chain", blocks->size(), kPckChainLen);
    ATTESTD_TRY(Certificate leaf, parse_link(blocks->at(0).der));
    return chain_of(std::move(leaf), std::move(blocks->at(1).der), std::move(blocks->at(2).der));
}

// The certificate that signed `child`. Names are not enough to go by: test hierarchies use Intel's,
// and Intel has two certificates for one root key; of several the one that is valid longest.
const Certificate* find_issuer(const Endorsements& endorsements, const Certificate& child) {
    const Certificate* best = nullptr;
    for (const Certificate& candidate : endorsements.certificates()) {
        if (!candidate.subject().same_as(child.issuer())) continue;
        const auto key = candidate.key();
        if (!key || !child.signed_by(*key)) continue;
        if (best == nullptr || best->validity().until < candidate.validity().until)
            best = &candidate;
    }
    return best;
}

bool signed_qe_report(const Certificate& leaf, const ParsedQuote& quote) {
    const auto key = leaf.key();
    return key && key->kind() == KeyKind::p256 &&
           key->verify_raw(quote.qe_report_bytes, quote.qe_report_signature.first(32),
                           quote.qe_report_signature.subspan(32));
}

}  // namespace

Result<GivenPckChain> find_pck_chain(const ParsedQuote& quote, const Endorsements& endorsements) {
    if (quote.cert_data_type == kCertDataPckChain) return parse_chain(quote.pck_chain());
    for (const Certificate& leaf : endorsements.certificates()) {
        if (leaf.subject().common_name != kPckLeafName || !signed_qe_report(leaf, quote)) continue;
        const Certificate* const intermediate = find_issuer(endorsements, leaf);
        const Certificate* const root =
            intermediate != nullptr ? find_issuer(endorsements, *intermediate) : nullptr;
        if (root == nullptr)
            return fail(Errc::chain_missing, "the issuers of the PCK certificate are not given");
        return chain_of(leaf, to_bytes(intermediate->der()), to_bytes(root->der()));
    }
    return fail(Errc::chain_missing, fmt::format("the quote carries certification data of type {}, "
                                                 "no PCK chain, and none that signed it is given",
                                                 quote.cert_data_type));
}

Result<VerifiedRoot> verify_intel_root(const Certificate& root, const TrustAnchors& anchors,
                                       Time now) {
    constexpr std::string_view what = "root certificate";
    ATTESTD_CHECK(check_name(root.subject(), {kIntelRootName}, what));
    const auto grade = anchors.intel_root(root.spki_digest());
    if (!grade)
        return fail(Errc::chain_untrusted_root,
                    "the chain ends in a key that is neither Intel's nor an added trust anchor");
    ATTESTD_CHECK(check_authority(root, 1, what));
    ATTESTD_TRY(PublicKey key, root.key());
    if (key.kind() != KeyKind::p256)
        return fail(Errc::chain_algorithm, "root certificate: the key is not on P-256");
    VerifiedCertificate verified{root, std::move(key)};
    ATTESTD_CHECK(check_issued_by(root, verified, what));
    ATTESTD_CHECK(check_valid_at(root, now, what));
    return VerifiedRoot{std::move(verified), *grade};
}

Result<VerifiedCertificate> verify_pck_ca(const Certificate& ca, const VerifiedRoot& root,
                                          Time now) {
    constexpr std::string_view what = "intermediate certificate";
    ATTESTD_CHECK(check_name(ca.subject(), {kPlatformCaName, kProcessorCaName}, what));
    ATTESTD_CHECK(check_authority(ca, 0, what));
    ATTESTD_CHECK(check_issued_by(ca, root.verified, what));
    ATTESTD_CHECK(check_valid_at(ca, now, what));
    ATTESTD_TRY(PublicKey key, ca.key());
    return VerifiedCertificate{ca, std::move(key)};
}

Result<VerifiedAuthorities> verify_pck_authorities(const GivenPckChain& chain,
                                                   const TrustAnchors& anchors, Time now) {
    ATTESTD_TRY(const Certificate ca, parse_link(chain.intermediate));
    ATTESTD_TRY(const Certificate root_certificate, parse_link(chain.root));
    ATTESTD_TRY(VerifiedRoot root, verify_intel_root(root_certificate, anchors, now));
    ATTESTD_TRY(VerifiedCertificate intermediate, verify_pck_ca(ca, root, now));
    return VerifiedAuthorities{std::move(intermediate), std::move(root)};
}

Result<VerifiedPckLeaf> verify_pck_leaf(const GivenPckChain& chain,
                                        const VerifiedCertificate& intermediate, Time now) {
    constexpr std::string_view what = "PCK certificate";
    const Certificate& leaf = chain.leaf;
    ATTESTD_CHECK(check_name(leaf.subject(), {kPckLeafName}, what));
    ATTESTD_CHECK(check_end_entity(leaf, what));
    ATTESTD_CHECK(check_issued_by(leaf, intermediate, what));
    ATTESTD_CHECK(check_valid_at(leaf, now, what));
    ATTESTD_TRY(PublicKey key, leaf.key());
    if (key.kind() != KeyKind::p256)
        return fail(Errc::chain_algorithm, "PCK certificate: the key is not on P-256");
    if (!chain.pck) return tl::make_unexpected(chain.pck.error());
    if (!*chain.pck)
        return fail(Errc::chain_extension, "PCK certificate: the SGX extension is missing");
    return VerifiedPckLeaf{{leaf, std::move(key)}, **chain.pck};
}

Result<VerifiedCertificate> verify_tcb_signer(const std::vector<Certificate>& chain,
                                              const VerifiedRoot* known_root,
                                              const TrustAnchors& anchors, Time now) {
    constexpr std::string_view what = "TCB signing certificate";
    if (chain.size() != kSignerChainLen)
        return wrong_length("TCB signing chain", chain.size(), kSignerChainLen);
    std::optional<VerifiedRoot> other_root;
    if (known_root == nullptr || !equal(chain[1].der(), known_root->verified.certificate.der())) {
        ATTESTD_TRY(other_root, verify_intel_root(chain[1], anchors, now));
    }
    const VerifiedRoot& root = other_root ? *other_root : *known_root;
    // One result rests on one anchor: documents of a test hierarchy cannot speak for a genuine
    // platform.
    if (known_root != nullptr &&
        root.verified.certificate.spki_digest() != known_root->verified.certificate.spki_digest()) {
        return fail(Errc::chain_untrusted_root,
                    "TCB signing chain: ends in another root than the PCK chain");
    }
    const Certificate& signer = chain[0];
    ATTESTD_CHECK(check_name(signer.subject(), {kTcbSignerName}, what));
    ATTESTD_CHECK(check_end_entity(signer, what));
    ATTESTD_CHECK(check_issued_by(signer, root.verified, what));
    ATTESTD_CHECK(check_valid_at(signer, now, what));
    ATTESTD_TRY(PublicKey key, signer.key());
    if (key.kind() != KeyKind::p256)
        return fail(Errc::chain_algorithm, "TCB signing certificate: the key is not on P-256");
    return VerifiedCertificate{signer, std::move(key)};
}

}  // namespace attestd
