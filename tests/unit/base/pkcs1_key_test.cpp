// Pkcs1Key: which keys it takes, and that a block which only looks like a signature is none.
#include "quote/base/pkcs1_key.h"

#include <functional>

#include "tests/support/catch.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/support/mutations.h"

using namespace attestd;

namespace {

const Bytes kMessage{'q', 'u', 'o', 't', 'e'};

Pkcs1Key key_of(const forge::VtpmKey& key) {
    return Pkcs1Key::from_rsa(key.modulus(), key.exponent()).value();
}

Bytes changed(Bytes bytes, std::size_t at, std::uint8_t mask) {
    bytes.at(at) ^= mask;
    return bytes;
}

}  // namespace

TEST_CASE("Pkcs1Key: a TPM's signature holds, over its own message and key alone", "[base][rsa]") {
    const forge::VtpmKey& signer = forge::shared_vtpm_key();
    const Bytes signature = signer.sign(kMessage);
    CHECK(key_of(signer).verify(kMessage, signature));
    CHECK_FALSE(key_of(signer).verify(changed(kMessage, 0, 1), signature));
    CHECK_FALSE(key_of(forge::other_vtpm_key()).verify(kMessage, signature));
}

TEST_CASE("Pkcs1Key: every flipped bit, cut and extra byte of a signature is refused",
          "[base][rsa]") {
    const forge::VtpmKey& signer = forge::shared_vtpm_key();
    const Pkcs1Key key = key_of(signer);
    const Bytes signature = signer.sign(kMessage);
    std::size_t accepted = 0, tried = 0;
    const auto try_one = [&](ByteView mutant, std::size_t) {
        accepted += key.verify(kMessage, mutant) ? 1 : 0;
        ++tried;
    };
    test::for_each_bit_flip(signature, try_one);
    test::for_each_truncation(signature, 5, try_one);
    test::for_each_extra_byte(signature, try_one);
    CHECK(accepted == 0);
    CHECK(tried > 2048);
}

TEST_CASE("Pkcs1Key: a signature that is the modulus too large is refused", "[base][rsa]") {
    // s + n verifies by arithmetic; RFC 8017 section 5.2.2 demands s < n.
    const forge::VtpmKey& signer = forge::shared_vtpm_key();
    Bytes sum = signer.sign(kMessage);
    const Bytes n = signer.modulus();
    unsigned carry = 0;
    for (std::size_t i = sum.size(); i-- > 0;) {
        carry += unsigned{sum[i]} + n[i];
        sum[i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
    if (carry != 0) sum.insert(sum.begin(), 1);
    CHECK_FALSE(key_of(signer).verify(kMessage, sum));
}

TEST_CASE("Pkcs1Key: blocks that are padded otherwise are refused", "[base][rsa]") {
    const forge::VtpmKey& signer = forge::shared_vtpm_key();
    const Bytes sound = signer.pkcs1_block(kMessage);
    struct Row {
        const char* name;
        std::function<Bytes(Bytes)> spoil;
    };
    const std::size_t info_at = sound.size() - 51;
    const std::vector<Row> rows{
        {"block type 2", [](Bytes b) { return changed(std::move(b), 1, 3); }},
        {"a byte of the filling that is not ff",
         [](Bytes b) { return changed(std::move(b), 9, 1); }},
        {"no zero before the digest",
         [&](Bytes b) { return changed(std::move(b), info_at - 1, 1); }},
        {"another digest's identifier",
         [&](Bytes b) { return changed(std::move(b), info_at + 14, 3); }},
        {"a parameter that is not NULL",
         [&](Bytes b) { return changed(std::move(b), info_at + 15, 1); }},
        {"short filling, then bytes after the digest",
         [&](Bytes b) {
             // What lenient verifiers accepted in 2006 (CVE-2006-4339).
             Bytes digest_info(b.begin() + static_cast<std::ptrdiff_t>(info_at), b.end());
             std::fill(b.begin() + 11, b.end(), std::uint8_t{0});
             std::copy(digest_info.begin(), digest_info.end(), b.begin() + 11);
             return b;
         }},
        {"no NULL parameter, one more byte of filling",
         [&](Bytes b) {
             Bytes out(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(info_at) - 1);
             const Bytes info{0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48,
                              0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20};
             out.insert(out.end(), {0xff, 0xff, 0x00});
             out.insert(out.end(), info.begin(), info.end());
             out.insert(out.end(), b.end() - 32, b.end());
             return out;
         }},
    };
    REQUIRE(key_of(signer).verify(kMessage, signer.sign_block(sound)));
    for (const Row& row : rows) {
        INFO(row.name);
        const Bytes block = row.spoil(sound);
        REQUIRE(block.size() == sound.size());
        CHECK_FALSE(key_of(signer).verify(kMessage, signer.sign_block(block)));
    }
    CHECK_FALSE(key_of(signer).verify(kMessage, signer.sign_pss(kMessage)));
}

TEST_CASE("Pkcs1Key: 2048, 3072 and 4096 bits, exponent 65537, and nothing else", "[base][rsa]") {
    const Bytes e{1, 0, 1};
    const auto modulus = [](std::size_t len) {
        Bytes n(len, 0x5b);
        n.front() = 0x80;
        return n;
    };
    for (const std::size_t len : {256U, 384U, 512U})
        REQUIRE_OK(Pkcs1Key::from_rsa(modulus(len), e));
    for (const std::size_t len : {0U, 1U, 128U, 255U, 257U, 511U, 513U, 1024U}) {
        INFO(len);
        const Bytes n = len == 0 ? Bytes{} : modulus(len);
        REQUIRE_ERRC(Errc::bad_value, Pkcs1Key::from_rsa(n, e));
    }
    REQUIRE_ERRC(Errc::bad_value, Pkcs1Key::from_rsa(Bytes(256, 0x5b), e));  // 2047 bits
    REQUIRE_ERRC(Errc::bad_value, Pkcs1Key::from_rsa(changed(modulus(256), 255, 1), e));  // even
    for (const Bytes& bad : {Bytes{}, Bytes{3}, Bytes{0, 1, 0, 1}, Bytes{1, 0, 0}, Bytes{1, 0, 3}})
        REQUIRE_ERRC(Errc::bad_value, Pkcs1Key::from_rsa(modulus(256), bad));
}
