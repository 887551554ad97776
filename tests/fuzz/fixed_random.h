// OpenSSL's random generator, made to give the same bytes in every run. In fuzz programs alone:
// with it every key is known beforehand.
#pragma once

#include <cstddef>

namespace attestd::fuzz {

/// To be called before anything else asks for randomness, in the thread that goes on to.
void use_fixed_random();

/// Begins the same bytes again, `len` of them; more cannot be had before the next call.
void restart_fixed_random(std::size_t len);

/// Enough to forge all seeds of a target: RSA keys take the most.
inline constexpr std::size_t kSeedRandomLen = std::size_t{1} << 21;
/// Enough for one input: blinding of a private key's operation, an ephemeral key.
inline constexpr std::size_t kInputRandomLen = std::size_t{1} << 14;

}  // namespace attestd::fuzz
