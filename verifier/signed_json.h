// The signed text inside a served JSON document (`spec/tdx.md` section 5.4).
//
// Intel signs the bytes of one member's value as served. They are found by a scanner that respects
// strings and escapes, and are checked before anyone interprets them.
#pragma once

#include <string_view>

#include "quote/base/result.h"

namespace attestd {

/// The two members of `{"<body_key>": {...}, "signature": "<hex>"}`, as ranges of `text`.
struct SignedJsonParts {
    std::string_view body;       ///< from `{` to the matching `}`
    std::string_view signature;  ///< between the quotes
};

/// Finds the parts. The outer object holds exactly these two keys, once each, in any order; nesting
/// is at most 32 deep. Errc::bad_json, Errc::duplicate_key, Errc::unknown_key, Errc::missing_key.
[[nodiscard]] Result<SignedJsonParts> split_signed_json(std::string_view text,
                                                        std::string_view body_key);

/// Whether `text` begins as a JSON object with this key at its outermost level: for recognising.
[[nodiscard]] bool json_has_outer_key(std::string_view text, std::string_view key) noexcept;

}  // namespace attestd
