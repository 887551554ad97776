// The sealed store as its users see it: secrets, versions, slots, and each thing that can go wrong.
#include "agent/store/store.h"

#include <algorithm>

#include "agent/store/internal/crypto.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {

namespace fs = std::filesystem;

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

}  // namespace attestd::test
