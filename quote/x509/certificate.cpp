#include "quote/x509/certificate.h"

#include <algorithm>

namespace attestd {
namespace {

constexpr std::uint32_t kVersion3 = 2;

// 2.5.29.n, the certificate extensions of RFC 5280, is 55 1d n.
constexpr std::uint8_t kSubjectKeyId = 14, kKeyUsage = 15, kBasicConstraints = 19, kCrlPoints = 31,
                       kAuthorityKeyId = 35;

std::uint8_t standard_extension(ByteView oid) noexcept {
    return oid.size() == 3 && oid[0] == 0x55 && oid[1] == 0x1d ? oid[2] : std::uint8_t{0};
}

Result<BasicConstraints> parse_basic_constraints(ByteView value) {
    DerReader outer(value);
    ATTESTD_TRY(DerReader in, outer.sequence("basicConstraints"));
    ATTESTD_CHECK(outer.finish("basicConstraints"));
    BasicConstraints out;
    if (in.peek() == der::kBoolean) {
        ATTESTD_TRY(out.ca, in.boolean("basicConstraints.cA"));
        if (!out.ca) return in.fail_here("basicConstraints.cA", "the default FALSE is written out");
    }
    if (in.peek() == der::kInteger) {
        ATTESTD_TRY(out.path_len, in.small_integer(255, "basicConstraints.pathLenConstraint"));
    }
    ATTESTD_CHECK(in.finish("basicConstraints"));
    return out;
}

Result<KeyUsage> parse_key_usage(ByteView value) {
    DerReader in(value);
    ATTESTD_TRY(const DerElement bits, in.element(der::kBitString, "keyUsage"));
    ATTESTD_CHECK(in.finish("keyUsage"));
    if (bits.content.size() < 2 || bits.content.size() > 3 || bits.content[0] > 7) {
        return in.fail_here("keyUsage", "not a BIT STRING of one to nine bits");
    }
    // X.690 section 11.2.1: unused bits are zero. (Trailing zero bits that DER would cut off are in
    // AMD's.)
    if ((bits.content.back() & ((1u << bits.content[0]) - 1)) != 0)
        return in.fail_here("keyUsage", "an unused bit is set");
    KeyUsage out;
    for (std::size_t i = 0; i < 8 * (bits.content.size() - 1); ++i) {
        if ((bits.content[1 + i / 8] >> (7 - i % 8) & 1) != 0)
            out.bits = static_cast<std::uint16_t>(out.bits | 1u << i);
    }
    return out;
}

}  // namespace

Result<Certificate> Certificate::parse(ByteView der) {
    if (der.size() > kMaxCertificateLen)
        return fail(Errc::too_large, "certificate: over 16384 bytes");
    Certificate out;
    out.bytes_ = std::make_shared<const Bytes>(der.begin(), der.end());
    DerReader outer(*out.bytes_);
    ATTESTD_TRY(DerReader in, outer.sequence("certificate"));
    ATTESTD_CHECK(outer.finish("certificate"));
    ATTESTD_TRY(const DerElement tbs, in.element(der::kSequence, "tbsCertificate"));
    out.tbs_ = tbs.whole;
    const ByteView after_tbs = in.rest();
    ATTESTD_TRY(out.algorithm_, parse_signature_algorithm(in, "signatureAlgorithm"));
    const ByteView algorithm = after_tbs.first(after_tbs.size() - in.rest().size());
    ATTESTD_TRY(out.signature_, in.bit_string("signatureValue"));
    ATTESTD_CHECK(in.finish("certificate"));
    ATTESTD_CHECK(out.parse_tbs());
    // The algorithm outside is not signed; it must be the one inside (RFC 5280 section 4.1.1.2).
    if (!equal(algorithm, out.inner_algorithm_)) {
        return fail(Errc::chain_algorithm,
                    "signatureAlgorithm differs from tbsCertificate.signature");
    }
    return out;
}

Result<void> Certificate::parse_tbs() {
    DerReader outer(tbs_, static_cast<std::size_t>(tbs_.data() - bytes_->data()));
    ATTESTD_TRY(DerReader in, outer.sequence("tbsCertificate"));
    ATTESTD_TRY(DerReader version, in.enter(der::context(0), "version"));
    ATTESTD_TRY(const std::uint32_t number, version.small_integer(255, "version"));
    ATTESTD_CHECK(version.finish("version"));
    if (number != kVersion3)
        return fail(Errc::unsupported_version, "certificate: only version 3 is known here");
    ATTESTD_TRY(serial_, in.unsigned_integer("serialNumber"));
    ATTESTD_TRY(const DerElement algorithm, in.element(der::kSequence, "tbsCertificate.signature"));
    inner_algorithm_ = algorithm.whole;
    ATTESTD_TRY(issuer_, parse_name(in, "issuer"));
    ATTESTD_TRY(DerReader validity, in.sequence("validity"));
    ATTESTD_TRY(validity_.from, validity.time("validity.notBefore"));
    ATTESTD_TRY(validity_.until, validity.time("validity.notAfter"));
    ATTESTD_CHECK(validity.finish("validity"));
    ATTESTD_TRY(subject_, parse_name(in, "subject"));
    ATTESTD_TRY(const DerElement spki, in.element(der::kSequence, "subjectPublicKeyInfo"));
    spki_ = spki.whole;
    if (!in.at_end()) ATTESTD_CHECK(parse_extensions(in));
    return in.finish("tbsCertificate");
}

Result<void> Certificate::parse_extensions(DerReader& in) {
    ATTESTD_TRY(DerReader outer, in.enter(der::context(3), "extensions"));
    ATTESTD_TRY(DerReader list, outer.sequence("extensions"));
    ATTESTD_CHECK(outer.finish("extensions"));
    extensions_.reserve(16);
    while (!list.at_end()) {
        ATTESTD_TRY(DerReader entry, list.sequence("extension"));
        CertificateExtension extension{};
        ATTESTD_TRY(extension.oid, entry.oid("extension.extnID"));
        if (entry.peek() == der::kBoolean) {
            ATTESTD_TRY(extension.critical, entry.boolean("extension.critical"));
            if (!extension.critical)
                return entry.fail_here("extension.critical", "the default FALSE is written out");
        }
        ATTESTD_TRY(extension.value, entry.octet_string("extension.extnValue"));
        ATTESTD_CHECK(entry.finish("extension"));
        ATTESTD_CHECK(note_extension(extension));
    }
    return {};
}

Result<void> Certificate::note_extension(const CertificateExtension& extension) {
    const bool doubled = std::any_of(extensions_.begin(), extensions_.end(),
                                     [&](const auto& e) { return equal(e.oid, extension.oid); });
    if (doubled) return fail(Errc::bad_der, "certificate: an extension stands there twice");
    extensions_.push_back(extension);
    switch (standard_extension(extension.oid)) {
        case kBasicConstraints: {
            ATTESTD_TRY(basic_constraints_, parse_basic_constraints(extension.value));
            return {};
        }
        case kKeyUsage: {
            ATTESTD_TRY(key_usage_, parse_key_usage(extension.value));
            return {};
        }
        case kSubjectKeyId:
        case kAuthorityKeyId:
        case kCrlPoints:
            return {};  // hints for finding things; nothing rests on them here
        default:
            if (extension.critical) unknown_critical_ = extension.oid;
            return {};
    }
}

bool Certificate::signed_by(const PublicKey& issuer_key) const {
    return fits(algorithm_, issuer_key.kind()) && issuer_key.verify(tbs_, signature_);
}

}  // namespace attestd
