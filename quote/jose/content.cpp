#include "quote/jose/content.h"

#include "quote/jose/internal/primitives.h"

namespace attestd {

static_assert(kA256GcmIvLen == jose::kIvLen && kA256GcmTagLen == jose::kTagLen);

Result<Secret> open_a256gcm(const Secret& key, ByteView iv, ByteView sealed) {
    if (key.size() != jose::kContentKeyLen || iv.size() != jose::kIvLen ||
        sealed.size() < jose::kTagLen) {
        return jose::fail_undecrypted();
    }
    const std::size_t len = sealed.size() - jose::kTagLen;
    return jose::gcm_open(key, iv, /*aad=*/{}, sealed.first(len), sealed.subspan(len));
}

}  // namespace attestd
