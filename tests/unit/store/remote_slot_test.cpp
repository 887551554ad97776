// The `remote` slot, and the random values that secrets are rotated to.
#include "agent/store/remote_slot.h"

#include <cmath>
#include <map>

#include "agent/store/random_value.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {
namespace {

const std::string kSecret(32, 's');

RemoteSlotKey remote_key(const std::string& secret = kSecret, std::string source = "broker",
                         std::string resource = "keys/store") {
    return RemoteSlotKey::from_secret(secret_of(secret), std::move(source), std::move(resource))
        .value();
}

std::string key_text(const Secret& key) { return text_of(key); }

}  // namespace

TEST_CASE("remote slot: the same secret obtains the key again, and each slot has its own",
          "[store][remote]") {
    RemoteSlotKey key = remote_key();
    const auto one = key.make(), two = key.make();
    REQUIRE_OK(one);
    REQUIRE_OK(two);
    CHECK(one->key.size() == 32);
    CHECK(key_text(one->key) != key_text(two->key));
    CHECK(key_text(remote_key().recover(one->params).value()) == key_text(one->key));
    CHECK(key_text(remote_key(std::string(32, 't')).recover(one->params).value()) !=
          key_text(one->key));
    CHECK(describe_slot_params(SlotKind::remote, one->params).value() ==
          "secret keys/store of source broker");
}

TEST_CASE("remote slot: a password is no key", "[store][remote]") {
    const auto refused = RemoteSlotKey::from_secret(secret_of(std::string(31, 's')), "b", "k");
    REQUIRE_ERRC(Errc::store_slot, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring("31 bytes"));
}

TEST_CASE("remote slot: one of another source or resource is told apart from damage",
          "[store][remote]") {
    const auto made = remote_key().make();
    REQUIRE_OK(made);
    const bool other_source = GENERATE(true, false);
    RemoteSlotKey other =
        other_source ? remote_key(kSecret, "vault") : remote_key(kSecret, "broker", "keys/b");
    const auto refused = other.recover(made->params);
    REQUIRE_ERRC(Errc::store_slot, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring("keys/store of source broker"));
}

TEST_CASE("remote slot: params that do not parse are store.corrupt", "[store][remote]") {
    const Bytes params = remote_key().make().value().params;
    for (std::size_t len = 0; len < params.size(); ++len) {
        INFO(len);
        REQUIRE_ERRC(Errc::store_corrupt, describe_remote_params(ByteView(params).first(len)));
    }
    Bytes longer = params;
    longer.push_back(0);
    REQUIRE_ERRC(Errc::store_corrupt, remote_key().recover(longer));
    Bytes hostile = params;
    hostile.back() = '/';
    REQUIRE_ERRC(Errc::store_corrupt, remote_key().recover(hostile));
}

TEST_CASE("remote slot: a machine without derived keys has a store by it alone",
          "[store][remote]") {
    StoreFixture f;
    RemoteSlotKey key = remote_key();
    const std::vector<SlotKey*> slots{&key};
    {
        // No platform slot: nothing need be said about the image.
        auto store = SealedStore::create(folder_at(f.path()), slots, MeasuredImage::not_stated);
        REQUIRE_OK(store);
        REQUIRE_OK(store->put(name_of("a"), secret_of("value")));
        CHECK(store->slots().value().at(0).detail == "secret keys/store of source broker");
    }
    {
        const auto store = f.open_with({&key});
        REQUIRE_OK(store);
    }
    RemoteSlotKey rotated = remote_key(std::string(32, 't'));
    REQUIRE_ERRC(Errc::store_locked, f.open_with({&rotated}));
    REQUIRE_ERRC(Errc::store_locked, f.open_with({&f.snp}));
    {
        // The secret at its source changes: a slot for the new one first, then the old one goes.
        auto store = f.open_with({&key});
        REQUIRE_OK(store);
        REQUIRE(store->add_slot(rotated).value() == 1);
        REQUIRE_OK(store->drop_slot(0));
    }
    auto store = f.open_with({&rotated});
    REQUIRE_OK(store);
    CHECK(text_of(store->get(name_of("a")).value().value) == "value");
}

TEST_CASE(
    "random value: as long as asked, of its alphabet and no more of one character than another",
    "[store][random]") {
    struct Row {
        const char* name;
        std::size_t num_characters;
    };
    const auto row = GENERATE(values<Row>(
        {{"bytes", 256}, {"hex", 16}, {"base64url", 64}, {"alphanumeric", 62}, {"digits", 10}}));
    INFO(row.name);
    const auto alphabet = alphabet_named(row.name);
    REQUIRE(alphabet);
    constexpr std::size_t kLen = 62'000;
    const std::string text = text_of(random_value(kLen, *alphabet).value());
    REQUIRE(text.size() == kLen);
    std::map<char, std::size_t> counts;
    for (const char c : text) ++counts[c];
    CHECK(counts.size() == row.num_characters);
    // Far outside of chance (ten standard deviations), near enough to see a modulo's bias.
    const double expected = static_cast<double>(kLen) / static_cast<double>(row.num_characters);
    for (const auto& [c, count] : counts) {
        INFO(static_cast<int>(c));
        CHECK(std::abs(static_cast<double>(count) - expected) < 10 * std::sqrt(expected));
    }
    CHECK(text_of(random_value(7, *alphabet).value()).size() == 7);
}

TEST_CASE("random value: no length and too much length are refused", "[store][random]") {
    REQUIRE_ERRC(Errc::bad_value, random_value(0, Alphabet::hex));
    REQUIRE_ERRC(Errc::secret_too_large, random_value(kMaxSecretLen + 1, Alphabet::bytes));
    CHECK_FALSE(alphabet_named("runes"));
    CHECK_FALSE(alphabet_named(""));
}

}  // namespace attestd::test
