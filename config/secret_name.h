// SecretName: what a secret is called, in a form that is safe in a URL, a log line and an audit
// record.
//
// The only way to one is parse(), so code that holds a SecretName need not look at its characters
// again.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kMaxSecretNameLen = 255;
/// A secret's length is at least one byte and at most this; Errc::secret_too_large above it.
inline constexpr std::size_t kMaxSecretLen = std::size_t{1} << 20;

class SecretName final {
 public:
    /// Parts of `[A-Za-z0-9_.-]+` joined by `/`, at most 255 bytes, no part `.` or `..`.
    /// Errc::bad_name.
    [[nodiscard]] static Result<SecretName> parse(std::string_view text);

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

    friend bool operator==(const SecretName&, const SecretName&) = default;
    friend std::strong_ordering operator<=>(const SecretName&, const SecretName&) = default;

 private:
    explicit SecretName(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

/// The names of workloads, sources and listeners: one such part, at most 64 bytes. Errc::bad_name.
[[nodiscard]] Result<void> check_id(std::string_view id);

}  // namespace attestd
