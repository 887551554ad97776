#include "quote/amd/leaf_extension.h"

#include <fmt/format.h>

#include <array>

namespace attestd {
namespace {

// 1.3.6.1.4.1.3704.1
constexpr std::array<std::uint8_t, 8> kArc{0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01};

constexpr std::uint8_t kStructVersion = 1, kProductName = 2, kSpl = 3, kHwId = 4, kCspId = 5;
constexpr std::uint8_t kBootloader = 1, kTee = 2, kSnp = 3, kSpl4 = 4, kSpl7 = 7, kMicrocode = 8,
                       kFmc = 9;

tl::unexpected<Error> bad(std::string_view why) {
    return fail(Errc::chain_extension, fmt::format("AMD extensions of the leaf: {}", why));
}

struct Parts {
    std::optional<std::uint8_t> struct_version;
    std::optional<std::string_view> product, csp_id;
    std::optional<ByteView> hw_id;
    std::array<std::optional<std::uint8_t>, kFmc + 1> spl;
};

Result<std::uint8_t> byte_integer(ByteView value, std::string_view what) {
    DerReader in(value);
    ATTESTD_TRY(const std::uint32_t number, in.small_integer(255, what));
    ATTESTD_CHECK(in.finish(what));
    return static_cast<std::uint8_t>(number);
}

Result<std::string_view> ia5_text(ByteView value, std::string_view what) {
    DerReader in(value);
    ATTESTD_TRY(const DerElement text, in.element(der::kIa5String, what));
    ATTESTD_CHECK(in.finish(what));
    for (const std::uint8_t c : text.content) {
        if (c < 0x20 || c > 0x7e)
            return bad(fmt::format("{} holds something else than printable ASCII", what));
    }
    if (text.content.empty()) return bad(fmt::format("{} is empty", what));
    return as_text(text.content);
}

// Bare bytes, or the same in an OCTET STRING. The whole length decides first: a bare id may begin
// with bytes that look like a tag.
Result<ByteView> hw_id_bytes(ByteView value) {
    if (value.size() == 64 || value.size() == 8) return value;
    const bool wrapped =
        (value.size() == 66 && value[1] == 64) || (value.size() == 10 && value[1] == 8);
    if (wrapped && value[0] == der::kOctetString) return value.subspan(2);
    return bad(fmt::format("hwID has {} bytes", value.size()));
}

Result<void> take(ByteView suffix, ByteView value, Parts& parts) {
    if (suffix.size() == 2 && suffix[0] == kSpl && suffix[1] >= kBootloader && suffix[1] <= kFmc) {
        ATTESTD_TRY(parts.spl.at(suffix[1]),
                    byte_integer(value, fmt::format("SPL .3.{}", suffix[1])));
        return {};
    }
    switch (suffix.size() == 1 ? suffix[0] : 0) {
        case kStructVersion: {
            ATTESTD_TRY(parts.struct_version, byte_integer(value, "structVersion"));
            return {};
        }
        case kProductName: {
            ATTESTD_TRY(parts.product, ia5_text(value, "productName"));
            return {};
        }
        case kHwId: {
            ATTESTD_TRY(parts.hw_id, hw_id_bytes(value));
            return {};
        }
        case kCspId: {
            ATTESTD_TRY(parts.csp_id, ia5_text(value, "cspID"));
            return {};
        }
        default:
            return bad("an extension under AMD's arc that is not known here");
    }
}

Result<TcbVersion> tcb_of(const Parts& parts, Product product) {
    for (const std::uint8_t n : {kBootloader, kTee, kSnp, kMicrocode}) {
        if (!parts.spl.at(n)) return bad(fmt::format("SPL .3.{} is missing", n));
    }
    // Reserved components: spl4 is absent on Turin.
    for (std::uint8_t n = kSpl4; n <= kSpl7; ++n) {
        const bool may_be_absent = n == kSpl4 && product == Product::turin;
        if (!parts.spl.at(n) && !may_be_absent) return bad(fmt::format("SPL .3.{} is missing", n));
        if (parts.spl.at(n).value_or(0) != 0)
            return bad(fmt::format("reserved SPL .3.{} is not zero", n));
    }
    if (product == Product::turin && !parts.spl[kFmc]) return bad("fmcSPL is missing");
    if (product != Product::turin && parts.spl[kFmc]) return bad("fmcSPL on a product without one");
    return TcbVersion{parts.spl[kFmc], *parts.spl[kBootloader], *parts.spl[kTee], *parts.spl[kSnp],
                      *parts.spl[kMicrocode]};
}

Result<AmdLeafExtension> assemble(const Parts& parts) {
    if (!parts.struct_version || !parts.product)
        return bad("structVersion or productName is missing");
    if (parts.hw_id.has_value() == parts.csp_id.has_value())
        return bad("exactly one of hwID and cspID must be there");
    AmdLeafExtension out{};
    out.struct_version = *parts.struct_version;
    out.product_text = *parts.product;
    const auto product = product_from_name(out.product_text.substr(0, out.product_text.find('-')));
    if (!product)
        return fail(Errc::product_unknown,
                    fmt::format("productName \"{}\" of the leaf", out.product_text));
    out.product = *product;
    out.hw_id = parts.hw_id.value_or(ByteView{});
    out.csp_id = parts.csp_id.value_or(std::string_view{});
    if (parts.hw_id && out.hw_id.size() != hwid_len(out.product))
        return bad("hwID's length does not fit the product");
    ATTESTD_TRY(out.tcb, tcb_of(parts, out.product));
    return out;
}

}  // namespace

Result<std::optional<AmdLeafExtension>> parse_amd_leaf_extension(const Certificate& certificate) {
    Parts parts;
    bool found = false;
    for (const CertificateExtension& extension : certificate.extensions()) {
        if (extension.oid.size() <= kArc.size() || !equal(extension.oid.first(kArc.size()), kArc))
            continue;
        found = true;
        if (auto taken = take(extension.oid.subspan(kArc.size()), extension.value, parts); !taken) {
            return fail(Errc::chain_extension, taken.error().detail);
        }
    }
    if (!found) return std::nullopt;
    return assemble(parts);
}

}  // namespace attestd
