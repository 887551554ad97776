#include "agent/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace attestd {
namespace {

constexpr std::size_t kMaxValueLen = 512;

spdlog::logger& logger() {
    static const std::shared_ptr<spdlog::logger> instance = [] {
        auto made = std::make_shared<spdlog::logger>(
            "attestd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z level=%l %v");
        made->flush_on(spdlog::level::trace);
        return made;
    }();
    return *instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warn:
            return spdlog::level::warn;
        case LogLevel::error:
            break;
    }
    return spdlog::level::err;
}

bool is_bare(std::string_view value) noexcept {
    const auto plain = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("_-./:@+").find(c) != std::string_view::npos;
    };
    return !value.empty() && std::all_of(value.begin(), value.end(), plain);
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(spdlog_level(level)); }

std::string escaped(std::string_view text, std::size_t max_len) {
    std::string out;
    for (const char c : text.substr(0, max_len)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte >= 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        } else {
            out += c;
        }
    }
    return out;
}

void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
    if (!logger().should_log(spdlog_level(level))) return;
    std::string line = fmt::format("event={}", event);
    for (const auto& [key, value] : fields) {
        if (is_bare(value) && value.size() <= kMaxValueLen) {
            line += fmt::format(" {}={}", key, value);
        } else {
            line += fmt::format(" {}=\"{}\"", key, escaped(value, kMaxValueLen));
        }
    }
    logger().log(spdlog_level(level), "{}", line);
}

}  // namespace attestd
