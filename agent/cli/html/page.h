// One page that shows evidence: what it is, on whose word it rests, every field, every byte.
//
// The page is one file: no script, no picture, no font and no address from anywhere else. Its
// Content-Security-Policy allows its own style sheet, by digest, and nothing besides. All that
// comes from evidence is escaped (html.h).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "agent/cli/html/html.h"
#include "agent/cli/inspection.h"
#include "verifier/result.h"

namespace attestd::cli {

struct PageInput {
    std::string file;  ///< as it was named
    ByteView bytes;    ///< the evidence: what the byte map is of
    const Inspection& shown;
    const Endorsements* endorsements;  ///< those that were given; may be null
    const AttestationResult* result;   ///< null: decoded, not verified
};

[[nodiscard]] std::string html_page(const PageInput& input);

/// The page as a new file in the place of `path`, or on standard output for "-".
[[nodiscard]] Result<void> write_page(const std::string& path, const PageInput& input);

}  // namespace attestd::cli
