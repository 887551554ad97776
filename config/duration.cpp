#include "config/duration.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace attestd {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t millis;
};

// Largest first, for to_string().
constexpr std::array kUnits{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                            Unit{"s", 1000}, Unit{"ms", 1}};
constexpr std::int64_t kMaxCount = 1'000'000;  // keeps every product far from overflow

}  // namespace

Result<Millis> parse_duration(std::string_view text) {
    std::int64_t count = 0;
    const char* const end = text.data() + text.size();
    const auto [after, error] = std::from_chars(text.data(), end, count);
    const std::string_view unit(after, static_cast<std::size_t>(end - after));
    if (error == std::errc() && count >= 0 && count <= kMaxCount && text.front() != '-') {
        for (const Unit& u : kUnits) {
            if (u.name == unit) return Millis(count * u.millis);
        }
    }
    return fail(Errc::bad_encoding,
                "a duration such as \"10m\" is expected: a whole number up to "
                "1000000 and one of ms, s, m, h, d");
}

std::string to_string(Millis duration) {
    for (const Unit& u : kUnits) {
        if (duration.count() != 0 && duration.count() % u.millis == 0) {
            return fmt::format("{}{}", duration.count() / u.millis, u.name);
        }
    }
    return "0s";
}

}  // namespace attestd
