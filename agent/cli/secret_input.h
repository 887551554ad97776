// Reading a file or standard input straight into memory for secrets.
#pragma once

#include <string>

#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd::cli {

/// All of the file at `path`, or of standard input when it is "-"; nothing is trimmed.
/// Errc::secret_too_large above `max_len`, Errc::bad_value when it is empty, the errors of reading.
[[nodiscard]] Result<Secret> read_secret(const std::string& path, std::size_t max_len);

}  // namespace attestd::cli
