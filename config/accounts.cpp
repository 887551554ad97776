#include <fmt/format.h>

#include <charconv>

#include "config/internal/accounts.h"
#include "quote/base/fd.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxAccountFileLen = std::size_t{4} << 20;

std::string_view next_field(std::string_view& rest, char separator) noexcept {
    const auto end = rest.find(separator);
    const std::string_view field = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return field;
}

}  // namespace

// Both files are lines "name:password:number:..."; the first line with the name counts, as for
// libc.
Result<std::uint32_t> Accounts::look_up(std::string_view kind, const std::filesystem::path& file,
                                        const std::string& name) {
    ATTESTD_TRY(const Bytes bytes, read_file(file, kMaxAccountFileLen));
    std::string_view rest = as_text(bytes);
    while (!rest.empty()) {
        std::string_view line = next_field(rest, '\n');
        if (next_field(line, ':') != name) continue;
        next_field(line, ':');
        const std::string_view digits = next_field(line, ':');
        std::uint32_t number = 0;
        const char* const end = digits.data() + digits.size();
        const auto [after, error] = std::from_chars(digits.data(), end, number);
        if (error != std::errc() || after != end || digits.empty()) {
            return fail(Errc::bad_reference,
                        fmt::format("{} has no number for \"{}\"", file.string(), name));
        }
        resolved_.push_back(fmt::format("{} {}={}", kind, name, number));
        return number;
    }
    return fail(Errc::bad_reference,
                fmt::format("{} knows no {} \"{}\"", file.string(), kind, name));
}

Result<uid_t> Accounts::user(const std::string& name) { return look_up("user", passwd_, name); }
Result<gid_t> Accounts::group(const std::string& name) { return look_up("group", group_, name); }

}  // namespace attestd
