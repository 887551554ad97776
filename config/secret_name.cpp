#include "config/secret_name.h"

#include <algorithm>

namespace attestd {
namespace {

constexpr std::size_t kMaxIdLen = 64;

bool is_name_char(char c) noexcept {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

bool is_part(std::string_view part) noexcept {
    return !part.empty() && part != "." && part != ".." &&
           std::all_of(part.begin(), part.end(), is_name_char);
}

}  // namespace

Result<void> check_secret_name(std::string_view name) {
    if (name.size() > kMaxSecretNameLen) {
        return fail(Errc::bad_name, "a secret's name has at most 255 bytes");
    }
    std::string_view rest = name;
    for (;;) {
        const auto slash = rest.find('/');
        if (!is_part(rest.substr(0, slash))) break;
        if (slash == std::string_view::npos) return {};
        rest.remove_prefix(slash + 1);
    }
    return fail(Errc::bad_name,
                "a secret's name is parts of A-Z a-z 0-9 _ . - joined by '/', none of "
                "them \".\" or \"..\"");
}

Result<void> check_id(std::string_view id) {
    if (id.size() <= kMaxIdLen && is_part(id)) return {};
    return fail(Errc::bad_name, "an id is 1 to 64 characters of A-Z a-z 0-9 _ . -");
}

}  // namespace attestd
