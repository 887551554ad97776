// The form of a secret's name.
#pragma once

#include <string_view>

#include "quote/base/result.h"

namespace attestd {

constexpr std::size_t kMaxSecretNameLen = 255;
constexpr std::size_t kMaxSecretLen = std::size_t{1} << 20;

/// Parts of [A-Za-z0-9_.-]+ joined by '/', none of them "." or "..", at most 255 bytes in all.
/// Errc::bad_name.
[[nodiscard]] Result<void> check_secret_name(std::string_view name);

/// The form of the names of workloads, sources and listeners: one such part, at most 64 bytes.
/// Errc::bad_name.
[[nodiscard]] Result<void> check_id(std::string_view id);

}  // namespace attestd
