// SHA-2 over bytes.
#pragma once

#include <initializer_list>

#include "quote/base/bytes.h"

namespace attestd {

using Sha256 = ByteArray<32>;
using Sha384 = ByteArray<48>;
using Sha512 = ByteArray<64>;

/// Digests of the parts, one after another. They cannot fail but for want of memory, which ends the
/// process.
[[nodiscard]] Sha256 sha256(std::initializer_list<ByteView> parts);
[[nodiscard]] Sha384 sha384(std::initializer_list<ByteView> parts);
[[nodiscard]] Sha512 sha512(std::initializer_list<ByteView> parts);

[[nodiscard]] inline Sha256 sha256(ByteView bytes) { return sha256({bytes}); }
[[nodiscard]] inline Sha384 sha384(ByteView bytes) { return sha384({bytes}); }
[[nodiscard]] inline Sha512 sha512(ByteView bytes) { return sha512({bytes}); }

}  // namespace attestd
