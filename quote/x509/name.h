// Distinguished names as the vendors write them.
#pragma once

#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/x509/der.h"

namespace attestd {

/// A Name (RFC 5280 section 4.1.2.4). All views live as long as the bytes it was parsed from. Two
/// names are the same when their DER is.
struct DistinguishedName {
    ByteView der;
    std::string_view common_name, organization, organizational_unit, locality, state, country;

    [[nodiscard]] bool same_as(const DistinguishedName& other) const noexcept {
        return equal(der, other.der);
    }
};

/// Takes the next Name. Each attribute at most once, one for each RDN, only the six above, in
/// printable ASCII: Errc::bad_der.
[[nodiscard]] Result<DistinguishedName> parse_name(DerReader& in, std::string_view what);

}  // namespace attestd
