#include "verifier/trust_anchors.h"

#include <algorithm>
#include <array>

#include "quote/x509/certificate.h"
#include "quote/x509/pem.h"

namespace attestd {
namespace {

consteval std::uint8_t nibble(char c) {
    return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10);
}

consteval Sha256 pin(std::string_view hex) {
    Sha256 out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    return out;
}

// SHA-256 of the roots' SubjectPublicKeyInfo. Intel uses one key in two certificates.
constexpr Sha256 kIntelSgxRoot =
    pin("a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e");

struct AmdRoot {
    std::string_view product;
    Sha256 spki;
};
constexpr std::array<AmdRoot, 3> kAmdRoots{{
    {"Milan", pin("9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9")},
    {"Genoa", pin("429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831")},
    {"Turin", pin("4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08")},
}};

Result<Certificate> parse_any_certificate(ByteView bytes) {
    if (!looks_like_pem(bytes)) return Certificate::parse(bytes);
    ATTESTD_TRY(const auto blocks, parse_pem(as_text(bytes), PemStyle::file));
    if (blocks.size() != 1)
        return fail(Errc::chain_malformed, "a trust anchor file holds exactly one certificate");
    return Certificate::parse(blocks[0].der);
}

}  // namespace

Result<void> TrustAnchors::add_certificate(ByteView der_or_pem) {
    ATTESTD_TRY(const Certificate root, parse_any_certificate(der_or_pem));
    ATTESTD_TRY(const PublicKey key, root.key());
    if (!root.subject().same_as(root.issuer()) || !root.signed_by(key)) {
        return fail(Errc::chain_malformed, "a trust anchor must be a self-signed certificate");
    }
    added_.push_back(root.spki_digest());
    return {};
}

bool TrustAnchors::is_added(const Sha256& spki) const noexcept {
    return std::find(added_.begin(), added_.end(), spki) != added_.end();
}

std::optional<Grade> TrustAnchors::intel_root(const Sha256& spki) const noexcept {
    if (spki == kIntelSgxRoot) return Grade::production;
    return is_added(spki) ? std::optional(Grade::test) : std::nullopt;
}

std::optional<Grade> TrustAnchors::amd_root(const Sha256& spki,
                                            std::string_view product) const noexcept {
    for (const AmdRoot& root : kAmdRoots) {
        if (root.spki == spki)
            return root.product == product ? std::optional(Grade::production) : std::nullopt;
    }
    return is_added(spki) ? std::optional(Grade::test) : std::nullopt;
}

}  // namespace attestd
