#include "quote/x509/crl.h"

#include <algorithm>
#include <array>

namespace attestd {
namespace {

constexpr std::uint32_t kVersion2 = 1;
constexpr std::size_t kMaxExtensions = 32;  // the vendors' lists have two
constexpr std::array<std::uint8_t, 3> kCrlNumber{0x55, 0x1d, 0x14};

// Calls use(oid, value) for each extension in `list`: none twice, and none critical. A critical one
// may narrow what the list covers (IssuingDistributionPoint) or say whose serial an entry has
// (certificateIssuer): never ignored (RFC 5280 sections 5.2 and 5.3).
template <class Use>
Result<void> each_extension(DerReader list, std::string_view what, const Use& use) {
    std::vector<ByteView> seen;
    if (list.at_end()) return list.fail_here(what, "there is none, where the list must be absent");
    while (!list.at_end()) {
        ATTESTD_TRY(DerReader entry, list.sequence(what));
        ATTESTD_TRY(const ByteView oid, entry.oid(what));
        const bool doubled = std::any_of(seen.begin(), seen.end(),
                                         [&](ByteView other) { return equal(other, oid); });
        if (doubled || seen.size() == kMaxExtensions)
            return entry.fail_here(what, "doubled, or one of too many");
        seen.push_back(oid);
        if (entry.peek() == der::kBoolean)
            return entry.fail_here(what, "critical extension is not known here");
        ATTESTD_TRY(const ByteView value, entry.octet_string(what));
        ATTESTD_CHECK(entry.finish(what));
        ATTESTD_CHECK(use(oid, value));
    }
    return {};
}

}  // namespace

Result<Crl> Crl::parse(ByteView der) {
    if (der.size() > kMaxCrlLen) return fail(Errc::too_large, "revocation list: over 1 MiB");
    Crl out;
    out.bytes_ = std::make_shared<const Bytes>(der.begin(), der.end());
    DerReader outer(*out.bytes_);
    ATTESTD_TRY(DerReader in, outer.sequence("certificateList"));
    ATTESTD_CHECK(outer.finish("certificateList"));
    ATTESTD_TRY(const DerElement tbs, in.element(der::kSequence, "tbsCertList"));
    out.tbs_ = tbs.whole;
    const ByteView after_tbs = in.rest();
    ATTESTD_TRY(out.algorithm_, parse_signature_algorithm(in, "signatureAlgorithm"));
    const ByteView algorithm = after_tbs.first(after_tbs.size() - in.rest().size());
    ATTESTD_TRY(out.signature_, in.bit_string("signatureValue"));
    ATTESTD_CHECK(in.finish("certificateList"));
    ATTESTD_CHECK(out.parse_tbs());
    if (!equal(algorithm, out.inner_algorithm_)) {
        return fail(Errc::chain_algorithm, "signatureAlgorithm differs from tbsCertList.signature");
    }
    return out;
}

Result<void> Crl::parse_tbs() {
    DerReader outer(tbs_, static_cast<std::size_t>(tbs_.data() - bytes_->data()));
    ATTESTD_TRY(DerReader in, outer.sequence("tbsCertList"));
    ATTESTD_TRY(const std::uint32_t version, in.small_integer(255, "version"));
    if (version != kVersion2)
        return fail(Errc::unsupported_version, "revocation list: only version 2 is known here");
    ATTESTD_TRY(const DerElement algorithm, in.element(der::kSequence, "tbsCertList.signature"));
    inner_algorithm_ = algorithm.whole;
    ATTESTD_TRY(issuer_, parse_name(in, "issuer"));
    ATTESTD_TRY(validity_.from, in.time("thisUpdate"));
    ATTESTD_TRY(validity_.until, in.time("nextUpdate"));
    if (in.peek() == der::kSequence) ATTESTD_CHECK(parse_entries(in));
    if (!in.at_end()) ATTESTD_CHECK(parse_extensions(in));
    return in.finish("tbsCertList");
}

Result<void> Crl::parse_entries(DerReader& in) {
    ATTESTD_TRY(DerReader list, in.sequence("revokedCertificates"));
    // RFC 5280 section 5.1.2.6: absent when nothing is revoked.
    if (list.at_end())
        return in.fail_here("revokedCertificates", "the list is empty, where it must be absent");
    while (!list.at_end()) {
        ATTESTD_TRY(DerReader entry, list.sequence("revokedCertificate"));
        ATTESTD_TRY(const ByteView serial,
                    entry.unsigned_integer("revokedCertificate.userCertificate"));
        ATTESTD_TRY([[maybe_unused]] const Time date,
                    entry.time("revokedCertificate.revocationDate"));
        if (!entry.at_end()) {  // a reason: whatever it is, the serial counts as revoked
            ATTESTD_TRY(const DerReader extensions, entry.sequence("crlEntryExtensions"));
            ATTESTD_CHECK(each_extension(extensions, "crlEntryExtension",
                                         [](ByteView, ByteView) { return Result<void>(); }));
        }
        ATTESTD_CHECK(entry.finish("revokedCertificate"));
        revoked_.push_back(serial);
    }
    return {};
}

Result<void> Crl::parse_extensions(DerReader& in) {
    ATTESTD_TRY(DerReader outer, in.enter(der::context(0), "crlExtensions"));
    ATTESTD_TRY(const DerReader list, outer.sequence("crlExtensions"));
    ATTESTD_CHECK(outer.finish("crlExtensions"));
    return each_extension(list, "crlExtension", [&](ByteView oid, ByteView value) -> Result<void> {
        if (!equal(oid, kCrlNumber)) return {};
        DerReader number(value);
        ATTESTD_TRY(number_, number.unsigned_integer("cRLNumber"));
        return number.finish("cRLNumber");
    });
}

bool Crl::revokes(ByteView serial) const noexcept {
    return std::any_of(revoked_.begin(), revoked_.end(),
                       [&](ByteView revoked) { return equal(revoked, serial); });
}

bool Crl::signed_by(const PublicKey& issuer_key) const {
    return fits(algorithm_, issuer_key.kind()) && issuer_key.verify(tbs_, signature_);
}

}  // namespace attestd
