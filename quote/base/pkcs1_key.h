// RSA keys of TPMs: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2), and nothing else.
//
// A type of its own, so that no certificate chain can come to be checked with it: the vendors'
// hierarchies use PSS (`spec/snp.md` section 15, pitfall 12).
#pragma once

#include <memory>

#include "quote/base/bytes.h"
#include "quote/base/ossl.h"
#include "quote/base/result.h"

namespace attestd {

/// Cheap to copy (shared); usable by several threads at once.
class Pkcs1Key final {
 public:
    /// A modulus of 2048, 3072 or 4096 bits, odd, and the exponent 65537; both big-endian without
    /// leading zeros. Errc::bad_value.
    [[nodiscard]] static Result<Pkcs1Key> from_rsa(ByteView modulus, ByteView exponent);

    /// Whether `signature`, a block of the modulus's length, is this key's over `message`.
    [[nodiscard]] bool verify(ByteView message, ByteView signature) const;

 private:
    explicit Pkcs1Key(EvpPkey key) : key_(std::move(key)) {}

    std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace attestd
