// What OpenSSL makes of DER: the other implementation that ours is compared with.
#pragma once

#include <openssl/x509.h>

#include "quote/base/ossl.h"
#include "tests/fuzz/target.h"

namespace attestd::fuzz {

using OpensslCertificate = std::unique_ptr<X509, Free<X509_free>>;
using OpensslCrl = std::unique_ptr<X509_CRL, Free<X509_CRL_free>>;

/// Null when OpenSSL does not take all of `der`.
template <auto Decode>
[[nodiscard]] auto* decoded(ByteView der) {
    const unsigned char* at = der.data();
    auto* const made = Decode(nullptr, &at, static_cast<long>(der.size()));
    clear_crypto_errors();
    holds(made == nullptr || at == der.data() + der.size(), "OpenSSL takes all of it too");
    return made;
}

}  // namespace attestd::fuzz
