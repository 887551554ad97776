// refused: could not convert|cannot convert|no matching function|no viable conversion
// What evidence brought is text of a page; only literals are its markup.
#include "agent/cli/html/html.h"

void put(attestd::cli::Html& page, const std::string& from_evidence) { page.put(from_evidence); }
