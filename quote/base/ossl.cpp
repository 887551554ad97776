#include "quote/base/ossl.h"

#include <openssl/err.h>

#include <array>

namespace attestd {

tl::unexpected<Error> fail_crypto(std::string_view what) {
    std::string detail(what);
    while (const unsigned long code = ERR_get_error()) {
        std::array<char, 256> text{};
        ERR_error_string_n(code, text.data(), text.size());
        detail += "; ";
        detail += text.data();
    }
    return fail(Errc::crypto_failed, std::move(detail));
}

void clear_crypto_errors() noexcept { ERR_clear_error(); }

}  // namespace attestd
