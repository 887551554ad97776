#include "quote/amd/product.h"

namespace attestd {

std::string_view product_name(Product product) noexcept {
    switch (product) {
        case Product::milan:
            return "Milan";
        case Product::genoa:
            return "Genoa";
        case Product::turin:
            break;
    }
    return "Turin";
}

std::optional<Product> product_from_name(std::string_view name) noexcept {
    for (const Product p : {Product::milan, Product::genoa, Product::turin}) {
        if (name == product_name(p)) return p;
    }
    return std::nullopt;
}

std::optional<Product> product_from_cpuid(std::uint8_t family, std::uint8_t model) noexcept {
    if (family == 0x19 && model <= 0x0f) return Product::milan;
    if (family == 0x19 && model >= 0x10 && model <= 0x1f) return Product::genoa;
    if (family == 0x19 && model >= 0xa0 && model <= 0xaf) return Product::genoa;  // Bergamo, Siena
    if (family == 0x1a && model <= 0x11) return Product::turin;
    return std::nullopt;
}

bool at_least(const TcbVersion& a, const TcbVersion& b) noexcept {
    return a.fmc.value_or(0) >= b.fmc.value_or(0) && a.bootloader >= b.bootloader &&
           a.tee >= b.tee && a.snp >= b.snp && a.microcode >= b.microcode;
}

TcbVersion decode_tcb(Product product, const ByteArray<8>& bytes) noexcept {
    if (product == Product::turin) return {bytes[0], bytes[1], bytes[2], bytes[3], bytes[7]};
    return {std::nullopt, bytes[0], bytes[1], bytes[6], bytes[7]};
}

bool tcb_reserved_zero(Product product, const ByteArray<8>& bytes) noexcept {
    const ByteView view(bytes);
    return all_zero(product == Product::turin ? view.subspan(4, 3) : view.subspan(2, 4));
}

}  // namespace attestd
