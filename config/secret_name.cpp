#include "config/secret_name.h"

#include <fmt/format.h>

namespace attestd {
namespace {

constexpr std::string_view kAllowed =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

tl::unexpected<Error> bad(std::string_view why) {
    // The text itself is not repeated: it may hold anything, and it may be long.
    return fail(Errc::bad_name,
                fmt::format("a secret's name is parts of letters, digits, _ . and - joined "
                            "by /, at most {} bytes: {}",
                            kMaxSecretNameLen, why));
}

Result<void> check_part(std::string_view part) {
    if (part.empty()) return bad("a part is empty");
    if (part == "." || part == "..") return bad("a part is . or ..");
    if (const auto at = part.find_first_not_of(kAllowed); at != part.npos) {
        return bad(
            fmt::format("a part has byte 0x{:02x} in it", static_cast<unsigned char>(part[at])));
    }
    return {};
}

}  // namespace

Result<SecretName> SecretName::parse(std::string_view text) {
    if (text.size() > kMaxSecretNameLen) return bad(fmt::format("this one has {}", text.size()));
    for (std::string_view left = text;;) {
        const auto slash = left.find('/');
        ATTESTD_CHECK(check_part(left.substr(0, slash)));
        if (slash == left.npos) return SecretName(std::string(text));
        left.remove_prefix(slash + 1);
    }
}

Result<void> check_id(std::string_view id) {
    constexpr std::size_t kMaxIdLen = 64;
    if (id.size() <= kMaxIdLen && check_part(id)) return {};
    return fail(Errc::bad_name, "an id is 1 to 64 characters of A-Z a-z 0-9 _ . -");
}

}  // namespace attestd
