#include "quote/base/digest.h"

#include <cstdlib>

#include "quote/base/ossl.h"

namespace attestd {
namespace {

template <std::size_t N>
ByteArray<N> digest(const EVP_MD* md, std::initializer_list<ByteView> parts) {
    thread_local const EvpMdCtx ctx(EVP_MD_CTX_new());
    ByteArray<N> out{};
    bool good = ctx != nullptr && md != nullptr && EVP_DigestInit_ex2(ctx.get(), md, nullptr) == 1;
    for (const ByteView part : parts) {
        good = good && EVP_DigestUpdate(ctx.get(), part.data(), part.size()) == 1;
    }
    good = good && EVP_DigestFinal_ex(ctx.get(), out.data(), nullptr) == 1;
    if (!good)
        std::abort();  // no memory, or a library without SHA-2: nothing can be judged any more
    return out;
}

// Fetched once for the life of the process: a look-up per digest costs as much as a short digest.
const EVP_MD* fetched(const char* name) { return EVP_MD_fetch(nullptr, name, nullptr); }

}  // namespace

Sha256 sha256(std::initializer_list<ByteView> parts) {
    static const EVP_MD* const md = fetched("SHA256");
    return digest<32>(md, parts);
}

Sha384 sha384(std::initializer_list<ByteView> parts) {
    static const EVP_MD* const md = fetched("SHA384");
    return digest<48>(md, parts);
}

Sha512 sha512(std::initializer_list<ByteView> parts) {
    static const EVP_MD* const md = fetched("SHA512");
    return digest<64>(md, parts);
}

}  // namespace attestd
