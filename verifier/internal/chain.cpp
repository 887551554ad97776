#include "verifier/internal/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace attestd {
namespace {

tl::unexpected<Error> bad(Errc code, std::string_view what, std::string_view why) {
    return fail(code, fmt::format("{}: {}", what, why));
}

Result<void> check_known_extensions(const Certificate& certificate, std::string_view what) {
    if (!certificate.unknown_critical()) return {};
    return bad(Errc::chain_constraints, what, "a critical extension is not known here");
}

Result<void> check_crl_signature(const Crl& crl, const VerifiedCertificate& issuer,
                                 std::string_view what) {
    const auto& usage = issuer.certificate.key_usage();
    if (!usage || !usage->crl_sign())
        return bad(Errc::crl_issuer, what, "the issuer may not sign revocation lists");
    if (!crl.signed_by(issuer.key))
        return bad(Errc::crl_signature, what, "the signature is not by its issuer's key");
    return {};
}

// The candidate when it is this issuer's own word, null when it is none of its lists, an error when
// it should be one and is not. Its dates are not judged yet.
Result<const Crl*> own_crl(const GivenCrl& candidate, const VerifiedCertificate& issuer,
                           CrlRole role, std::string_view what) {
    const bool ours_by_role = candidate.role == role && role != CrlRole::unsaid;
    if (!candidate.crl) {
        if (ours_by_role) return bad(Errc::crl_malformed, what, candidate.crl.error().detail);
        return nullptr;
    }
    const Crl& crl = *candidate.crl;
    if (!crl.issuer().same_as(issuer.certificate.subject())) {
        if (!ours_by_role) return nullptr;
        return bad(Errc::crl_issuer, what,
                   fmt::format("issued by \"{}\", needed from \"{}\"", crl.issuer().common_name,
                               issuer.certificate.subject().common_name));
    }
    ATTESTD_CHECK(check_crl_signature(crl, issuer, what));
    return &crl;
}

}  // namespace

Result<void> check_authority(const Certificate& certificate, std::uint32_t path_len,
                             std::string_view what) {
    ATTESTD_CHECK(check_known_extensions(certificate, what));
    const auto& constraints = certificate.basic_constraints();
    if (!constraints || !constraints->ca)
        return bad(Errc::chain_constraints, what, "is not marked as an authority");
    if (constraints->path_len && *constraints->path_len < path_len) {
        return bad(Errc::chain_constraints, what,
                   fmt::format("path length {} is too short here", *constraints->path_len));
    }
    const auto& usage = certificate.key_usage();
    if (!usage || !usage->cert_sign())
        return bad(Errc::chain_constraints, what, "key usage lacks keyCertSign");
    return {};
}

Result<void> check_end_entity(const Certificate& certificate, std::string_view what) {
    ATTESTD_CHECK(check_known_extensions(certificate, what));
    const auto& constraints = certificate.basic_constraints();
    const auto& usage = certificate.key_usage();
    if ((constraints && constraints->ca) || (usage && usage->cert_sign())) {
        return bad(Errc::chain_constraints, what, "is an authority where an end entity must stand");
    }
    return {};
}

Result<void> check_issued_by(const Certificate& subject, const VerifiedCertificate& issuer,
                             std::string_view what) {
    if (!subject.issuer().same_as(issuer.certificate.subject())) {
        return bad(
            Errc::chain_name, what,
            fmt::format("names \"{}\" as issuer, the next certificate is \"{}\"",
                        subject.issuer().common_name, issuer.certificate.subject().common_name));
    }
    if (!subject.signed_by(issuer.key))
        return bad(Errc::chain_signature, what, "the signature is not by its issuer's key");
    return {};
}

Result<void> check_valid_at(const Certificate& certificate, Time now, std::string_view what) {
    const Window& window = certificate.validity();
    if (now < window.from) {
        return bad(Errc::chain_not_yet_valid, what,
                   fmt::format("valid from {} on", to_rfc3339(window.from)));
    }
    if (now > window.until) {
        return bad(Errc::chain_expired, what,
                   fmt::format("was valid until {}", to_rfc3339(window.until)));
    }
    return {};
}

bool VerifiedCrls::revokes(ByteView serial) const noexcept {
    return std::any_of(lists_.begin(), lists_.end(),
                       [&](const Crl& crl) { return crl.revokes(serial); });
}

// Notes an authentic list, as of `now`.
Result<void> VerifiedCrls::take(const Crl& crl, Time now, std::string_view what) {
    const Window& window = crl.validity();
    if (now < window.from) {
        next_from_ = std::min(next_from_, window.from);
        return bad(Errc::crl_not_yet_valid, what,
                   fmt::format("thisUpdate is {}", to_rfc3339(window.from)));
    }
    // What its issuer once revoked stays revoked, also on a list whose time is over.
    lists_.push_back(crl);
    if (now > window.until) {
        return bad(
            Errc::crl_expired, what,
            fmt::format("nextUpdate was {}: fetch the current list", to_rfc3339(window.until)));
    }
    if (!newest_ || newest().validity().from < window.from) newest_ = lists_.size() - 1;
    return {};
}

Result<VerifiedCrls> verify_crls(const std::vector<GivenCrl>& given,
                                 const VerifiedCertificate& issuer, CrlRole role, Time now,
                                 std::string_view what) {
    VerifiedCrls out;
    std::optional<Error>
        furthest;  // of the complaints; codes are numbered in the order of the steps
    const auto complain = [&](Error error) {
        if (!furthest || furthest->code < error.code) furthest = std::move(error);
    };
    for (const GivenCrl& candidate : given) {
        auto own = own_crl(candidate, issuer, role, what);
        if (!own) complain(std::move(own).error());
        if (!own || *own == nullptr) continue;
        if (auto taken = out.take(**own, now, what); !taken) complain(std::move(taken).error());
    }
    if (out.newest_) return out;
    if (furthest) return tl::make_unexpected(*std::move(furthest));
    return bad(Errc::crl_missing, what,
               fmt::format("no revocation list of \"{}\" is given",
                           issuer.certificate.subject().common_name));
}

}  // namespace attestd
