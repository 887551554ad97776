// Several secrets stored together: all of them or none, whatever fails on the way.
#include <fcntl.h>

#include "agent/store/internal/batch.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {
namespace {

std::vector<NewSecret> new_secrets(std::initializer_list<std::pair<const char*, const char*>> all) {
    std::vector<NewSecret> out;
    for (const auto& [name, value] : all) out.push_back({name_of(name), secret_of(value)});
    return out;
}

std::string value_in(SealedStore& store, const char* name) {
    const auto got = store.get(name_of(name));
    return got ? text_of(got->value) : std::string(errc_name(got.error().code));
}

// A disk that takes so many more changes and then is full.
class FillingFolder final : public Folder {
 public:
    FillingFolder(std::unique_ptr<Folder> real, std::size_t& changes_left)
        : real_(std::move(real)), changes_left_(changes_left) {}

    Result<std::vector<std::string>> list() override { return real_->list(); }
    Result<Bytes> read(const std::string& name, std::size_t max_len) override {
        return real_->read(name, max_len);
    }
    Result<void> replace(const std::string& name, ByteView bytes) override {
        ATTESTD_CHECK(take_room());
        return real_->replace(name, bytes);
    }
    Result<void> remove(const std::string& name) override {
        ATTESTD_CHECK(take_room());
        return real_->remove(name);
    }
    std::string where() const override { return "filling"; }

 private:
    Result<void> take_room() {
        if (changes_left_ == 0) return fail(Errc::no_space, "full");
        --changes_left_;
        return {};
    }

    std::unique_ptr<Folder> real_;
    std::size_t& changes_left_;
};

// A disk on which a batch gets its name, but the folder cannot be made to last.
class UnsyncedFolder final : public Folder {
 public:
    explicit UnsyncedFolder(std::unique_ptr<Folder> real) : real_(std::move(real)) {}

    Result<std::vector<std::string>> list() override { return real_->list(); }
    Result<Bytes> read(const std::string& name, std::size_t max_len) override {
        return real_->read(name, max_len);
    }
    Result<void> replace(const std::string& name, ByteView bytes) override {
        ATTESTD_CHECK(real_->replace(name, bytes));
        if (name == "batch") return fail(Errc::io_failed, "the folder's fsync failed");
        return {};
    }
    Result<void> remove(const std::string& name) override { return real_->remove(name); }
    std::string where() const override { return "unsynced"; }

 private:
    std::unique_ptr<Folder> real_;
};

}  // namespace

TEST_CASE("store: secrets put together are all there, and each has its own version", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_OK(store.put(name_of("a"), secret_of("old")));
    REQUIRE_OK(store.remove(name_of("a")));
    auto secrets = new_secrets({{"a", "new a"}, {"b", "new b"}});
    secrets[1].min_version = 40;
    const auto versions = store.put_all(secrets, ExistingSecrets::refuse);
    REQUIRE_OK(versions);
    CHECK(*versions == std::vector<std::uint64_t>{3, 40});
    CHECK(value_in(store, "a") == "new a");
    CHECK(value_in(store, "b") == "new b");
    CHECK(store.get(name_of("b"))->version == 40);
    CHECK(f.files("batch").empty());
    const auto again = store.put_all(secrets, ExistingSecrets::replace);
    REQUIRE_OK(again);
    CHECK(*again == std::vector<std::uint64_t>{4, 41});
}

TEST_CASE("store: one refusal stores none of them", "[store]") {
    StoreFixture f;
    SealedStore store = f.create();
    REQUIRE_OK(store.put(name_of("b"), secret_of("old b")));
    struct Row {
        const char* name;
        std::vector<NewSecret> secrets;
        Errc want;
    };
    std::vector<Row> rows;
    rows.push_back(
        {"there already", new_secrets({{"a", "x"}, {"b", "y"}}), Errc::provision_exists});
    rows.push_back({"twice", new_secrets({{"a", "x"}, {"a", "y"}}), Errc::bad_value});
    rows.push_back({"empty", new_secrets({{"a", "x"}, {"c", ""}}), Errc::bad_value});
    rows.push_back({"too large", new_secrets({{"a", "x"}}), Errc::secret_too_large});
    rows.back().secrets.push_back({name_of("c"), Secret::random(kMaxSecretLen + 1).value()});
    rows.push_back({"no version left", new_secrets({{"a", "x"}, {"c", "y"}}), Errc::store_corrupt});
    rows.back().secrets[1].min_version = UINT64_MAX;
    rows.push_back({"too many", {}, Errc::too_large});
    for (std::size_t i = 0; i <= store::kMaxBatchRecords; ++i) {
        rows.back().secrets.push_back({name_of(fmt::format("n{}", i)), secret_of("x")});
    }
    for (const Row& row : rows) {
        INFO(row.name);
        REQUIRE_ERRC(row.want, store.put_all(row.secrets, ExistingSecrets::refuse));
        CHECK(value_in(store, "a") == "secret.unavailable");
        CHECK(value_in(store, "b") == "old b");
        CHECK(store.list()->names.size() == 1);
    }
}

TEST_CASE("store: a disk that fills up at any change leaves none, or keeps all", "[store]") {
    StoreFixture f;
    constexpr std::size_t kChanges = 5;  // the batch, three records, the batch's removal
    for (std::size_t room = 0; room <= kChanges; ++room) {
        INFO("room for " << room);
        std::filesystem::remove_all(f.path());
        { REQUIRE(f.create().slots().has_value()); }
        std::size_t changes_left = room;
        const std::vector<SlotKey*> keys{&f.snp};
        auto store =
            SealedStore::open(std::make_unique<FillingFolder>(folder_at(f.path()), changes_left),
                              keys, MeasuredImage::stated);
        REQUIRE_OK(store);
        const auto secrets = new_secrets({{"a", "1"}, {"b", "2"}, {"c", "3"}});
        const auto stored = store->put_all(secrets, ExistingSecrets::refuse);
        CHECK(changes_left == 0);
        if (room == 0) {
            REQUIRE_ERRC(Errc::no_space, stored);
        } else {
            REQUIRE_OK(stored);
        }
        if (room > 0 && room < kChanges) {  // nobody sees a part of them
            CHECK(value_in(*store, "a") == "io.no-space");
            CHECK(value_in(*store, "c") == "io.no-space");
            REQUIRE_ERRC(Errc::no_space, store->list());
        }
        changes_left = 100;
        for (const auto& [name, value] :
             {std::pair("a", "1"), std::pair("b", "2"), std::pair("c", "3")}) {
            CHECK(value_in(*store, name) == (room > 0 ? value : "secret.unavailable"));
        }
    }
}

TEST_CASE("store: a batch whose writing failed after its renaming is not stored", "[store]") {
    StoreFixture f;
    { REQUIRE(f.create().slots().has_value()); }
    const std::vector<SlotKey*> keys{&f.snp};
    auto store = SealedStore::open(std::make_unique<UnsyncedFolder>(folder_at(f.path())), keys,
                                   MeasuredImage::stated);
    REQUIRE_OK(store);
    REQUIRE_ERRC(Errc::io_failed,
                 store->put_all(new_secrets({{"a", "1"}, {"b", "2"}}), ExistingSecrets::refuse));
    CHECK_FALSE(std::filesystem::exists(f.path() / "batch"));
    CHECK(value_in(*store, "a") == "secret.unavailable");
    { const SealedStore gone = *std::move(store); }
    SealedStore reopened = f.open();
    CHECK(value_in(reopened, "b") == "secret.unavailable");
}

TEST_CASE("store: a batch that was changed, or is another store's, is refused", "[store]") {
    StoreFixture f;
    const std::filesystem::path batch = f.path() / "batch";
    std::size_t changes_left = 100;
    {
        REQUIRE(f.create().slots().has_value());
        changes_left = 1;
        const std::vector<SlotKey*> keys{&f.snp};
        auto store =
            SealedStore::open(std::make_unique<FillingFolder>(folder_at(f.path()), changes_left),
                              keys, MeasuredImage::stated);
        REQUIRE_OK(store->put_all(new_secrets({{"a", "1"}}), ExistingSecrets::refuse));
    }
    const Bytes good = load_file(batch);
    SealedStore store = f.open();
    const auto write = [&](ByteView bytes) {
        const Fd dir = open_file(f.path(), O_RDONLY | O_DIRECTORY).value();
        REQUIRE_OK(replace_file(dir, "batch", bytes, 0600));
    };
    for_each_bit_flip(good, {0, good.size()}, 97, [&](ByteView mutant, std::size_t bit) {
        INFO("bit " << bit);
        write(mutant);
        REQUIRE_ERRC(Errc::store_corrupt, store.get(name_of("a")));
    });
    for_each_truncation(good, 61, [&](ByteView mutant, std::size_t len) {
        INFO("cut to " << len);
        write(mutant);
        REQUIRE_ERRC(Errc::store_corrupt, store.list());
    });
    write(good);
    CHECK(value_in(store, "a") == "1");
    CHECK_FALSE(std::filesystem::exists(batch));

    // The same batch put back by the disk's owner changes nothing that is newer.
    REQUIRE_OK(store.put(name_of("a"), secret_of("2")));
    write(good);
    CHECK(store.status()->num_foreign == 0);
    { const SealedStore gone = std::move(store); }
    SealedStore reopened = f.open();
    CHECK(value_in(reopened, "a") == "2");
    CHECK_FALSE(std::filesystem::exists(batch));
}

}  // namespace attestd::test
