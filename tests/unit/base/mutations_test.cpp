// The mutation helpers themselves: a helper that makes no mutant would make every test that uses it
// pass.
#include "tests/support/mutations.h"

#include <set>

#include "tests/support/catch.h"

using namespace attestd;
using namespace attestd::test;

TEST_CASE("mutations: each bit of the range is flipped once and the rest is untouched",
          "[support]") {
    const Bytes original{0x00, 0xff, 0x5a, 0x01};
    std::set<Bytes> mutants;
    for_each_bit_flip(original, {1, 2}, 1, [&](ByteView mutant, std::size_t bit) {
        CHECK((bit >= 8 && bit < 24));
        CHECK((mutant[bit / 8] ^ original[bit / 8]) == 1 << (bit % 8));
        CHECK((mutant[0] == 0x00 && mutant[3] == 0x01));
        mutants.insert(to_bytes(mutant));
    });
    CHECK(mutants.size() == 16);
    CHECK(mutants.count(original) == 0);
}

TEST_CASE("mutations: a step flips each n-th bit", "[support]") {
    int flips = 0;
    for_each_bit_flip(Bytes(8, 0), {0, 8}, 7, [&](ByteView, std::size_t bit) {
        CHECK(bit % 7 == 0);
        ++flips;
    });
    CHECK(flips == 10);
}

TEST_CASE("mutations: truncations give every shorter length down to nothing", "[support]") {
    std::set<std::size_t> lengths;
    const Bytes original{1, 2, 3, 4, 5};
    for_each_truncation(original, [&](ByteView mutant, std::size_t len) {
        CHECK(mutant.size() == len);
        CHECK(equal(mutant, ByteView(original).first(len)));
        lengths.insert(len);
    });
    CHECK(lengths == std::set<std::size_t>{0, 1, 2, 3, 4});
}

TEST_CASE("mutations: an extra byte is put at either end", "[support]") {
    std::set<Bytes> mutants;
    for_each_extra_byte(Bytes{1, 2},
                        [&](ByteView mutant, std::size_t) { mutants.insert(to_bytes(mutant)); });
    CHECK(mutants == std::set<Bytes>{{1, 2, 0}, {1, 2, 0xff}, {0, 1, 2}, {0xff, 1, 2}});
}

TEST_CASE("mutations: a length field takes 0, 1, its neighbours and its maximum in its byte order",
          "[support]") {
    const Bytes original{0xaa, 0x10, 0x00, 0xbb};
    std::set<Bytes> little, big;
    for_each_length_value(original, {1, 2}, ByteOrder::little,
                          [&](ByteView m, std::size_t) { little.insert(to_bytes(m)); });
    for_each_length_value(original, {1, 2}, ByteOrder::big,
                          [&](ByteView m, std::size_t) { big.insert(to_bytes(m)); });
    CHECK(little == std::set<Bytes>{{0xaa, 0, 0, 0xbb},
                                    {0xaa, 1, 0, 0xbb},
                                    {0xaa, 0x0f, 0, 0xbb},
                                    {0xaa, 0x11, 0, 0xbb},
                                    {0xaa, 0xff, 0xff, 0xbb}});
    CHECK(big == std::set<Bytes>{{0xaa, 0, 0, 0xbb},
                                 {0xaa, 0, 1, 0xbb},
                                 {0xaa, 0x0f, 0xff, 0xbb},
                                 {0xaa, 0x10, 0x01, 0xbb},
                                 {0xaa, 0xff, 0xff, 0xbb}});
}
