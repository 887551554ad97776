#include "quote/base/time.h"

#include <fmt/format.h>

namespace attestd {
namespace {

constexpr Time kFirst = std::chrono::sys_days{std::chrono::year{1} / 1 / 1};
constexpr Time kLast =
    std::chrono::sys_days{std::chrono::year{9999} / 12 / 31} + std::chrono::seconds{86399};

// Exactly `len` digits at `at`; -1 when something else stands there.
int digits(std::string_view text, std::size_t at, std::size_t len) noexcept {
    if (at + len > text.size()) return -1;
    int value = 0;
    for (const char c : text.substr(at, len)) {
        if (c < '0' || c > '9') return -1;
        value = value * 10 + (c - '0');
    }
    return value;
}

}  // namespace

Result<Time> make_time(int year, unsigned month, unsigned day, unsigned hour, unsigned minute,
                       unsigned second, std::string_view what) {
    using namespace std::chrono;
    const year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                              std::chrono::day{day}};
    // The calendar types keep a month and a day in one byte: 257 would be a 1.
    if (year < 1 || year > 9999 || month > 12 || day > 31 || !date.ok() || hour > 23 ||
        minute > 59 || second > 59) {
        return fail(Errc::bad_encoding, fmt::format("{}: no such date or time", what));
    }
    return sys_days{date} + hours{hour} + minutes{minute} + seconds{second};
}

Result<Time> parse_rfc3339(std::string_view text, std::string_view what) {
    const auto bad = [&] {
        return fail(Errc::bad_encoding,
                    fmt::format("{}: not a time as 2026-11-22T07:54:00Z", what));
    };
    constexpr std::size_t kSecondsEnd = 19;
    const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    const int hour = digits(text, 11, 2), minute = digits(text, 14, 2),
              second = digits(text, 17, 2);
    if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0) return bad();
    if (text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') return bad();
    if (text[10] != 'T' && text[10] != 't') return bad();
    ATTESTD_TRY(const Time local,
                make_time(year, static_cast<unsigned>(month), static_cast<unsigned>(day),
                          static_cast<unsigned>(hour), static_cast<unsigned>(minute),
                          static_cast<unsigned>(second), what));

    std::string_view zone = text.substr(kSecondsEnd);
    if (zone.starts_with('.')) {
        const auto end = zone.find_first_not_of('0', 1);
        if (end == 1 || end == std::string_view::npos) return bad();
        zone = zone.substr(end);
    }
    if (zone == "Z" || zone == "z") return local;
    const int off_hour = digits(zone, 1, 2), off_minute = digits(zone, 4, 2);
    if (zone.size() != 6 || zone[3] != ':' || off_hour < 0 || off_hour > 23 || off_minute < 0 ||
        off_minute > 59 || (zone[0] != '+' && zone[0] != '-')) {
        return bad();
    }
    const auto offset = std::chrono::hours{off_hour} + std::chrono::minutes{off_minute};
    const Time time = zone[0] == '+' ? local - offset : local + offset;
    if (time < kFirst || time > kLast)
        return bad();  // the offset leads out of the years that exist here
    return time;
}

std::string to_rfc3339(Time time) {
    using namespace std::chrono;
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss clock{time - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace attestd
