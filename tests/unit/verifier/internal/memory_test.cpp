// Memory: bounded, forgetful of what is out of date, and of what was longest unused.
#include "verifier/internal/memory.h"

#include "tests/support/catch.h"

namespace attestd {
namespace {

struct Thing {
    int number;
    Window validity;
};

Time at(int second) { return Time(std::chrono::seconds(second)); }
Sha256 key(std::uint8_t n) { return sha256(ByteView(&n, 1)); }
std::shared_ptr<const Thing> thing(int number, Window validity = {}) {
    return std::make_shared<const Thing>(Thing{number, validity});
}

TEST_CASE("memory: finds what it was given, under that key alone", "[verifier][memory]") {
    Memory<Thing> memory(4);
    memory.remember(key(1), thing(1));
    REQUIRE(memory.find(key(1), at(0)));
    CHECK(memory.find(key(1), at(0))->number == 1);
    CHECK_FALSE(memory.find(key(2), at(0)));
    Sha256 near = key(1);
    near[31] ^= 1;  // the same hash bucket
    CHECK_FALSE(memory.find(near, at(0)));
}

TEST_CASE("memory: both ends of the window belong to it, nothing beyond does",
          "[verifier][memory]") {
    const int second = GENERATE(9, 10, 20, 21);
    Memory<Thing> memory(4);
    memory.remember(key(1), thing(1, {at(10), at(20)}));
    CHECK((memory.find(key(1), at(second)) != nullptr) == (second >= 10 && second <= 20));
}

TEST_CASE("memory: what was asked for outside its window is forgotten", "[verifier][memory]") {
    const int outside = GENERATE(0, 30);
    Memory<Thing> memory(4);
    memory.remember(key(1), thing(1, {at(10), at(20)}));
    CHECK_FALSE(memory.find(key(1), at(outside)));
    CHECK(memory.size() == 0);
    CHECK_FALSE(memory.find(key(1), at(15)));
    memory.remember(key(1), thing(2, {at(10), at(20)}));
    CHECK(memory.find(key(1), at(15))->number == 2);
}

TEST_CASE("memory: never holds more than its capacity, the longest unused goes",
          "[verifier][memory]") {
    Memory<Thing> memory(3);
    for (std::uint8_t n = 1; n <= 3; ++n) memory.remember(key(n), thing(n));
    REQUIRE(memory.find(key(1), at(0)));  // 2 is now the longest unused
    memory.remember(key(4), thing(4));
    CHECK(memory.size() == 3);
    CHECK_FALSE(memory.find(key(2), at(0)));
    for (const int n : {1, 3, 4}) CHECK(memory.find(key(static_cast<std::uint8_t>(n)), at(0)));
    for (int n = 0; n < 1000; ++n) memory.remember(key(static_cast<std::uint8_t>(n)), thing(n));
    CHECK(memory.size() == 3);
}

TEST_CASE("memory: a value outlives its place", "[verifier][memory]") {
    Memory<Thing> memory(1);
    memory.remember(key(1), thing(1));
    const auto held = memory.find(key(1), at(0));
    memory.remember(key(2), thing(2));
    REQUIRE(held);
    CHECK(held->number == 1);
    CHECK_FALSE(memory.find(key(1), at(0)));
}

}  // namespace
}  // namespace attestd
