#include "agent/fetch/message.h"

#include <algorithm>
#include <array>

#include "quote/base/lower_case.h"

namespace attestd::fetch {
namespace {

// RFC 9110 section 7.6.1 and what older agents send beside it; and the two that frame a message.
constexpr std::array<std::string_view, 10> kHopByHop{"connection",
                                                     "keep-alive",
                                                     "proxy-authenticate",
                                                     "proxy-authorization",
                                                     "proxy-connection",
                                                     "te",
                                                     "trailer",
                                                     "transfer-encoding",
                                                     "upgrade",
                                                     "content-length"};

// The names in a comma-separated list, in lower case.
std::vector<std::string> names_in(std::string_view list) {
    std::vector<std::string> names;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(','), list.size());
        std::string_view name = list.substr(0, end);
        while (name.starts_with(' ') || name.starts_with('\t')) name.remove_prefix(1);
        while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
        if (!name.empty()) names.push_back(lower_case(name));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return names;
}

template <class List>
bool has(const List& list, std::string_view name) noexcept {
    return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

Fields end_to_end(const Fields& fields) {
    std::vector<std::string> nominated;
    for (const auto& [name, value] : fields) {
        if (lower_case(name) != "connection") continue;
        const auto names = names_in(value);
        nominated.insert(nominated.end(), names.begin(), names.end());
    }
    Fields out;
    for (const auto& [name, value] : fields) {
        const std::string key = lower_case(name);
        if (has(kHopByHop, key) || has(nominated, key) || key.starts_with(kReservedPrefix))
            continue;
        out.emplace_back(name, value);
    }
    return out;
}

std::string printable(std::string_view text, std::size_t max_len) {
    std::string out(text.substr(0, max_len));
    for (char& c : out) {
        if (c < ' ' || c > '~') c = '?';
    }
    return text.size() > max_len ? out + "..." : out;
}

}  // namespace attestd::fetch
