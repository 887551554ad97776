// Reads `{"key": "<base64 of 32 bytes>"}` so that the key is never outside memory for secrets.
//
// A JSON parser copies every text it meets into ordinary memory. So the one run of characters that
// can be the key is masked in a copy; the copy is parsed strictly; and the key is decoded from the
// original.
#pragma once

#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

/// The key in `body`. Errc::bad_json, the other errors of JSON, Errc::bad_encoding, Errc::bad_value
/// for a key of zeros, Errc::memory_locked.
[[nodiscard]] Result<Secret> parse_key_answer(const Secret& body);

}  // namespace attestd
