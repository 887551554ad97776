// PublicKey: which keys it takes at all. Signatures are judged in wycheproof_test.cpp.
#include "quote/base/public_key.h"

#include "quote/base/encoding.h"
#include "tests/support/catch.h"

using namespace attestd;

namespace {

// The generators of P-256 and P-384 (SEC 2, sections 2.4.2 and 2.5.1).
const std::string kG256 =
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
const std::string kG384 =
    "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760a"
    "b7"
    "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e"
    "5f";

Bytes point(const std::string& hex) { return from_hex(hex, "point").value(); }

Bytes modulus(std::size_t len) {
    Bytes n(len, 0x5b);
    n.front() = 0x80;
    return n;
}

}  // namespace

TEST_CASE("PublicKey: a point on its curve is taken, and only there", "[base][public_key]") {
    REQUIRE_OK(PublicKey::from_point(KeyKind::p256, point(kG256)));
    REQUIRE_OK(PublicKey::from_point(KeyKind::p384, point(kG384)));
    CHECK(PublicKey::from_point(KeyKind::p256, point(kG256))->kind() == KeyKind::p256);
    CHECK(PublicKey::from_point(KeyKind::p384, point(kG384))->kind() == KeyKind::p384);
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p384, point(kG256)));
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p256, point(kG384)));
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::rsa4096, point(kG256)));
}

TEST_CASE("PublicKey: no flip of a single bit of the generator is a point", "[base][public_key]") {
    // For a given X there are two Y, which differ in many bits, and few X are on the curve with
    // this Y.
    for (const auto& [curve, hex] :
         {std::pair{KeyKind::p256, kG256}, std::pair{KeyKind::p384, kG384}}) {
        Bytes xy = point(hex);
        for (std::size_t bit = 0; bit < xy.size() * 8; bit += 5) {
            const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
            xy[bit / 8] ^= mask;
            INFO(bit);
            REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(curve, xy));
            xy[bit / 8] ^= mask;
        }
    }
}

TEST_CASE("PublicKey: other encodings of points are refused", "[base][public_key]") {
    Bytes uncompressed = point("04" + kG256), compressed = point("03" + kG256.substr(0, 64));
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p256, uncompressed));
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p256, compressed));
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p256, Bytes{0}));  // infinity
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p256, Bytes{}));
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p256, Bytes(64, 0)));
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p256, Bytes(64, 0xff)));
    Bytes shorter = point(kG256);
    shorter.pop_back();
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p256, shorter));
}

TEST_CASE("PublicKey: making a second key does not change the first", "[base][public_key]") {
    // All keys of a curve are copies of one template.
    const PublicKey first = PublicKey::from_point(KeyKind::p256, point(kG256)).value();
    const PublicKey copy = first;
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_point(KeyKind::p256, Bytes(64, 1)));
    // The generator's private key is 1: r = x(k*G), s = (h + r)/k; with k = 1, r = Gx, s = h + Gx
    // mod n. h = SHA-256("abc") = ba7816bf...15ad. s worked out apart from this code.
    const Bytes r = point(kG256.substr(0, 64));
    const Bytes s = point("258fe8b3702e123139fe27c3c15263166a1fe4771ceb0fb8b4f86de4ce35b2f2");
    CHECK(first.verify_raw(as_bytes("abc"), r, s));
    CHECK(copy.verify_raw(as_bytes("abc"), r, s));
    CHECK_FALSE(first.verify_raw(as_bytes("abd"), r, s));
}

TEST_CASE("PublicKey: RSA keys other than 4096 bits are refused", "[base][public_key]") {
    const Bytes e{1, 0, 1};
    REQUIRE_OK(PublicKey::from_rsa(modulus(512), e));
    CHECK(PublicKey::from_rsa(modulus(512), e)->kind() == KeyKind::rsa4096);
    for (const std::size_t len : {0u, 1u, 128u, 256u, 384u, 511u, 513u, 1024u}) {
        if (len == 0) {
            REQUIRE_ERRC(Errc::bad_value, PublicKey::from_rsa({}, e));
            continue;
        }
        INFO(len);
        REQUIRE_ERRC(Errc::bad_value, PublicKey::from_rsa(modulus(len), e));
    }
    Bytes with_sign_byte = modulus(512);
    with_sign_byte.insert(with_sign_byte.begin(), 0);
    REQUIRE_OK(PublicKey::from_rsa(with_sign_byte, e));
    Bytes short_by_a_bit = modulus(512);
    short_by_a_bit.front() = 0x40;
    REQUIRE_ERRC(Errc::bad_value, PublicKey::from_rsa(short_by_a_bit, e));
}

TEST_CASE("PublicKey: an RSA exponent of one, even, or too long is refused, however it is written",
          "[base][public_key]") {
    const Bytes n = modulus(512);
    const Bytes bad[] = {{},           {0},
                         {1},          {2},
                         {0, 1},       {0, 0, 1},
                         {0, 0, 0, 1}, {0, 0, 0, 0, 1},
                         {1, 0, 0},    {1, 0, 0, 0, 1}};
    for (const Bytes& e : bad) {
        INFO(to_hex(e));
        REQUIRE_ERRC(Errc::bad_value, PublicKey::from_rsa(n, e));
    }
    REQUIRE_OK(PublicKey::from_rsa(n, Bytes{3}));
    REQUIRE_OK(PublicKey::from_rsa(n, Bytes{0, 1, 0, 1}));
}

TEST_CASE("PublicKey: an RSA key has no raw form of signatures", "[base][public_key]") {
    const PublicKey key = PublicKey::from_rsa(modulus(512), Bytes{1, 0, 1}).value();
    CHECK_FALSE(key.verify_raw(as_bytes("abc"), Bytes(32, 1), Bytes(32, 1)));
    CHECK_FALSE(key.verify(as_bytes("abc"), Bytes(512, 1)));
    CHECK_FALSE(key.verify(as_bytes("abc"), {}));
}
