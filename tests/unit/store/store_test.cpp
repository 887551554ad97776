// The sealed store as its users see it: secrets, versions, slots, and each thing that can go wrong.
#include "agent/store/store.h"

#include <algorithm>

#include "agent/store/internal/crypto.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {
namespace {

namespace fs = std::filesystem;

// A folder that does what another one does, until it is told to fail.
class FaultyFolder final : public Folder {
 public:
    struct Faults {
        std::optional<Errc> list, read, replace, remove;
    };

    FaultyFolder(std::unique_ptr<Folder> real, const Faults& faults)
        : real_(std::move(real)), faults_(faults) {}

    Result<std::vector<std::string>> list() override {
        if (faults_.list) return fail(*faults_.list, "list fails");
        return real_->list();
    }
    Result<Bytes> read(const std::string& name, std::size_t max_len) override {
        if (faults_.read) return fail(*faults_.read, "read fails");
        return real_->read(name, max_len);
    }
    Result<void> replace(const std::string& name, ByteView bytes) override {
        if (faults_.replace) return fail(*faults_.replace, "replace fails");
        return real_->replace(name, bytes);
    }
    Result<void> remove(const std::string& name) override {
        if (faults_.remove) return fail(*faults_.remove, "remove fails");
        return real_->remove(name);
    }
    std::string where() const override { return "faulty"; }

 private:
    std::unique_ptr<Folder> real_;
    const Faults& faults_;
};

}  // namespace

TEST_CASE("store: a secret is got back byte for byte after reopening", "[store]") {
    StoreFixture f;
    std::string value("with\0zeros and \xff", 17);
    {
        SealedStore store = f.create();
        const auto version = store.put(name_of("db/password"), secret_of(value));
        REQUIRE_OK(version);
        CHECK(*version == 1);
    }
    SealedStore store = f.open();
    const auto got = store.get(name_of("db/password"));
    REQUIRE_OK(got);
    CHECK(text_of(got->value) == value);
    CHECK(got->version == 1);
}

TEST_CASE("store: versions grow over put, rotate, remove and a new put", "[store]") {
    StoreFixture f;
    const SecretName name = name_of("a");
    SealedStore store = f.create();
    CHECK(store.put(name, secret_of("one")).value() == 1);
    CHECK(store.put(name, secret_of("two")).value() == 2);
    CHECK(store.rotate(name).value() == 3);
    REQUIRE_OK(store.remove(name));
    REQUIRE_ERRC(Errc::secret_unavailable, store.get(name));
    store = SealedStore(std::move(store));
    CHECK(store.put(name, secret_of("three")).value() == 5);
}

TEST_CASE("store: a removed name's version is remembered over a restart", "[store]") {
    StoreFixture f;
    {
        SealedStore store = f.create();
        REQUIRE_OK(store.put(name_of("a"), secret_of("one")));
        REQUIRE_OK(store.remove(name_of("a")));
    }
    SealedStore store = f.open();
    CHECK(store.put(name_of("a"), secret_of("two")).value() == 3);
}

TEST_CASE("store: rotate replaces the value by as many other bytes", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_OK(store.put(name_of("key"), Secret::zeroed(32).value()));
    REQUIRE_OK(store.rotate(name_of("key")));
    const auto got = store.get(name_of("key"));
    REQUIRE_OK(got);
    CHECK(got->value.size() == 32);
    CHECK_FALSE(got->value == Secret::zeroed(32).value());
}

TEST_CASE("store: rotate takes a length and an alphabet, and the old value is gone", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_OK(store.put(name_of("key"), secret_of("old value")));
    REQUIRE(store.rotate(name_of("key"), {.len = 40, .alphabet = Alphabet::hex}).value() == 2);
    const std::string fresh = text_of(store.get(name_of("key")).value().value);
    CHECK(fresh.size() == 40);
    CHECK(fresh.find_first_not_of("0123456789abcdef") == fresh.npos);
    REQUIRE(store.rotate(name_of("key"), {.len = {}, .alphabet = Alphabet::digits}).value() == 3);
    CHECK(text_of(store.get(name_of("key")).value().value).size() == 40);
    CHECK(f.files("record-").size() == 1);
    REQUIRE_ERRC(Errc::bad_value, store.rotate(name_of("key"), {.len = 0, .alphabet = {}}));
    REQUIRE_ERRC(Errc::secret_too_large,
                 store.rotate(name_of("key"), {.len = kMaxSecretLen + 1, .alphabet = {}}));
    CHECK(store.get(name_of("key")).value().version == 3);
}

TEST_CASE("store: replace takes a new value for a name that is there, and no other", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_ERRC(Errc::secret_unavailable, store.replace(name_of("key"), secret_of("x")));
    REQUIRE_OK(store.put(name_of("key"), secret_of("old")));
    CHECK(store.replace(name_of("key"), secret_of("new")).value() == 2);
    CHECK(text_of(store.get(name_of("key")).value().value) == "new");
    REQUIRE_OK(store.remove(name_of("key")));
    REQUIRE_ERRC(Errc::secret_unavailable, store.replace(name_of("key"), secret_of("x")));
}

TEST_CASE("store: what is not there is secret.unavailable for get, rotate and remove", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_ERRC(Errc::secret_unavailable, store.get(name_of("a")));
    REQUIRE_ERRC(Errc::secret_unavailable, store.rotate(name_of("a")));
    REQUIRE_ERRC(Errc::secret_unavailable, store.remove(name_of("a")));
    REQUIRE_OK(store.put(name_of("a"), secret_of("x")));
    REQUIRE_OK(store.remove(name_of("a")));
    REQUIRE_ERRC(Errc::secret_unavailable, store.remove(name_of("a")));
}

TEST_CASE("store: a secret has 1 byte to 1 MiB", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_ERRC(Errc::bad_value, store.put(name_of("a"), Secret()));
    REQUIRE_OK(store.put(name_of("a"), Secret::zeroed(kMaxSecretLen).value()));
    CHECK(store.get(name_of("a")).value().value.size() == kMaxSecretLen);
    REQUIRE_ERRC(Errc::secret_too_large,
                 store.put(name_of("a"), Secret::zeroed(kMaxSecretLen + 1).value()));
}

TEST_CASE("store: list gives names in order, without removed ones", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    for (const char* name : {"b", "a/z", "a", "gone"})
        REQUIRE_OK(store.put(name_of(name), secret_of("value")));
    REQUIRE_OK(store.remove(name_of("gone")));
    const auto listing = store.list();
    REQUIRE_OK(listing);
    REQUIRE(listing->names.size() == 3);
    CHECK(listing->names[0].name.text() == "a");
    CHECK(listing->names[1].name.text() == "a/z");
    CHECK(listing->names[2].name.text() == "b");
    CHECK(listing->names[2].value_len == 5);
    CHECK(listing->damaged.empty());
}

TEST_CASE("store: names are not in the folder, and no name leaves it", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    for (const char* name : {"lock", "slot-0", "...", ".x.new", "a/b/c"}) {
        INFO(name);
        REQUIRE_OK(store.put(name_of(name), secret_of(name)));
        CHECK(text_of(store.get(name_of(name)).value().value) == name);
    }
    CHECK(f.files("record-").size() == 5);
    CHECK(f.files("").size() == 5 + 2 + 1);  // records, slots, lock
    CHECK(store.slots().value().size() == 2);
}

TEST_CASE("store: a damaged record is store.corrupt, is named, and hides no other", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_OK(store.put(name_of("a"), secret_of("value")));
    const std::string file = f.files("record-").at(0);
    REQUIRE_OK(store.put(name_of("b"), secret_of("other")));
    Bytes bytes = load_file(f.path() / file);

    struct Row {
        const char* name;
        void (*damage)(Bytes&);
    };
    const auto row = GENERATE(values<Row>({
        {"flipped", [](Bytes& b) { b[100] ^= 1; }},
        {"cut", [](Bytes& b) { b.resize(b.size() / 2); }},
        {"empty", [](Bytes& b) { b.clear(); }},
        {"another file altogether", [](Bytes& b) { b = to_bytes(as_bytes("hello")); }},
        {"endless", [](Bytes& b) { b.resize(std::size_t{3} << 20); }},
    }));
    INFO(row.name);
    row.damage(bytes);
    f.dir.write("store/" + file, bytes);

    const auto got = store.get(name_of("a"));
    REQUIRE_ERRC(Errc::store_corrupt, got);
    CHECK_THAT(got.error().detail, ContainsSubstring(file));
    REQUIRE_ERRC(Errc::store_corrupt, store.put(name_of("a"), secret_of("new")));
    CHECK(text_of(store.get(name_of("b")).value().value) == "other");
    const auto listing = store.list().value();
    CHECK(listing.names.size() == 1);
    CHECK(listing.damaged.size() == 1);
}

TEST_CASE("store: a record under another record's file name is refused", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_OK(store.put(name_of("cheap"), secret_of("cheap")));
    const std::string cheap = f.files("record-").at(0);
    REQUIRE_OK(store.put(name_of("dear"), secret_of("dear")));
    const auto both = f.files("record-");
    const std::string dear = both[0] == cheap ? both[1] : both[0];
    fs::copy_file(f.path() / cheap, f.path() / dear, fs::copy_options::overwrite_existing);
    REQUIRE_ERRC(Errc::store_corrupt, store.get(name_of("dear")));
    CHECK(store.list().value().damaged.size() == 1);
}

TEST_CASE("store: a record put back or taken away while the store is open is refused", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_OK(store.put(name_of("a"), secret_of("old")));
    const std::string file = f.files("record-").at(0);
    const Bytes old = load_file(f.path() / file);
    REQUIRE_OK(store.put(name_of("a"), secret_of("new")));

    const bool put_back = GENERATE(true, false);
    INFO((put_back ? "put back" : "taken away"));
    if (put_back) {
        f.dir.write("store/" + file, old);
    } else {
        fs::remove(f.path() / file);
    }
    REQUIRE_ERRC(Errc::store_rollback, store.get(name_of("a")));
    REQUIRE_ERRC(Errc::store_rollback, store.put(name_of("a"), secret_of("x")));
    REQUIRE_ERRC(Errc::store_rollback, store.remove(name_of("a")));
}

TEST_CASE("store: two machines going on from one snapshot never share a salt", "[store]") {
    StoreFixture f;
    {
        SealedStore store = f.create();
        REQUIRE_OK(store.put(name_of("a"), secret_of("before")));
    }
    const fs::path copy = f.dir / "copy";
    fs::copy(f.path(), copy, fs::copy_options::recursive);
    fs::permissions(copy, fs::perms::owner_all);
    const auto write = [&](const fs::path& at, const char* value) {
        std::vector<SlotKey*> keys{&f.snp};
        auto store = SealedStore::open(folder_at(at), keys, MeasuredImage::stated);
        REQUIRE_OK(store);
        REQUIRE(store->put(name_of("a"), secret_of(value)).value() == 2);
        return load_file(at / f.files("record-").at(0));
    };
    const Bytes one = write(f.path(), "same");
    const Bytes two = write(copy, "same");
    CHECK_FALSE(equal(ByteView(one).subspan(8, 32), ByteView(two).subspan(8, 32)));
    CHECK_FALSE(equal(ByteView(one).subspan(40), ByteView(two).subspan(40)));
}

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

TEST_CASE("store: status tells slots, records, foreign files and what is not detected", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_OK(store.put(name_of("a"), secret_of("x")));
    REQUIRE_OK(store.put(name_of("b"), secret_of("x")));
    REQUIRE_OK(store.remove(name_of("b")));
    const auto clean = store.status().value();
    CHECK(clean.slots.size() == 2);
    CHECK(clean.num_records == 2);
    CHECK(clean.num_foreign == 0);
    CHECK(clean.rollback == "undetected");
    CHECK(clean.warnings.empty());
    CHECK(clean.id.size() == 32);

    f.dir.write("store/notes.txt", std::string_view("mine"));
    REQUIRE_OK(store.drop_slot(0));
    const auto status = store.status().value();
    CHECK(status.num_foreign == 1);
    CHECK(status.warnings.size() == 3);  // one slot, which is a recovery slot, and a foreign file
    CHECK(status.id == clean.id);
    CHECK(fs::exists(f.path() / "notes.txt"));
}

TEST_CASE("store: a store is never made over another one", "[store]") {
    StoreFixture f;
    { REQUIRE_OK(f.create().put(name_of("a"), secret_of("x"))); }
    const std::vector<SlotKey*> slots{&f.snp};
    const bool with_slots = GENERATE(true, false);
    if (!with_slots) {
        fs::remove(f.path() / "slot-0");
        fs::remove(f.path() / "slot-1");
        REQUIRE_ERRC(Errc::not_found, f.open_with({&f.snp}));
    }
    REQUIRE_ERRC(Errc::store_slot,
                 SealedStore::create(folder_at(f.path()), slots, MeasuredImage::stated));
}

TEST_CASE("store: a store without a slot is not made", "[store]") {
    StoreFixture f;
    REQUIRE_ERRC(Errc::store_slot,
                 SealedStore::create(folder_at(f.path()), {}, MeasuredImage::stated));
}

TEST_CASE("store: each fault of the disk keeps its own code and loses nothing", "[store]") {
    StoreFixture f;
    FaultyFolder::Faults faults;
    const std::vector<SlotKey*> slots{&f.snp, &f.recovery};
    auto store = SealedStore::create(std::make_unique<FaultyFolder>(folder_at(f.path()), faults),
                                     slots, MeasuredImage::stated);
    REQUIRE_OK(store);
    REQUIRE_OK(store->put(name_of("a"), secret_of("old")));

    const Errc code = GENERATE(Errc::no_space, Errc::io_failed, Errc::access_denied);
    SECTION("writing") {
        faults.replace = code;
        REQUIRE_ERRC(code, store->put(name_of("a"), secret_of("new")));
        REQUIRE_ERRC(code, store->rotate(name_of("a")));
        REQUIRE_ERRC(code, store->remove(name_of("a")));
        REQUIRE_ERRC(code, store->add_slot(f.recovery));
        CHECK(text_of(store->get(name_of("a")).value().value) == "old");
    }
    SECTION("reading") {
        faults.read = code;
        REQUIRE_ERRC(code, store->get(name_of("a")));
        REQUIRE_ERRC(code, store->put(name_of("a"), secret_of("new")));
        REQUIRE_ERRC(code, store->list());
        REQUIRE_ERRC(code, store->drop_slot(0));
    }
    SECTION("listing") {
        faults.list = code;
        REQUIRE_ERRC(code, store->list());
        REQUIRE_ERRC(code, store->status());
        REQUIRE_ERRC(code, store->add_slot(f.recovery));
    }
    SECTION("removing") {
        faults.remove = code;
        REQUIRE_ERRC(code, store->drop_slot(0));
    }
    faults = {};
    const auto got = store->get(name_of("a"));
    REQUIRE_OK(got);
    CHECK(text_of(got->value) == "old");
    CHECK(got->version == 1);
    CHECK(store->slots().value().size() == 2);
}

}  // namespace attestd::test
