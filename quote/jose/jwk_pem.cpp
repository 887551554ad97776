// A private key as PEM, for whoever is to take it over (spec/kbs.md section 4.4).
//
// OpenSSL's encoders leave copies of the numbers in memory that they give back, so the DER is put
// together here, in memory for secrets alone: PKCS #8 (RFC 5208) around an ECPrivateKey (RFC 5915),
// or an RSAPrivateKey (RFC 8017 appendix A.1.2).
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "quote/jose/jwk.h"

namespace attestd {
namespace {

constexpr std::size_t kLineLen = 64;                  // RFC 7468 section 2
constexpr std::size_t kLineBytes = kLineLen / 4 * 3;  // that one line is of

enum class DerTag : std::uint8_t { integer = 0x02, octets = 0x04, sequence = 0x30 };

// Where a private number lies: in the machine's order, the least byte first.
struct NativeNumber {
    ByteView bytes;

    [[nodiscard]] std::size_t len() const noexcept {
        std::size_t len = bytes.size();
        while (len > 1 && bytes[len - 1] == 0) --len;
        return len;
    }
    // DER's integers are signed.
    [[nodiscard]] bool is_padded() const noexcept { return (bytes[len() - 1] & 0x80) != 0; }
    [[nodiscard]] std::size_t content_len() const noexcept { return len() + (is_padded() ? 1 : 0); }
};

std::size_t length_len(std::size_t len) noexcept { return len < 0x80 ? 1 : len < 0x100 ? 2 : 3; }
std::size_t element_len(std::size_t content) noexcept { return 1 + length_len(content) + content; }

// Writes into a range that is as long as what is written.
class DerSink {
 public:
    explicit DerSink(std::span<std::uint8_t> out) noexcept : out_(out) {}

    void put(std::uint8_t byte) { out_[at_++] = byte; }
    void put(ByteView bytes) {
        for (const std::uint8_t byte : bytes) put(byte);
    }
    // Lengths are below 65536: of an RSA key of 4096 bits, 2400.
    void begin(DerTag tag, std::size_t len) {
        put(static_cast<std::uint8_t>(tag));
        if (len >= 0x100) {
            put(0x82);
            put(static_cast<std::uint8_t>(len >> 8));
        } else if (len >= 0x80) {
            put(0x81);
        }
        put(static_cast<std::uint8_t>(len));
    }
    void put(const NativeNumber& number) {
        begin(DerTag::integer, number.content_len());
        if (number.is_padded()) put(0);
        for (std::size_t i = number.len(); i > 0; --i) put(number.bytes[i - 1]);
    }

 private:
    std::span<std::uint8_t> out_;
    std::size_t at_ = 0;
};

// SEQUENCE { id-ecPublicKey, the curve }.
constexpr std::array<std::uint8_t, 21> kP256Algorithm{0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                                      0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
                                                      0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::array<std::uint8_t, 18> kP521Algorithm{0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                                      0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                                      0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};

Result<Secret> ec_der(JoseKeyKind curve, const Secret& numbers) {
    const ByteView algorithm =
        curve == JoseKeyKind::p256 ? ByteView(kP256Algorithm) : ByteView(kP521Algorithm);
    const std::size_t scalar = jose_field_len(curve);
    const std::size_t inner = 3 + element_len(scalar);  // version 1, d
    const std::size_t outer = 3 + algorithm.size() + element_len(element_len(inner));
    ATTESTD_TRY(Secret out, Secret::zeroed(element_len(outer)));
    out.fill([&](std::span<std::uint8_t> into) {
        constexpr std::array<std::uint8_t, 3> kPkcs8Version{0x02, 0x01, 0x00};
        constexpr std::array<std::uint8_t, 3> kEcVersion{0x02, 0x01, 0x01};
        DerSink sink(into);
        sink.begin(DerTag::sequence, outer);
        sink.put(kPkcs8Version);
        sink.put(algorithm);
        sink.begin(DerTag::octets, element_len(inner));
        sink.begin(DerTag::sequence, inner);
        sink.put(kEcVersion);
        sink.begin(DerTag::octets, scalar);
        numbers.expose([&](ByteView native) {
            for (std::size_t i = scalar; i > 0; --i) sink.put(native[i - 1]);
        });
    });
    return out;
}

// `n` and `e` as they stand in the public half.
Result<Secret> rsa_der(JoseKeyKind kind, ByteView n, ByteView e, const Secret& numbers) {
    const Bytes modulus(n.rbegin(), n.rend()), exponent(e.rbegin(), e.rend());
    return numbers.expose([&](ByteView native) -> Result<Secret> {
        std::vector<NativeNumber> parts{{modulus}, {exponent}};
        std::size_t len = jose_field_len(kind);  // d; the other five are half as long
        while (!native.empty()) {
            parts.push_back({native.first(len)});
            native = native.subspan(len);
            len = jose_field_len(kind) / 2;
        }
        std::size_t inner = 3;
        for (const NativeNumber& part : parts) inner += element_len(part.content_len());
        ATTESTD_TRY(Secret out, Secret::zeroed(element_len(inner)));
        out.fill([&](std::span<std::uint8_t> into) {
            constexpr std::array<std::uint8_t, 3> kVersion{0x02, 0x01, 0x00};
            DerSink sink(into);
            sink.begin(DerTag::sequence, inner);
            sink.put(kVersion);
            for (const NativeNumber& part : parts) sink.put(part);
        });
        return out;
    });
}

Result<Secret> pem_of(std::string_view label, const Secret& der) {
    const std::string begin = "-----BEGIN " + std::string(label) + "-----\n";
    const std::string end = "-----END " + std::string(label) + "-----\n";
    const std::size_t num_lines = (der.size() + kLineBytes - 1) / kLineBytes;
    const std::size_t text_len = (der.size() + 2) / 3 * 4 + num_lines;
    ATTESTD_TRY(Secret out, Secret::zeroed(begin.size() + text_len + end.size()));
    out.fill([&](std::span<std::uint8_t> into) {
        DerSink(into).put(as_bytes(begin));
        std::span<std::uint8_t> rest = into.subspan(begin.size());
        der.expose([&](ByteView bytes) {
            while (!bytes.empty()) {
                const ByteView line = bytes.first(std::min(bytes.size(), kLineBytes));
                // It ends with a NUL, over which the line's end is written.
                const int len =
                    EVP_EncodeBlock(rest.data(), line.data(), static_cast<int>(line.size()));
                rest[static_cast<std::size_t>(len)] = '\n';
                rest = rest.subspan(static_cast<std::size_t>(len) + 1);
                bytes = bytes.subspan(line.size());
            }
        });
        DerSink(rest).put(as_bytes(end));
    });
    return out;
}

}  // namespace

Result<Secret> JosePrivateKey::pem() const {
    const JoseKeyKind kind = public_.kind();
    if (kind == JoseKeyKind::p256 || kind == JoseKeyKind::p521) {
        ATTESTD_TRY(const Secret der, ec_der(kind, numbers_));
        return pem_of("PRIVATE KEY", der);
    }
    ATTESTD_TRY(const Secret der, rsa_der(kind, public_.first_, public_.second_, numbers_));
    return pem_of("RSA PRIVATE KEY", der);
}

}  // namespace attestd
