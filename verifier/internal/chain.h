// Links of certificate chains and revocation lists: the checks that Intel's and AMD's hierarchies
// share.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "quote/base/public_key.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/x509/certificate.h"
#include "quote/x509/crl.h"
#include "verifier/endorsements.h"
#include "verifier/grade.h"

namespace attestd {

/// A certificate that was found good at its place, and its key.
struct VerifiedCertificate {
    Certificate certificate;
    PublicKey key;
};

/// A self-signed certificate whose key is a trust anchor.
struct VerifiedRoot {
    VerifiedCertificate verified;
    Grade grade;
};

/// Basic constraints and key usage of an authority: CA, keyCertSign, and when `path_len` is given a
/// path length of at least that (or none stated). Errc::chain_constraints.
[[nodiscard]] Result<void> check_authority(const Certificate& certificate, std::uint32_t path_len,
                                           std::string_view what);
/// The same for an end entity: no CA, no keyCertSign. Errc::chain_constraints.
[[nodiscard]] Result<void> check_end_entity(const Certificate& certificate, std::string_view what);

/// Subject and issuer fit, and `issuer` signed `subject`. Errc::chain_name, Errc::chain_signature.
[[nodiscard]] Result<void> check_issued_by(const Certificate& subject,
                                           const VerifiedCertificate& issuer,
                                           std::string_view what);

/// Errc::chain_expired, Errc::chain_not_yet_valid.
[[nodiscard]] Result<void> check_valid_at(const Certificate& certificate, Time now,
                                          std::string_view what);

/// The lists of one issuer that were looked at for one time; at least one of them is in force then.
class VerifiedCrls final {
 public:
    /// Whether any of the lists names this serial number, be it in force or over.
    [[nodiscard]] bool revokes(ByteView serial) const noexcept;
    /// The span in which the newest of them is in force, cut where a later one comes into force.
    [[nodiscard]] Window validity() const noexcept {
        const Window& own = newest().validity();
        return {own.from, std::min(own.until, next_from_ - std::chrono::seconds(1))};
    }
    /// The newest of those in force.
    [[nodiscard]] const Crl& newest() const noexcept { return lists_[*newest_]; }

 private:
    friend Result<VerifiedCrls> verify_crls(const std::vector<GivenCrl>&,
                                            const VerifiedCertificate&, CrlRole, Time,
                                            std::string_view);
    VerifiedCrls() = default;
    Result<void> take(const Crl& crl, Time now, std::string_view what);

    std::vector<Crl> lists_;
    std::optional<std::size_t> newest_;  // of those in force: its place in lists_
    Time next_from_ = Time::max();       // of those not yet in force
};

/// Finds the lists of `issuer` among `given` that are signed by it and in force at `now`. A list
/// that is present and bad does not excuse the lack of a good one: its error is returned. `role` is
/// what a collateral file would call this issuer's list. Errc::crl_missing, crl_malformed,
/// crl_issuer, crl_signature, crl_expired, crl_not_yet_valid.
[[nodiscard]] Result<VerifiedCrls> verify_crls(const std::vector<GivenCrl>& given,
                                               const VerifiedCertificate& issuer, CrlRole role,
                                               Time now, std::string_view what);

}  // namespace attestd
