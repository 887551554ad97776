// Key slots: their file format, and the kinds `snp` and `recovery`.
#include "agent/store/internal/slot.h"

#include "tests/support/mutations.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {
namespace {

using namespace store;

struct Written {
    Secret store_key = Secret::copy_of(Bytes(kKeyLen, 1)).value();
    StoreKeys keys = StoreKeys::derive(store_key).value();
    Secret slot_key = Secret::copy_of(Bytes(kKeyLen, 2)).value();
    Bytes params = to_bytes(as_bytes("params"));
    Bytes file;

    explicit Written(std::uint32_t number = 3, SlotKind kind = SlotKind::recovery) {
        file = write_slot(keys, store_key, number, kind, {params, slot_key.clone().value()}, Salt{})
                   .value();
    }
};

}  // namespace

TEST_CASE("slot: what was written opens with its key and is vouched for by the store", "[store]") {
    const Written w;
    const auto slot = parse_slot(w.file, 3);
    REQUIRE_OK(slot);
    CHECK(slot->kind == SlotKind::recovery);
    CHECK(slot->params == w.params);
    const auto key = unwrap(*slot, w.slot_key);
    REQUIRE_OK(key);
    CHECK(*key == w.store_key);
    REQUIRE_OK(authenticate(*slot, w.keys));
}

TEST_CASE("slot: every single bit flip is refused as store.corrupt", "[store]") {
    const Written w;
    for_each_bit_flip(w.file, [&](ByteView mutant, std::size_t bit) {
        INFO("bit " << bit);
        REQUIRE_ERRC(Errc::store_corrupt, parse_slot(mutant, 3));
    });
}

TEST_CASE("slot: a bit flip with the plain digest made right is still refused", "[store]") {
    const Written w;
    const std::size_t digest_at = w.file.size() - sizeof(Sha256);
    for_each_bit_flip(w.file, {0, digest_at}, 1, [&](ByteView flipped, std::size_t bit) {
        INFO("bit " << bit);
        Bytes mutant = to_bytes(flipped.first(digest_at));
        const Sha256 digest = sha256(mutant);
        mutant.insert(mutant.end(), digest.begin(), digest.end());
        const auto slot = parse_slot(mutant, 3);
        if (!slot) return;  // structure already tells
        // The store does not vouch for it; and unless only the HMAC was hit, it does not open
        // either.
        REQUIRE_ERRC(Errc::store_corrupt, authenticate(*slot, w.keys));
        const bool mac_only = bit / 8 >= digest_at - sizeof(Sha256);
        if (!mac_only) REQUIRE_ERRC(Errc::store_locked, unwrap(*slot, w.slot_key));
    });
}

TEST_CASE("slot: every truncation, extra byte and params length is refused as store.corrupt",
          "[store]") {
    const Written w;
    const auto refused = [&](ByteView mutant, std::size_t where) {
        INFO("at " << where);
        REQUIRE_ERRC(Errc::store_corrupt, parse_slot(mutant, 3));
    };
    for_each_truncation(w.file, refused);
    for_each_extra_byte(w.file, refused);
    for_each_length_value(w.file, {62, 2}, ByteOrder::little, refused);
}

TEST_CASE("slot: under another slot's file name it is refused as store.corrupt", "[store]") {
    const Written w(3);
    REQUIRE_ERRC(Errc::store_corrupt, parse_slot(w.file, 4));
}

TEST_CASE("slot: the wrong key is store.locked, not damage", "[store]") {
    const Written w;
    const Secret other = Secret::copy_of(Bytes(kKeyLen, 9)).value();
    REQUIRE_ERRC(Errc::store_locked, unwrap(parse_slot(w.file, 3).value(), other));
}

TEST_CASE("slot: another store does not vouch for it", "[store]") {
    const Written w;
    const StoreKeys other = StoreKeys::derive(w.slot_key).value();
    REQUIRE_ERRC(Errc::store_corrupt, authenticate(parse_slot(w.file, 3).value(), other));
}

TEST_CASE("slot: a kind of a later version parses and keeps its params", "[store]") {
    const Written w(0, static_cast<SlotKind>(900));
    const auto slot = parse_slot(w.file, 0);
    REQUIRE_OK(slot);
    CHECK(slot_kind_name(slot->kind) == "unknown");
    CHECK(slot->params == w.params);
}

TEST_CASE("slot: params and key of a wrong length are refused as store.slot", "[store]") {
    const Written w;
    const auto write = [&](std::size_t params_len, std::size_t key_len) {
        return write_slot(w.keys, w.store_key, 0, SlotKind::remote,
                          {Bytes(params_len), Secret::zeroed(key_len).value()}, Salt{});
    };
    REQUIRE_OK(write(kMaxSlotParamsLen, 32));
    REQUIRE_ERRC(Errc::store_slot, write(kMaxSlotParamsLen + 1, 32));
    REQUIRE_ERRC(Errc::store_slot, write(0, 31));
    REQUIRE_ERRC(Errc::store_slot, write(0, 33));
}

TEST_CASE("slot: file names are canonical", "[store]") {
    CHECK(slot_file(0) == "slot-0");
    CHECK(slot_number("slot-0") == 0U);
    CHECK(slot_number("slot-31") == 31U);
    for (const char* bad : {"slot-", "slot-32", "slot-00", "slot-01", "slot--1", "slot-+1",
                            "slot-1 ", "slot-1x", "Slot-1", "slot-4294967296", "record-1", ""}) {
        INFO(bad);
        CHECK_FALSE(slot_number(bad).has_value());
    }
}

TEST_CASE("snp slot: a key without POLICY and MEASUREMENT is never asked for", "[store]") {
    struct Row {
        const char* name;
        DerivedKeyRequest request;
    };
    FakeMachine machine;
    const auto row = GENERATE(values<Row>({
        {"no field", {.guest_field_select = 0}},
        {"measurement alone", {.guest_field_select = 0b1000}},
        {"policy alone", {.guest_field_select = 0b0001}},
        {"a field that the kernel cannot pass on", {.guest_field_select = 0b1001001}},
        {"VMPL 4", {.guest_field_select = 0b1001, .vmpl = 4}},
    }));
    INFO(row.name);
    SnpSlotKey key(machine, row.request);
    REQUIRE_ERRC(Errc::store_slot, key.make());

    // The same in a slot that lies on the host's disk.
    Bytes params;
    for (int i = 0; i < 8; ++i)
        params.push_back(static_cast<std::uint8_t>(row.request.guest_field_select >> (8 * i)));
    params.push_back(static_cast<std::uint8_t>(row.request.vmpl));
    params.resize(24);
    SnpSlotKey good(machine, DerivedKeyRequest{});
    REQUIRE_ERRC(Errc::store_corrupt, good.recover(params));
    CHECK(machine.num_requests == 0);
}

TEST_CASE("snp slot: what it is bound to is recorded and asked for again", "[store]") {
    FakeMachine machine;
    const DerivedKeyRequest bound{.guest_field_select = 0b111001,
                                  .vmpl = 2,
                                  .guest_svn = 7,
                                  .tcb_version = 0x0102030405060708};
    SnpSlotKey maker(machine, bound);
    const auto made = maker.make();
    REQUIRE_OK(made);
    const auto recorded = parse_snp_slot_params(made->params);
    REQUIRE_OK(recorded);
    CHECK(recorded->guest_field_select == bound.guest_field_select);
    CHECK(recorded->vmpl == bound.vmpl);
    CHECK(recorded->guest_svn == bound.guest_svn);
    CHECK(recorded->tcb_version == bound.tcb_version);

    SnpSlotKey opener(machine, DerivedKeyRequest{});  // its own request plays no part
    const auto again = opener.recover(made->params);
    REQUIRE_OK(again);
    CHECK(*again == made->key);
    for_each_truncation(made->params, [&](ByteView cut, std::size_t) {
        REQUIRE_ERRC(Errc::store_corrupt, parse_snp_slot_params(cut));
    });
}

TEST_CASE("recovery slot: the private key obtains what the public key made", "[store]") {
    const auto algorithm = GENERATE(RecoveryAlgorithm::x25519, RecoveryAlgorithm::p256);
    const auto pair = make_recovery_key(algorithm);
    REQUIRE_OK(pair);
    auto sealer = RecoverySlotKey::from_public_pem(as_bytes(pair->public_pem));
    REQUIRE_OK(sealer);
    auto opener = RecoverySlotKey::from_private_pem(pair->private_pem);
    REQUIRE_OK(opener);
    CHECK(sealer->fingerprint() == opener->fingerprint());

    const auto one = sealer->make();
    REQUIRE_OK(one);
    const auto two = sealer->make();
    REQUIRE_OK(two);
    CHECK_FALSE(one->key == two->key);  // a fresh ephemeral key each time
    const auto opened = opener->recover(one->params);
    REQUIRE_OK(opened);
    CHECK(*opened == one->key);
    REQUIRE_ERRC(Errc::store_slot, sealer->recover(one->params));
}

TEST_CASE("recovery slot: no changed params give the key", "[store]") {
    const auto algorithm = GENERATE(RecoveryAlgorithm::x25519, RecoveryAlgorithm::p256);
    const auto pair = make_recovery_key(algorithm).value();
    RecoverySlotKey key = recovery_from(pair);
    const auto made = key.make();
    REQUIRE_OK(made);
    for_each_bit_flip(made->params, [&](ByteView mutant, std::size_t bit) {
        INFO("bit " << bit);
        const auto opened = key.recover(mutant);
        // A flip may make another valid ephemeral key: then it is another slot key.
        if (opened) {
            CHECK_FALSE(*opened == made->key);
        } else {
            const Errc code = opened.error().code;
            CHECK((code == Errc::store_corrupt || code == Errc::store_slot ||
                   code == Errc::crypto_failed));
        }
    });
    for_each_truncation(made->params, [&](ByteView cut, std::size_t) {
        REQUIRE_ERRC(Errc::store_corrupt, key.recover(cut));
    });
}

TEST_CASE("recovery slot: points that give no shared secret are refused", "[store]") {
    RecoverySlotKey x25519 = recovery_from(make_recovery_key(RecoveryAlgorithm::x25519).value());
    Bytes params = x25519.make().value().params;
    std::fill_n(params.begin() + 1, 32, std::uint8_t{0});  // the point of order 1
    REQUIRE_ERRC(Errc::crypto_failed, x25519.recover(params));

    RecoverySlotKey p256 = recovery_from(make_recovery_key(RecoveryAlgorithm::p256).value());
    struct Row {
        const char* name;
        void (*change)(Bytes&);
    };
    const auto row = GENERATE(values<Row>({
        {"not on the curve", [](Bytes& bytes) { bytes[40] ^= 1; }},
        {"compressed form", [](Bytes& bytes) { bytes[1] = 0x02; }},
        {"infinity", [](Bytes& bytes) { std::fill_n(bytes.begin() + 1, 65, std::uint8_t{0}); }},
    }));
    INFO(row.name);
    params = p256.make().value().params;
    row.change(params);
    REQUIRE_ERRC(Errc::store_corrupt, p256.recover(params));
}

TEST_CASE("recovery slot: another operator's key is told apart from damage", "[store]") {
    RecoverySlotKey one = recovery_from(make_recovery_key(RecoveryAlgorithm::x25519).value());
    RecoverySlotKey two = recovery_from(make_recovery_key(RecoveryAlgorithm::x25519).value());
    const auto made = one.make();
    REQUIRE_OK(made);
    REQUIRE_ERRC(Errc::store_slot, two.recover(made->params));
}

TEST_CASE("recovery key: keys of other kinds and other text are refused", "[store]") {
    REQUIRE_ERRC(Errc::bad_encoding, RecoverySlotKey::from_public_pem(as_bytes("not PEM")));
    REQUIRE_ERRC(Errc::bad_encoding, RecoverySlotKey::from_public_pem({}));
    REQUIRE_ERRC(Errc::too_large, RecoverySlotKey::from_public_pem(Bytes(5000, 'A')));
    REQUIRE_ERRC(Errc::bad_encoding, RecoverySlotKey::from_private_pem(secret_of("not PEM")));
    const auto pair = make_recovery_key(RecoveryAlgorithm::x25519).value();
    REQUIRE_ERRC(Errc::bad_encoding, RecoverySlotKey::from_private_pem(secret_of(pair.public_pem)));
    // A valid Ed25519 public key: a signature key agrees on nothing (RFC 8410 section 10.1).
    constexpr std::string_view kEd25519 =
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PUBLIC KEY-----\n";
    REQUIRE_ERRC(Errc::unsupported_type, RecoverySlotKey::from_public_pem(as_bytes(kEd25519)));
}

}  // namespace attestd::test
