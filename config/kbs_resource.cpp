#include "config/kbs_resource.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace attestd {
namespace {

constexpr std::size_t kMaxResourceLen = 1024;
constexpr std::size_t kMaxPathParts = 16;
constexpr std::string_view kPlainScheme = "kbs:///";
constexpr std::string_view kPluginScheme = "kbs+";

bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

bool is_part(std::string_view part) noexcept {
    return !part.empty() && is_word(part.front()) &&
           std::all_of(part.begin(), part.end(), [](char c) { return is_word(c) || c == '.'; });
}

// RFC 3986 section 3.4 without what a server or a proxy might read as something else.
bool is_query(std::string_view query) noexcept {
    return std::all_of(query.begin(), query.end(), [](char c) {
        return is_word(c) || std::string_view(".~=&/:,%+").find(c) != std::string_view::npos;
    });
}

std::vector<std::string_view> parts_of(std::string_view path) {
    std::vector<std::string_view> out;
    for (;;) {
        const auto slash = path.find('/');
        out.push_back(path.substr(0, slash));
        if (slash == path.npos) return out;
        path.remove_prefix(slash + 1);
    }
}

tl::unexpected<Error> bad(std::string_view why) {
    return fail(Errc::bad_name, fmt::format("a key broker's resource: {}", why));
}

Result<std::string> plugin_path(std::string_view rest) {
    const auto colon = rest.find(":///");
    if (colon == rest.npos)
        return bad("kbs+PLUGIN:///PATH is expected, without a host: that is the source's");
    const std::string_view plugin = rest.substr(0, colon);
    if (plugin.empty() || !std::all_of(plugin.begin(), plugin.end(), is_word))
        return bad("a plug-in's name has letters, digits, '_' and '-' alone");
    const std::string_view target = rest.substr(colon + 4);
    const auto mark = target.find('?');
    const std::string_view path = target.substr(0, mark);
    const auto parts = parts_of(path);
    if (parts.size() > kMaxPathParts || !std::all_of(parts.begin(), parts.end(), is_part))
        return bad("each part of the path is [A-Za-z0-9_-][A-Za-z0-9_.-]*, 16 at most");
    if (mark != target.npos && !is_query(target.substr(mark + 1)))
        return bad("the query holds a character that must be percent-encoded");
    return fmt::format("{}/{}", plugin, target);
}

}  // namespace

Result<std::string> kbs_path_of(std::string_view resource) {
    if (resource.size() > kMaxResourceLen) return bad("over 1024 characters");
    if (resource.starts_with(kPluginScheme))
        return plugin_path(resource.substr(kPluginScheme.size()));
    if (resource.starts_with(kPlainScheme)) resource.remove_prefix(kPlainScheme.size());
    const auto parts = parts_of(resource);
    if (parts.size() != 3 || !std::all_of(parts.begin(), parts.end(), is_part)) {
        return bad(
            "REPOSITORY/TYPE/TAG is expected, each [A-Za-z0-9_-][A-Za-z0-9_.-]*, or "
            "kbs+PLUGIN:///PATH");
    }
    return fmt::format("resource/{}", resource);
}

bool is_kbs_uri(std::string_view text) {
    return text.starts_with(kPlainScheme) && kbs_path_of(text).has_value();
}

}  // namespace attestd
