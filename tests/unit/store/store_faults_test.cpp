// A disk that fails under an open store.
#include <algorithm>

#include "agent/store/internal/crypto.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {
namespace {

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
