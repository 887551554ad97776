// The daemon's log for operators: one event a line on stderr, key=value, ids that never change.
//
// Errors ask a person to act; warnings say what was done instead; information is life-cycle only,
// never per request. Values may come from callers: they are quoted, escaped and cut here. Never a
// secret.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace attestd {

enum class LogLevel : std::uint8_t { debug, info, warn, error };

struct LogField {
    std::string_view key;
    std::string value;
};

/// Sends lines of at least `level` to stderr from now on.
void set_log_level(LogLevel level);

/// Writes "event=ID key=value ...".
void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

/// `text` with everything but printable ASCII, quotes and backslashes escaped, cut to `max_len`
/// bytes of input.
[[nodiscard]] std::string escaped(std::string_view text, std::size_t max_len = 256);

}  // namespace attestd
