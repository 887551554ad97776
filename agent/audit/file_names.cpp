#include "agent/audit/file_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "quote/base/fd.h"

namespace attestd {
namespace {

constexpr std::string_view kSetAside = ".until-";
constexpr std::size_t kNumDigits = 20;  // of every 64-bit number

bool are_digits(std::string_view text) {
    return text.size() == kNumDigits &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::filesystem::path set_aside_path(const std::filesystem::path& path, std::uint64_t next_seq) {
    std::filesystem::path out = path;
    out += fmt::format("{}{:0{}}", kSetAside, next_seq, kNumDigits);
    return out;
}

std::optional<std::uint64_t> number_after(const std::filesystem::path& set_aside) {
    const std::string name = set_aside.filename().string();
    const auto at = name.rfind(kSetAside);
    if (at == std::string::npos) return std::nullopt;
    const std::string_view digits = std::string_view(name).substr(at + kSetAside.size());
    std::uint64_t out = 0;
    if (!are_digits(digits) ||
        std::from_chars(digits.data(), digits.data() + digits.size(), out).ec != std::errc{})
        return std::nullopt;
    return out;
}

Result<std::vector<std::filesystem::path>> files_set_aside(const std::filesystem::path& path) {
    const std::string prefix = path.filename().string() + std::string(kSetAside);
    const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    std::vector<std::filesystem::path> out;
    std::error_code ec;
    std::filesystem::directory_iterator it(folder, ec);
    for (const std::filesystem::directory_iterator end; !ec && it != end; it.increment(ec)) {
        const std::string name = it->path().filename().string();
        if (name.starts_with(prefix) && are_digits(std::string_view(name).substr(prefix.size())))
            out.push_back(it->path());
    }
    if (ec) return fail_errno(ec.value(), folder.string());
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace attestd
