#include "quote/base/internal/rsa.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

namespace attestd {
namespace {

using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;
using Bn = std::unique_ptr<BIGNUM, Free<BN_free>>;

}  // namespace

Result<EvpPkey> make_rsa_key(ByteView modulus, ByteView exponent) {
    const Bn n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
    const Bn e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
    const ParamBuilder builder(OSSL_PARAM_BLD_new());
    if (!n || !e || !builder ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
        return fail_crypto("building an RSA key");
    }
    const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    EVP_PKEY* key = nullptr;
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
        EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        return fail_crypto("building an RSA key");
    }
    return EvpPkey(key);
}

}  // namespace attestd
