// floor/p256_verify and floor/p384_verify: one signature check by OpenSSL with everything prepared.
//
// The key's context is warm and the message is 32 or 48 bytes that are taken for its digest, so
// nothing is counted but the arithmetic. A verification of evidence is a number of these and
// something on top.
#include <benchmark/benchmark.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <array>
#include <vector>

#include "quote/base/ossl.h"
#include "tests/bench/options.h"

namespace attestd::bench {
namespace {

struct Signed {
    EvpPkey key;
    std::vector<std::uint8_t> digest, signature;
};

// A fresh key and its signature over a fixed digest; key is null when OpenSSL refuses.
Signed make_signed(const char* curve, std::size_t digest_len) {
    Signed out{EvpPkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve)),
               std::vector<std::uint8_t>(digest_len, 0x5a),
               {}};
    const EvpPkeyCtx ctx(out.key ? EVP_PKEY_CTX_new_from_pkey(nullptr, out.key.get(), nullptr)
                                 : nullptr);
    std::array<std::uint8_t, 128> signature{};
    std::size_t len = signature.size();
    if (!ctx || EVP_PKEY_sign_init(ctx.get()) != 1 ||
        EVP_PKEY_sign(ctx.get(), signature.data(), &len, out.digest.data(), out.digest.size()) !=
            1) {
        out.key = nullptr;
        return out;
    }
    out.signature.assign(signature.begin(), signature.begin() + static_cast<std::ptrdiff_t>(len));
    return out;
}

void verify(benchmark::State& state, const char* curve, std::size_t digest_len) {
    const Signed made = make_signed(curve, digest_len);
    const EvpPkeyCtx ctx(made.key ? EVP_PKEY_CTX_new_from_pkey(nullptr, made.key.get(), nullptr)
                                  : nullptr);
    if (!ctx || EVP_PKEY_verify_init(ctx.get()) != 1) {
        state.SkipWithError("OpenSSL does not have the curve");
        return;
    }
    for (auto _ : state) {
        const int good = EVP_PKEY_verify(ctx.get(), made.signature.data(), made.signature.size(),
                                         made.digest.data(), made.digest.size());
        if (good != 1) {
            state.SkipWithError("a good signature was refused");
            return;
        }
    }
}

}  // namespace

void register_crypto_floor() {
    benchmark::RegisterBenchmark("floor/p256_verify", verify, "P-256", 32);
    benchmark::RegisterBenchmark("floor/p384_verify", verify, "P-384", 48);
}

}  // namespace attestd::bench
