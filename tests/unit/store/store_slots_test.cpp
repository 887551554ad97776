// The key slots of a store: which of them open it, and when they may come and go.
#include <algorithm>

#include "agent/store/internal/crypto.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {

namespace fs = std::filesystem;

TEST_CASE("store: any of its slots opens it", "[store]") {
    StoreFixture f;
    { REQUIRE_OK(f.create().put(name_of("a"), secret_of("value"))); }
    SlotKey* const key = GENERATE(0, 1) == 0 ? static_cast<SlotKey*>(&f.snp) : &f.recovery;
    auto store = f.open_with({key});
    REQUIRE_OK(store);
    CHECK(text_of(store->get(name_of("a")).value().value) == "value");
    const auto slots = store->slots().value();
    for (const SlotInfo& slot : slots) CHECK(slot.opened_this_time == (slot.kind == key->kind()));
}

TEST_CASE("store: another image, chip or TCB finds it locked, with the reason for each slot",
          "[store]") {
    StoreFixture f;
    { REQUIRE_OK(f.create().put(name_of("a"), secret_of("value"))); }
    const auto part = GENERATE(as<std::string FakeMachine::*>{}, &FakeMachine::image,
                               &FakeMachine::chip, &FakeMachine::tcb);
    const std::string before = f.machine.*part;
    f.machine.*part = "another one";
    {
        const auto store = f.open_with({&f.snp});
        REQUIRE_ERRC(Errc::store_locked, store);
        CHECK_THAT(store.error().detail,
                   ContainsSubstring("slot 0 (snp)") && ContainsSubstring("slot 1 (recovery)"));
    }
    // Another slot opens it, and the machine as it is now gets one of its own.
    {
        auto store = f.open_with({&f.snp, &f.recovery});
        REQUIRE_OK(store);
        CHECK(text_of(store->get(name_of("a")).value().value) == "value");
        REQUIRE_OK(store->add_slot(f.snp));
    }
    CHECK(text_of(f.open().get(name_of("a")).value().value) == "value");
    f.machine.*part = before;  // the old slot was not dropped: the old machine still has it
    CHECK(text_of(f.open().get(name_of("a")).value().value) == "value");
}

TEST_CASE("store: a platform that does not answer is not taken for a locked store", "[store]") {
    StoreFixture f;
    { REQUIRE(f.create().slots().has_value()); }
    const Errc why = GENERATE(Errc::timed_out, Errc::unavailable);
    f.machine.broken = why;
    REQUIRE_ERRC(why, f.open_with({&f.snp}));
}

TEST_CASE("store: the first-boot image is replaced by adding a slot before dropping one",
          "[store]") {
    StoreFixture f;
    { REQUIRE_OK(f.create().put(name_of("a"), secret_of("value"))); }
    f.machine.image = "image 2";
    {
        auto store = f.open_with({&f.recovery});
        REQUIRE_OK(store);
        const auto number = store->add_slot(f.snp);
        REQUIRE_OK(number);
        CHECK(*number == 2);
        REQUIRE_OK(store->drop_slot(0));
    }
    CHECK(text_of(f.open().get(name_of("a")).value().value) == "value");
    f.machine.image = "image 1";
    REQUIRE_ERRC(Errc::store_locked, f.open_with({&f.snp}));
}

TEST_CASE("store: the last sound slot is never dropped", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_ERRC(Errc::store_slot, store.drop_slot(7));
    SECTION("because it is the only one") {
        REQUIRE_OK(store.drop_slot(0));
        REQUIRE_ERRC(Errc::store_slot, store.drop_slot(1));
    }
    SECTION("because the other one is damaged") {
        Bytes bytes = load_file(f.path() / "slot-0");
        bytes[20] ^= 1;
        f.dir.write("store/slot-0", bytes);
        REQUIRE_ERRC(Errc::store_slot, store.drop_slot(1));
        REQUIRE_OK(store.drop_slot(0));
    }
    SECTION("because the other one is another store's") {
        StoreFixture other;
        REQUIRE(other.create().slots().has_value());
        fs::copy_file(other.path() / "slot-0", f.path() / "slot-0",
                      fs::copy_options::overwrite_existing);
        REQUIRE_ERRC(Errc::store_slot, store.drop_slot(1));
        CHECK(store.slots().value()[0].state == SlotState::damaged);
    }
}

TEST_CASE("store: platform slots are refused unless the image is stated to be measured",
          "[store]") {
    StoreFixture f;
    const std::vector<SlotKey*> platform{&f.snp};
    const std::vector<SlotKey*> operators{&f.recovery};
    REQUIRE_ERRC(Errc::store_slot,
                 SealedStore::create(folder_at(f.path()), platform, MeasuredImage::not_stated));
    CHECK(f.files("slot-").empty());
    {
        auto store = SealedStore::create(folder_at(f.path()), operators, MeasuredImage::not_stated);
        REQUIRE_OK(store);
        REQUIRE_ERRC(Errc::store_slot, store->add_slot(f.snp));
    }
    {
        auto store = f.open_with({&f.recovery});  // stated
        REQUIRE_OK(store);
        REQUIRE_OK(store->add_slot(f.snp));
    }
    f.machine.num_requests = 0;
    REQUIRE_ERRC(Errc::store_locked,
                 SealedStore::open(folder_at(f.path()), platform, MeasuredImage::not_stated));
    CHECK(f.machine.num_requests == 0);
}

TEST_CASE("store: every truncation and bit flip of its only slot is refused as store.corrupt",
          "[store]") {
    StoreFixture f;
    const std::vector<SlotKey*> only{&f.snp};
    { REQUIRE_OK(SealedStore::create(folder_at(f.path()), only, MeasuredImage::stated)); }
    const Bytes good = load_file(f.path() / "slot-0");
    const auto refused = [&](ByteView mutant, std::size_t where) {
        INFO("at " << where);
        f.dir.write("store/slot-0", mutant);
        REQUIRE_ERRC(Errc::store_corrupt, f.open_with({&f.snp}));
    };
    for_each_bit_flip(good, {0, good.size()}, 11, refused);
    for_each_truncation(good, 7, refused);
    f.dir.write("store/slot-0", good);
    REQUIRE_OK(f.open_with({&f.snp}));
}

TEST_CASE("store: a slot is damaged and another opens: status says so", "[store]") {
    StoreFixture f;
    { REQUIRE(f.create().slots().has_value()); }
    Bytes bytes = load_file(f.path() / "slot-1");
    bytes[70] ^= 1;
    f.dir.write("store/slot-1", bytes);
    const auto status = f.open().status();
    REQUIRE_OK(status);
    CHECK(status->slots[1].state == SlotState::damaged);
    CHECK(status->warnings.size() == 2);  // the damage, and that one sound slot is left
}

TEST_CASE("store: slots of a later version are kept and shown", "[store]") {
    StoreFixture f;
    {
        SealedStore store = f.create();
        class Future final : public SlotKey {
         public:
            SlotKind kind() const noexcept override { return static_cast<SlotKind>(77); }
            Result<NewSlotKey> make() override {
                return NewSlotKey{Bytes{1, 2, 3}, Secret::zeroed(32).value()};
            }
            Result<Secret> recover(ByteView) override { return fail(Errc::store_slot, "cannot"); }
        } future;
        REQUIRE_OK(store.add_slot(future));
    }
    SealedStore store = f.open();
    const auto slots = store.slots().value();
    REQUIRE(slots.size() == 3);
    CHECK(slots[2].state == SlotState::unknown_kind);
    CHECK(store.status().value().warnings.empty());
}

TEST_CASE("store: it holds 32 slots and no more", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    for (std::uint32_t number = 2; number < 32; ++number)
        CHECK(store.add_slot(f.recovery).value() == number);
    REQUIRE_ERRC(Errc::store_slot, store.add_slot(f.recovery));
    REQUIRE_OK(store.drop_slot(9));
    CHECK(store.add_slot(f.recovery).value() == 9);
}

TEST_CASE("store: a store without a slot is not made", "[store]") {
    StoreFixture f;
    REQUIRE_ERRC(Errc::store_slot,
                 SealedStore::create(folder_at(f.path()), {}, MeasuredImage::stated));
}

}  // namespace attestd::test
