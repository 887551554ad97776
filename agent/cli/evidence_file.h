// Evidence and endorsements from files: raw, hexadecimal or base64, found out by looking.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/command.h"
#include "agent/collateral/bundle.h"
#include "quote/base/bytes.h"
#include "verifier/endorsements.h"

namespace attestd::cli {

/// The bytes of a file, or of standard input for "-", decoded when they are text; at most 16 MiB.
[[nodiscard]] Outcome<Bytes> read_input(const std::string& path);

/// The bytes of a file, or of standard input for "-", as they are; at most 16 MiB. Wrong usage when
/// it cannot be read.
[[nodiscard]] Outcome<Bytes> read_bytes(const std::string& path);

/// The files that `paths` name and that folders among them hold, as they are; a bundle counts as
/// the files it was made from. Errors as of read_endorsements().
[[nodiscard]] Outcome<std::vector<Bundle::Item>> read_endorsement_files(
    const std::vector<std::string>& paths);

/// Endorsements from files and folders. What a folder holds and is no endorsement is passed over (a
/// damaged endorsement with a warning); a file that was named must be one.
[[nodiscard]] Outcome<Endorsements> read_endorsements(const std::vector<std::string>& paths);

}  // namespace attestd::cli
