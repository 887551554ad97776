// refused: (deleted|[Cc]annot format|formattable|has_formatter|formatter)
// A secret is not formatted, so a log line that holds one does not exist.
#include <fmt/format.h>

#include <string>

#include "quote/base/secret.h"

std::string leak(const attestd::Secret& secret) { return fmt::format("{}", secret); }
