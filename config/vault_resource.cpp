#include "config/vault_resource.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxPlainLen = 1024;
constexpr std::size_t kMaxTransitLen = 65536;
constexpr std::size_t kMaxUrlParts = 16;
constexpr std::string_view kKvScheme = "vault://";
constexpr std::string_view kReadScheme = "vault+read://";
constexpr std::string_view kTransitScheme = "vault+transit://";

tl::unexpected<Error> bad_resource(std::string_view why) {
    return fail(Errc::bad_name, fmt::format("a resource of Vault's: {}", why));
}

bool is_alnum(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_hex_digit(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// RFC 3986 section 2.3, and escapes; none of a control character or of '/', which a server or a
// proxy might read as something else.
bool is_url_part(std::string_view part) noexcept {
    if (part.empty() || part == "." || part == "..") return false;
    for (std::size_t i = 0; i < part.size(); ++i) {
        if (is_alnum(part[i]) || std::string_view("-._~").find(part[i]) != std::string_view::npos)
            continue;
        if (part[i] != '%' || i + 2 >= part.size()) return false;
        const bool is_plain = part[i + 1] >= '2' && part[i + 1] != '7';
        const std::string_view digits = part.substr(i + 1, 2);
        if (!is_plain || !is_hex_digit(digits[0]) || !is_hex_digit(digits[1])) return false;
        if (digits == "2F" || digits == "2f" || digits == "2E" || digits == "2e") return false;
        i += 2;
    }
    return true;
}

Result<void> take_path(VaultResource& out, std::string_view text) {
    const auto slash = text.find('/');
    if (slash == text.npos) return bad_resource("MOUNT/PATH is expected");
    out.mount = text.substr(0, slash);
    out.path = text.substr(slash + 1);
    if (is_url_path(out.mount) && is_url_path(out.path)) return {};
    return bad_resource(
        "each part of a path is [A-Za-z0-9._~-]+ or %XX, none is \".\" or \"..\", 16 at most");
}

// NAME=VALUE of what follows the '?', each name once.
Result<void> take_option(VaultResource& out, std::string_view name, std::string_view value) {
    if (name == "version" && out.kind == VaultResource::Kind::kv2 && !out.version) {
        std::uint32_t number = 0;
        const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
        if (ec != std::errc() || end != value.data() + value.size() || number == 0)
            return bad_resource("\"version\" is a number from 1");
        out.version = number;
        return {};
    }
    if (name == "encoding" && value == "b64" && !out.field.empty()) {
        out.encoding = VaultResource::Encoding::base64;
        return {};
    }
    if (name == "context" && out.kind == VaultResource::Kind::transit && out.context.empty()) {
        if (value.empty() || !from_base64(value, "context"))
            return bad_resource("\"context\" is base64");
        out.context = value;
        return {};
    }
    return bad_resource(fmt::format("there is no \"{}={}\" here", name, value));
}

Result<void> take_options(VaultResource& out, std::string_view text) {
    while (!text.empty()) {
        const std::string_view one = text.substr(0, text.find('&'));
        const auto equals = one.find('=');
        if (equals == one.npos) return bad_resource("NAME=VALUE is expected after '?'");
        ATTESTD_CHECK(take_option(out, one.substr(0, equals), one.substr(equals + 1)));
        if (one.size() == text.size()) return {};
        text.remove_prefix(one.size() + 1);
    }
    return bad_resource("NAME=VALUE is expected after '?'");
}

Result<void> take_fragment(VaultResource& out, std::string_view text) {
    const bool is_visible =
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (text.empty() || !is_visible)
        return bad_resource("visible characters are expected after '#'");
    if (out.kind != VaultResource::Kind::transit) {
        out.field = text;
        return {};
    }
    out.ciphertext = text;
    if (text.starts_with("vault:v")) return {};
    return bad_resource("a ciphertext begins \"vault:v1:\", with its key's version");
}

}  // namespace

bool is_url_path(std::string_view path) noexcept {
    for (std::size_t n = 1; n <= kMaxUrlParts; ++n) {
        const auto slash = path.find('/');
        if (!is_url_part(path.substr(0, slash))) return false;
        if (slash == path.npos) return true;
        path.remove_prefix(slash + 1);
    }
    return false;
}

Result<VaultResource> parse_vault_resource(std::string_view text) {
    VaultResource out;
    const bool is_transit = text.starts_with(kTransitScheme);
    if (text.size() > (is_transit ? kMaxTransitLen : kMaxPlainLen)) return bad_resource("too long");
    if (is_transit) {
        out.kind = VaultResource::Kind::transit;
        text.remove_prefix(kTransitScheme.size());
    } else if (text.starts_with(kReadScheme)) {
        out.kind = VaultResource::Kind::read;
        text.remove_prefix(kReadScheme.size());
    } else if (text.starts_with(kKvScheme)) {
        text.remove_prefix(kKvScheme.size());
    }
    const auto mark = text.find('?');
    const std::string_view place = text.substr(0, mark);
    const auto hash = place.find('#');
    ATTESTD_CHECK(take_path(out, place.substr(0, hash)));
    if (hash != place.npos) ATTESTD_CHECK(take_fragment(out, place.substr(hash + 1)));
    if (mark != text.npos) ATTESTD_CHECK(take_options(out, text.substr(mark + 1)));
    if (!is_transit) return out;
    if (out.ciphertext.empty()) return bad_resource("transit takes \"#CIPHERTEXT\"");
    if (out.path.find('/') != out.path.npos)
        return bad_resource("a transit key's name is one part");
    return out;
}

}  // namespace attestd
