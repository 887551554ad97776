// Products and TCB layouts (`spec/snp.md` sections 4 and 7).
#include "quote/amd/product.h"

#include "tests/support/catch.h"

namespace attestd {
namespace {

TEST_CASE("product: family and model at both ends of each range", "[quote][amd]") {
    struct Row {
        std::uint8_t family, model;
        std::optional<Product> want;
    };
    const Row row = GENERATE(values<Row>({
        {0x19, 0x00, Product::milan},
        {0x19, 0x0f, Product::milan},
        {0x19, 0x10, Product::genoa},
        {0x19, 0x1f, Product::genoa},
        {0x19, 0x20, std::nullopt},
        {0x19, 0x9f, std::nullopt},
        {0x19, 0xa0, Product::genoa},
        {0x19, 0xaf, Product::genoa},
        {0x19, 0xb0, std::nullopt},
        {0x19, 0xff, std::nullopt},
        {0x1a, 0x00, Product::turin},
        {0x1a, 0x11, Product::turin},
        {0x1a, 0x12, std::nullopt},
        {0x1a, 0x50, std::nullopt},
        {0x1a, 0x90, std::nullopt},
        {0x1a, 0xc0, std::nullopt},
        {0x17, 0x01, std::nullopt},
        {0x00, 0x00, std::nullopt},
    }));
    CHECK(product_from_cpuid(row.family, row.model) == row.want);
}

TEST_CASE("product: names are read only as AMD writes them", "[quote][amd]") {
    for (const Product product : {Product::milan, Product::genoa, Product::turin}) {
        CHECK(product_from_name(product_name(product)) == product);
    }
    for (const char* text : {"", "milan", "MILAN", "Milan-B0", "Venice", "Genoa "})
        CHECK_FALSE(product_from_name(text));
}

TEST_CASE("product: TCB bytes are taken apart in the product's layout", "[quote][amd]") {
    const ByteArray<8> turin{1, 2, 3, 4, 0, 0, 0, 0x51}, milan{4, 5, 0, 0, 0, 0, 0x1d, 0xde};
    CHECK(decode_tcb(Product::turin, turin) == TcbVersion{1, 2, 3, 4, 0x51});
    CHECK(decode_tcb(Product::milan, milan) == TcbVersion{std::nullopt, 4, 5, 0x1d, 0xde});
    CHECK(decode_tcb(Product::genoa, milan) == decode_tcb(Product::milan, milan));
    CHECK(tcb_reserved_zero(Product::turin, turin));
    CHECK_FALSE(tcb_reserved_zero(Product::milan, turin));
    CHECK(tcb_reserved_zero(Product::milan, milan));
    CHECK_FALSE(tcb_reserved_zero(Product::turin, milan));
}

TEST_CASE("product: TCBs are compared by component, never as numbers", "[quote][amd]") {
    const TcbVersion base{std::nullopt, 4, 1, 20, 100};
    CHECK(at_least(base, base));
    CHECK_FALSE(
        at_least({std::nullopt, 4, 1, 19, 255}, base));  // high microcode does not hide a low SNP
    CHECK_FALSE(at_least({std::nullopt, 3, 1, 20, 100}, base));
    CHECK_FALSE(at_least({std::nullopt, 4, 0, 20, 100}, base));
    CHECK_FALSE(at_least({std::nullopt, 4, 1, 20, 99}, base));
    CHECK_FALSE(at_least({1, 4, 1, 20, 100}, {2, 4, 1, 20, 100}));
    CHECK(at_least({std::nullopt, 5, 2, 21, 101}, base));
}

}  // namespace
}  // namespace attestd
