// Fresh values for secrets that attestd makes up itself.
#pragma once

#include <optional>
#include <string_view>

#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

/// What a random value is made of; in all but `bytes` each byte is one character.
enum class Alphabet : std::uint8_t { bytes, hex, base64url, alphanumeric, digits };

[[nodiscard]] std::optional<Alphabet> alphabet_named(std::string_view name) noexcept;

/// `len` bytes, each character of the alphabet as likely as every other. Errc::bad_value for a
/// length of zero, Errc::secret_too_large, Errc::crypto_failed, Errc::memory_locked.
[[nodiscard]] Result<Secret> random_value(std::size_t len, Alphabet alphabet);

/// How a secret is rotated: what is not given is as the old value was.
struct Rotation {
    std::optional<std::size_t> len;
    Alphabet alphabet = Alphabet::bytes;
};

}  // namespace attestd
