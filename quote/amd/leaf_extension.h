// Extensions of VCEK and VLEK certificates under 1.3.6.1.4.1.3704.1 (`spec/snp.md` section 6).
#pragma once

#include <optional>
#include <string_view>

#include "quote/amd/product.h"
#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/x509/certificate.h"

namespace attestd {

/// Whose key a leaf holds, and for which product, chip and TCB AMD issued it.
struct AmdLeafExtension {
    std::uint8_t struct_version;
    std::string_view product_text;  ///< productName as it stands there: "Milan-B0"
    Product product;                ///< of the part before a dash
    TcbVersion tcb;
    ByteView hw_id;           ///< VCEK: 64 bytes, or 8 on Turin; empty in a VLEK
    std::string_view csp_id;  ///< VLEK: "CN=cc-us-east-2.amazonaws.com"; empty in a VCEK

    [[nodiscard]] bool is_vcek() const noexcept { return !hw_id.empty(); }
};

/// The extensions of `certificate`, which must outlive the views; empty when it has none under
/// AMD's arc. A missing, doubled, unknown or malformed one, a non-zero reserved SPL, or both hwID
/// and cspID (or neither) is Errc::chain_extension; a product that is not known,
/// Errc::product_unknown.
[[nodiscard]] Result<std::optional<AmdLeafExtension>> parse_amd_leaf_extension(
    const Certificate& certificate);

}  // namespace attestd
