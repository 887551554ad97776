// Making RSA public keys of OpenSSL's from numbers.
#pragma once

#include "quote/base/bytes.h"
#include "quote/base/ossl.h"
#include "quote/base/result.h"

namespace attestd {

/// Modulus and exponent big-endian, judged by the caller. Errc::crypto_failed.
[[nodiscard]] Result<EvpPkey> make_rsa_key(ByteView modulus, ByteView exponent);

}  // namespace attestd
