// Where a sealed secret is: in a file, or in configuration itself (`spec/kbs.md` section 10).
#pragma once

#include <string_view>

#include "quote/base/result.h"

namespace attestd {

inline constexpr std::string_view kSealedPrefix = "sealed.";
/// Of a sealed secret's text, in bytes: what a payload of 256 KiB takes, and a header.
inline constexpr std::size_t kMaxSealedLen = std::size_t{384} << 10;

enum class SealedForm : std::uint8_t {
    file,  ///< an absolute path; whoever delivers the file is not trusted
    text,  ///< the text itself, which configuration vouches for
};

/// Which of the two `resource` is: an absolute path without "." and "..", or "sealed." with three
/// parts of base64url behind it. Nothing of the text is believed by that. Errc::bad_name.
[[nodiscard]] Result<SealedForm> sealed_form_of(std::string_view resource);

}  // namespace attestd
