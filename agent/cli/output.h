// What attestctl writes: results on standard output, complaints on standard error, files for the
// rest.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "agent/cli/command.h"
#include "quote/base/bytes.h"

namespace attestd::cli {

/// "error: step: what failed, on what, and what mends it (code)" on standard error.
void print_error(std::string_view step, const Error& error);

/// "warning: ..." on standard error.
void print_warning(std::string_view text);

/// All of `bytes` on standard output. A reader that has gone is an error too.
[[nodiscard]] Result<void> print(ByteView bytes);
[[nodiscard]] inline Result<void> print(std::string_view text) { return print(as_bytes(text)); }

[[nodiscard]] bool output_is_terminal() noexcept;

/// `text` for a terminal: what is not printable ASCII becomes `\xNN`, so that no file or daemon
/// writes escape sequences there.
[[nodiscard]] std::string printable(std::string_view text);

/// Writes a new file, or replaces one as a whole (crash-safe). The mode is that of the new file.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, ByteView bytes,
                                      unsigned mode);

/// Writes a file that must not exist yet.
[[nodiscard]] Result<void> write_new_file(const std::filesystem::path& path, ByteView bytes,
                                          unsigned mode);

}  // namespace attestd::cli
