// refused: (deleted|[Cc]annot format|formattable|has_formatter|formatter)
// Nor is a list of secrets, through the formatter of ranges.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "quote/base/secret.h"

std::string leak(const std::vector<attestd::Secret>& secrets) { return fmt::format("{}", secrets); }
