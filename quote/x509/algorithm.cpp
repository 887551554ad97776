#include "quote/x509/algorithm.h"

#include <fmt/format.h>

#include <array>

namespace attestd {
namespace {

constexpr std::array<std::uint8_t, 8> kEcdsaSha256{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
constexpr std::array<std::uint8_t, 9> kRsaPss{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a};
constexpr std::array<std::uint8_t, 9> kMgf1{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08};
constexpr std::array<std::uint8_t, 9> kSha384{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02};
constexpr std::array<std::uint8_t, 7> kEcPublicKey{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
constexpr std::array<std::uint8_t, 8> kP256{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::array<std::uint8_t, 5> kP384{0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr std::array<std::uint8_t, 9> kRsa{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
constexpr std::uint32_t kSaltLen = 48;
constexpr std::uint8_t kUncompressed = 0x04;

tl::unexpected<Error> unknown(std::string_view what) {
    return fail(Errc::chain_algorithm,
                fmt::format("{}: algorithm or parameter that the vendors do not use", what));
}

// AlgorithmIdentifier of SHA-384; its parameters are NULL in some genuine certificates and absent
// in others.
Result<void> expect_sha384(DerReader& in, std::string_view what) {
    ATTESTD_TRY(DerReader id, in.sequence(what));
    ATTESTD_TRY(const ByteView oid, id.oid(what));
    if (!equal(oid, kSha384)) return unknown(what);
    if (!id.at_end()) {
        ATTESTD_TRY(const DerElement null, id.element(der::kNull, what));
        if (!null.content.empty()) return unknown(what);
    }
    return id.finish(what);
}

// RSASSA-PSS-params (RFC 4055 section 3.1). The defaults are SHA-1, so three of four must be
// present.
Result<void> expect_pss_sha384(DerReader& in, std::string_view what) {
    ATTESTD_TRY(DerReader params, in.sequence(what));
    ATTESTD_TRY(DerReader hash, params.enter(der::context(0), what));
    ATTESTD_CHECK(expect_sha384(hash, what));
    ATTESTD_CHECK(hash.finish(what));
    ATTESTD_TRY(DerReader mask, params.enter(der::context(1), what));
    ATTESTD_TRY(DerReader mgf, mask.sequence(what));
    ATTESTD_CHECK(mask.finish(what));
    ATTESTD_TRY(const ByteView mgf_oid, mgf.oid(what));
    if (!equal(mgf_oid, kMgf1)) return unknown(what);
    ATTESTD_CHECK(expect_sha384(mgf, what));
    ATTESTD_CHECK(mgf.finish(what));
    ATTESTD_TRY(DerReader salt, params.enter(der::context(2), what));
    ATTESTD_TRY(const std::uint32_t salt_len, salt.small_integer(0xffff, what));
    ATTESTD_CHECK(salt.finish(what));
    if (salt_len != kSaltLen) return unknown(what);
    if (!params.at_end()) {  // trailerField, 1 by default and sometimes written out
        ATTESTD_TRY(DerReader trailer, params.enter(der::context(3), what));
        ATTESTD_TRY(const std::uint32_t value, trailer.small_integer(0xff, what));
        ATTESTD_CHECK(trailer.finish(what));
        if (value != 1) return unknown(what);
    }
    return params.finish(what);
}

Result<PublicKey> parse_ec_key(DerReader& id, ByteView point) {
    ATTESTD_TRY(const ByteView curve, id.oid("subjectPublicKeyInfo.namedCurve"));
    ATTESTD_CHECK(id.finish("subjectPublicKeyInfo.algorithm"));
    const bool p256 = equal(curve, kP256);
    if (!p256 && !equal(curve, kP384)) return unknown("subjectPublicKeyInfo.namedCurve");
    if (point.empty() || point[0] != kUncompressed) {
        return fail(Errc::bad_der, "subjectPublicKeyInfo: the point is not in uncompressed form");
    }
    return PublicKey::from_point(p256 ? KeyKind::p256 : KeyKind::p384, point.subspan(1));
}

Result<PublicKey> parse_rsa_key(DerReader& id, ByteView key) {
    ATTESTD_TRY(const DerElement null, id.element(der::kNull, "subjectPublicKeyInfo.parameters"));
    if (!null.content.empty()) return unknown("subjectPublicKeyInfo.parameters");
    ATTESTD_CHECK(id.finish("subjectPublicKeyInfo.algorithm"));
    DerReader outer(key);
    ATTESTD_TRY(DerReader numbers, outer.sequence("RSAPublicKey"));
    ATTESTD_CHECK(outer.finish("RSAPublicKey"));
    ATTESTD_TRY(const ByteView modulus, numbers.unsigned_integer("RSAPublicKey.modulus"));
    ATTESTD_TRY(const ByteView exponent, numbers.unsigned_integer("RSAPublicKey.publicExponent"));
    ATTESTD_CHECK(numbers.finish("RSAPublicKey"));
    return PublicKey::from_rsa(modulus, exponent);
}

}  // namespace

Result<SignatureAlgorithm> parse_signature_algorithm(DerReader& in, std::string_view what) {
    ATTESTD_TRY(DerReader id, in.sequence(what));
    ATTESTD_TRY(const ByteView oid, id.oid(what));
    if (equal(oid, kEcdsaSha256)) {
        ATTESTD_CHECK(id.finish(what));
        return SignatureAlgorithm::ecdsa_sha256;
    }
    if (!equal(oid, kRsaPss)) return unknown(what);
    ATTESTD_CHECK(expect_pss_sha384(id, what));
    ATTESTD_CHECK(id.finish(what));
    return SignatureAlgorithm::rsa_pss_sha384;
}

Result<PublicKey> parse_public_key(ByteView spki) {
    DerReader outer(spki);
    ATTESTD_TRY(DerReader info, outer.sequence("subjectPublicKeyInfo"));
    ATTESTD_CHECK(outer.finish("subjectPublicKeyInfo"));
    ATTESTD_TRY(DerReader id, info.sequence("subjectPublicKeyInfo.algorithm"));
    ATTESTD_TRY(const ByteView key, info.bit_string("subjectPublicKeyInfo.subjectPublicKey"));
    ATTESTD_CHECK(info.finish("subjectPublicKeyInfo"));
    ATTESTD_TRY(const ByteView oid, id.oid("subjectPublicKeyInfo.algorithm"));
    if (equal(oid, kEcPublicKey)) return parse_ec_key(id, key);
    if (equal(oid, kRsa)) return parse_rsa_key(id, key);
    return unknown("subjectPublicKeyInfo.algorithm");
}

}  // namespace attestd
