// The style sheet of a page: for screens of 320 px and more, light and dark, and for paper.
#pragma once

#include "agent/cli/html/html.h"

namespace attestd::cli {

/// All of it; never empty.
[[nodiscard]] Markup page_style();

}  // namespace attestd::cli
