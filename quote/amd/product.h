// AMD product lines and their TCB layouts (`spec/snp.md` sections 4 and 7).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "quote/base/bytes.h"

namespace attestd {

enum class Product : std::uint8_t { milan, genoa, turin };

/// "Milan", "Genoa", "Turin": as in certificate names and the key distribution service's paths.
[[nodiscard]] std::string_view product_name(Product product) noexcept;
[[nodiscard]] std::optional<Product> product_from_name(std::string_view name) noexcept;

/// The product of a combined family and model; empty for one that is not supported.
[[nodiscard]] std::optional<Product> product_from_cpuid(std::uint8_t family,
                                                        std::uint8_t model) noexcept;

/// Bytes of the hardware id in a VCEK: 64, or 8 on Turin.
[[nodiscard]] constexpr std::size_t hwid_len(Product product) noexcept {
    return product == Product::turin ? 8 : 64;
}

/// TCB_VERSION taken apart. Compared by component, never as a number.
struct TcbVersion {
    std::optional<std::uint8_t> fmc;  ///< Turin only
    std::uint8_t bootloader = 0, tee = 0, snp = 0, microcode = 0;

    friend bool operator==(const TcbVersion&, const TcbVersion&) = default;
};

/// Every component of `a` is at least that of `b`.
[[nodiscard]] bool at_least(const TcbVersion& a, const TcbVersion& b) noexcept;

/// Decodes 8 bytes in the product's layout; reserved bytes are the next function's.
[[nodiscard]] TcbVersion decode_tcb(Product product, const ByteArray<8>& bytes) noexcept;

/// Whether the bytes that the product's layout reserves are zero.
[[nodiscard]] bool tcb_reserved_zero(Product product, const ByteArray<8>& bytes) noexcept;

}  // namespace attestd
