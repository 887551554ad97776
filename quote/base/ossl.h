// Handles of OpenSSL objects that free themselves, and its error queue in words.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd {

template <auto Fn>
struct Free {
    template <class T>
    void operator()(T* p) const noexcept {
        Fn(p);
    }
};

using EvpPkey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using EvpPkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using EvpMdCtx = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using EvpCipherCtx = std::unique_ptr<EVP_CIPHER_CTX, Free<EVP_CIPHER_CTX_free>>;

/// Errc::crypto_failed with `what` and all that OpenSSL's error queue holds; the queue is empty
/// after.
[[nodiscard]] tl::unexpected<Error> fail_crypto(std::string_view what);

/// Empties OpenSSL's error queue: what a failed signature check leaves there is not an error of
/// ours.
void clear_crypto_errors() noexcept;

}  // namespace attestd
