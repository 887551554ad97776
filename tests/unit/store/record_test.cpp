// The format of a record: what is refused, what it hides, and that salts never repeat.
#include "agent/store/internal/record.h"

#include <set>

#include "tests/support/mutations.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {
namespace {

using namespace store;

StoreKeys keys_from(std::uint8_t seed) {
    return StoreKeys::derive(Secret::copy_of(Bytes(kKeyLen, seed)).value()).value();
}

Salt salt_of(std::uint8_t byte) {
    Salt salt{};
    salt.fill(byte);
    return salt;
}

Bytes sealed(const StoreKeys& keys, std::string_view name, std::uint64_t version,
             std::string_view value, std::uint8_t random = 7) {
    return seal_record(keys, name_of(name), version, secret_of(value), salt_of(random)).value();
}

ByteView salt_in(const Bytes& record) { return ByteView(record).subspan(8, kSaltLen); }

}  // namespace

TEST_CASE("record: what was sealed is read back with its name and version", "[store]") {
    const StoreKeys keys = keys_from(1);
    const std::size_t len = GENERATE(values<std::size_t>({1, 255, 256, 257, 4096, kMaxSecretLen}));
    const std::string value(len, 'x');
    const auto record = open_record(keys, sealed(keys, "db/password", 42, value));
    REQUIRE_OK(record);
    CHECK(record->name.text() == "db/password");
    CHECK(record->version == 42);
    CHECK(record->kind == RecordKind::value);
    CHECK(text_of(record->value) == value);
}

TEST_CASE("record: one of an empty value is that of a removed secret", "[store]") {
    const StoreKeys keys = keys_from(1);
    const auto record = open_record(keys, sealed(keys, "a", 3, ""));
    REQUIRE_OK(record);
    CHECK(record->kind == RecordKind::removed);
    CHECK(record->version == 3);
    CHECK(record->value.empty());
}

TEST_CASE("record: every single bit flip is refused as store.corrupt", "[store]") {
    const StoreKeys keys = keys_from(1);
    const Bytes good = sealed(keys, "db/password", 1, "hunter2");
    std::size_t num_mutants = 0;
    for_each_bit_flip(good, [&](ByteView mutant, std::size_t bit) {
        INFO("bit " << bit);
        REQUIRE_ERRC(Errc::store_corrupt, open_record(keys, mutant));
        ++num_mutants;
    });
    CHECK(num_mutants == good.size() * 8);
}

TEST_CASE("record: every truncation and every extra byte is refused as store.corrupt", "[store]") {
    const StoreKeys keys = keys_from(1);
    const Bytes good = sealed(keys, "db/password", 1, "hunter2");
    const auto refused = [&](ByteView mutant, std::size_t where) {
        INFO("at " << where);
        REQUIRE_ERRC(Errc::store_corrupt, open_record(keys, mutant));
    };
    for_each_truncation(good, refused);
    for_each_extra_byte(good, refused);
}

TEST_CASE("record: another store's key does not open it", "[store]") {
    const Bytes good = sealed(keys_from(1), "a", 1, "value");
    REQUIRE_ERRC(Errc::store_corrupt, open_record(keys_from(2), good));
}

TEST_CASE("record: its bytes show neither name nor value, and its size hides short lengths",
          "[store]") {
    const StoreKeys keys = keys_from(1);
    const Bytes a = sealed(keys, "db/password", 1, "correct horse battery staple");
    CHECK(as_text(a).find("db/password") == std::string_view::npos);
    CHECK(as_text(a).find("battery") == std::string_view::npos);
    CHECK(a.size() == sealed(keys, "a", 1, "x").size());
    CHECK(a.size() == sealed(keys, "a", 2, "").size());
    CHECK(a.size() == kMinRecordLen);
}

TEST_CASE("record: with the random generator stuck, different content still has different salts",
          "[store]") {
    const StoreKeys keys = keys_from(1);
    std::set<Bytes> salts;
    salts.insert(to_bytes(salt_in(sealed(keys, "a", 1, "one"))));
    salts.insert(to_bytes(salt_in(sealed(keys, "a", 1, "two"))));
    salts.insert(to_bytes(salt_in(sealed(keys, "a", 2, "one"))));
    salts.insert(to_bytes(salt_in(sealed(keys, "b", 1, "one"))));
    salts.insert(to_bytes(salt_in(sealed(keys, "a", 1, ""))));
    CHECK(salts.size() == 5);
    // The same message under the same bytes is the same file: nothing new is told by it.
    CHECK(sealed(keys, "a", 1, "one") == sealed(keys, "a", 1, "one"));
}

TEST_CASE("record: with fresh random bytes, the same content has another salt and ciphertext",
          "[store]") {
    const StoreKeys keys = keys_from(1);
    const Bytes one = sealed(keys, "a", 1, "same", /*random=*/1);
    const Bytes two = sealed(keys, "a", 1, "same", /*random=*/2);
    CHECK_FALSE(equal(salt_in(one), salt_in(two)));
    CHECK_FALSE(
        equal(ByteView(one).subspan(kRecordHeadLen), ByteView(two).subspan(kRecordHeadLen)));
}

TEST_CASE("record: the salt tells nothing without the store key", "[store]") {
    // It is a MAC under a key of the store: equal messages and randoms in two stores have unlike
    // salts.
    CHECK_FALSE(equal(salt_in(sealed(keys_from(1), "a", 1, "one")),
                      salt_in(sealed(keys_from(2), "a", 1, "one"))));
}

TEST_CASE("store keys: each purpose has its own key", "[store]") {
    const StoreKeys keys = keys_from(1);
    CHECK_FALSE(keys.record == keys.name);
    CHECK_FALSE(keys.record == keys.salt);
    CHECK_FALSE(keys.record == keys.slot);
    CHECK_FALSE(keys.name == keys.salt);
    CHECK_FALSE(keys.name == keys.slot);
    CHECK_FALSE(keys.salt == keys.slot);
}

TEST_CASE("HKDF: RFC 5869 test case 1", "[store]") {
    const Secret ikm = Secret::copy_of(Bytes(22, 0x0b)).value();
    const Bytes salt{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const std::string info("\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");
    const auto out = hkdf(ikm, salt, info, 42);
    REQUIRE_OK(out);
    const Bytes want{0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f,
                     0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a,
                     0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf, 0x34,
                     0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65};
    out->expose([&](ByteView bytes) { CHECK(equal(bytes, want)); });
}

TEST_CASE("HMAC: RFC 4231 test case 2", "[store]") {
    const auto out =
        hmac(secret_of("Jefe"), {as_bytes("what do ya want "), as_bytes("for nothing?")});
    REQUIRE_OK(out);
    const Sha256 want{0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                      0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                      0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    CHECK(*out == want);
}

TEST_CASE("seal: a wrong tag leaves nothing decrypted behind", "[store]") {
    const Secret key = Secret::copy_of(Bytes(kKeyLen, 9)).value();
    Bytes box =
        SealKey::derive(key, salt_of(1), "t").value().seal({}, {as_bytes("plaintext")}).value();
    box.back() ^= 1;
    Bytes out(9, 0xaa);
    REQUIRE_ERRC(Errc::store_corrupt,
                 SealKey::derive(key, salt_of(1), "t").value().open({}, box, {out}));
    CHECK(all_zero(out));
}

}  // namespace attestd::test
