#include "tests/fuzz/fixed_random.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "quote/base/bytes.h"
#include "tests/fuzz/target.h"

namespace attestd::fuzz {
namespace {

constexpr unsigned kStrength = 256;

// The generator that is seeded with what it gives out (EVP_RAND-TEST-RAND(7)).
void feed(EVP_RAND_CTX* generator, Bytes& bytes) {
    unsigned strength = kStrength;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_RAND_PARAM_TEST_ENTROPY, bytes.data(), bytes.size()),
        OSSL_PARAM_construct_uint(OSSL_RAND_PARAM_STRENGTH, &strength), OSSL_PARAM_construct_end()};
    holds(
        generator != nullptr && EVP_RAND_instantiate(generator, 0, 0, nullptr, 0, parameters) == 1,
        "the fixed random generator starts");
}

}  // namespace

void use_fixed_random() {
    holds(RAND_set_DRBG_type(nullptr, "TEST-RAND", nullptr, nullptr, nullptr) == 1,
          "OpenSSL has the generator that is for tests");
    restart_fixed_random(kSeedRandomLen);
}

void restart_fixed_random(std::size_t len) {
    static Bytes stream;
    if (stream.empty()) {
        stream.resize(kSeedRandomLen);
        std::uint32_t state = 1;
        for (std::uint8_t& byte : stream) {
            state = state * 1664525U + 1013904223U;  // Numerical Recipes' generator
            byte = static_cast<std::uint8_t>(state >> 24);
        }
    }
    Bytes bytes(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(len));
    feed(RAND_get0_public(nullptr), bytes);
    // Another part of it, or a public value would tell a private one.
    std::swap_ranges(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(len / 2),
                     bytes.begin() + static_cast<std::ptrdiff_t>(len / 2));
    feed(RAND_get0_private(nullptr), bytes);
}

}  // namespace attestd::fuzz
