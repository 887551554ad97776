#include "quote/x509/name.h"

#include <algorithm>

namespace attestd {
namespace {

// 2.5.4.n is 55 04 0n.
std::string_view* attribute(DistinguishedName& name, ByteView oid) noexcept {
    if (oid.size() != 3 || oid[0] != 0x55 || oid[1] != 0x04) return nullptr;
    switch (oid[2]) {
        case 3:
            return &name.common_name;
        case 6:
            return &name.country;
        case 7:
            return &name.locality;
        case 8:
            return &name.state;
        case 10:
            return &name.organization;
        case 11:
            return &name.organizational_unit;
        default:
            return nullptr;
    }
}

// Names end in error texts, logs and JSON: nothing that is no text, or that steers a terminal, is
// let in.
bool is_printable(ByteView text) noexcept {
    return std::all_of(text.begin(), text.end(),
                       [](std::uint8_t c) { return c >= 0x20 && c <= 0x7e; });
}

}  // namespace

Result<DistinguishedName> parse_name(DerReader& in, std::string_view what) {
    DistinguishedName name;
    const ByteView start = in.rest();
    ATTESTD_TRY(DerReader rdns, in.sequence(what));
    name.der = start.first(start.size() - in.rest().size());
    while (!rdns.at_end()) {
        ATTESTD_TRY(DerReader set, rdns.enter(der::kSet, what));
        ATTESTD_TRY(DerReader pair, set.sequence(what));
        ATTESTD_CHECK(set.finish(what));
        ATTESTD_TRY(const ByteView oid, pair.oid(what));
        ATTESTD_TRY(const DerElement value, pair.any(what));
        ATTESTD_CHECK(pair.finish(what));
        if (value.tag != der::kUtf8String && value.tag != der::kPrintableString) {
            return in.fail_here(what, "a name's part is neither UTF8String nor PrintableString");
        }
        if (!is_printable(value.content))
            return in.fail_here(what, "a name's part is not printable ASCII");
        std::string_view* const slot = attribute(name, oid);
        if (slot == nullptr) return in.fail_here(what, "a name has a part that is not known here");
        if (!slot->empty() || value.content.empty())
            return in.fail_here(what, "a name's part is empty or doubled");
        *slot = as_text(value.content);
    }
    return name;
}

}  // namespace attestd
