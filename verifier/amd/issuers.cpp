#include "verifier/amd/issuers.h"

#include <fmt/format.h>

namespace attestd {

std::string amd_intermediate_name(Product product, bool vlek) {
    return fmt::format("SEV-{}{}", vlek ? "VLEK-" : "", product_name(product));
}

Result<void> check_amd_name(const DistinguishedName& name, std::string_view common_name,
                            std::string_view what) {
    if (name.common_name == common_name && name.organization == "Advanced Micro Devices" &&
        name.organizational_unit == "Engineering" && name.locality == "Santa Clara" &&
        name.state == "CA" && name.country == "US") {
        return {};
    }
    return fail(Errc::chain_name, fmt::format("{}: is \"{}\", \"{}\" of AMD is needed", what,
                                              name.common_name, common_name));
}

Result<VerifiedRoot> verify_amd_root(const Certificate& root, Product product,
                                     const TrustAnchors& anchors, Time now) {
    ATTESTD_CHECK(check_amd_name(root.subject(), fmt::format("ARK-{}", product_name(product)),
                                 "root certificate"));
    const auto grade = anchors.amd_root(root.spki_digest(), product_name(product));
    if (!grade)
        return fail(Errc::chain_untrusted_root,
                    fmt::format("the key of {} is neither AMD's nor an added trust anchor",
                                root.subject().common_name));
    ATTESTD_CHECK(check_authority(root, 1, "root certificate"));
    ATTESTD_TRY(PublicKey key, root.key());
    if (key.kind() != KeyKind::rsa4096)
        return fail(Errc::chain_algorithm, "root certificate: the key is not RSA-4096");
    // The pinned key is the anchor: the certificate around it gains nothing from its own signature,
    // but a damaged one is refused all the same, and its dates are not read before that.
    VerifiedCertificate verified{root, std::move(key)};
    ATTESTD_CHECK(check_issued_by(root, verified, "root certificate"));
    ATTESTD_CHECK(check_valid_at(root, now, "root certificate"));
    return VerifiedRoot{std::move(verified), *grade};
}

Result<VerifiedCertificate> verify_amd_intermediate(const Certificate& certificate,
                                                    const VerifiedRoot& root, Time now) {
    ATTESTD_CHECK(check_authority(certificate, 0, "intermediate certificate"));
    ATTESTD_CHECK(check_issued_by(certificate, root.verified, "intermediate certificate"));
    ATTESTD_CHECK(check_valid_at(certificate, now, "intermediate certificate"));
    ATTESTD_TRY(PublicKey key, certificate.key());
    if (key.kind() != KeyKind::rsa4096)
        return fail(Errc::chain_algorithm, "intermediate certificate: the key is not RSA-4096");
    return VerifiedCertificate{certificate, std::move(key)};
}

// Step 6 and 7 for one choice of certificates.

}  // namespace attestd
