#include "verifier/internal/intel_json.h"

#include <algorithm>

namespace attestd {
namespace {

constexpr std::size_t kMaxQeLevels = 256;
constexpr std::size_t kMaxAdvisories = 1024;

Result<IsvLevel> parse_isv_level(const JsonValue& value) {
    ATTESTD_TRY(JsonObject object, value.object());
    ATTESTD_TRY(const JsonValue tcb, object.required("tcb"));
    ATTESTD_TRY(JsonObject tcb_object, tcb.object());
    IsvLevel level{};
    ATTESTD_TRY(level.isv_svn, u16_member(tcb_object, "isvsvn"));
    ATTESTD_TRY(level.date, time_member(object, "tcbDate"));
    ATTESTD_TRY(const JsonValue status, object.required("tcbStatus"));
    ATTESTD_TRY(const std::string text, status.text());
    const auto known = component_status_from(text);
    if (!known)
        return status.fail_here(Errc::bad_value,
                                "\"" + text + "\" is not a status of a module or enclave");
    level.status = *known;
    ATTESTD_TRY(level.advisory_ids, advisory_member(object));
    return level;
}

}  // namespace

Result<std::string> text_member(JsonObject& object, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, object.required(key));
    return value.text();
}

Result<std::uint16_t> u16_member(JsonObject& object, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, object.required(key));
    ATTESTD_TRY(const std::int64_t number, value.integer(0, 0xffff));
    return static_cast<std::uint16_t>(number);
}

Result<Time> time_member(JsonObject& object, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, object.required(key));
    ATTESTD_TRY(const std::string text, value.text());
    return parse_rfc3339(text, value.where());
}

Result<Window> validity_members(JsonObject& object) {
    Window out;
    ATTESTD_TRY(out.from, time_member(object, "issueDate"));
    ATTESTD_TRY(out.until, time_member(object, "nextUpdate"));
    return out;
}

Result<std::vector<std::string>> advisory_member(JsonObject& object) {
    std::vector<std::string> out;
    const auto member = object.optional("advisoryIDs");
    if (!member) return out;
    ATTESTD_TRY(const auto values, member->array(kMaxAdvisories));
    for (const JsonValue& value : values) {
        ATTESTD_TRY(std::string id, value.text());
        out.push_back(std::move(id));
    }
    return out;
}

Result<std::vector<IsvLevel>> isv_levels_member(JsonObject& object) {
    ATTESTD_TRY(const JsonValue member, object.required("tcbLevels"));
    ATTESTD_TRY(const auto values, member.array(kMaxQeLevels));
    std::vector<IsvLevel> levels;
    for (const JsonValue& value : values) {
        ATTESTD_TRY(auto level, parse_isv_level(value));
        levels.push_back(std::move(level));
    }
    std::sort(levels.begin(), levels.end(),
              [](const auto& a, const auto& b) { return a.isv_svn > b.isv_svn; });
    const auto doubled =
        std::adjacent_find(levels.begin(), levels.end(),
                           [](const auto& a, const auto& b) { return a.isv_svn == b.isv_svn; });
    if (doubled != levels.end())
        return member.fail_here(Errc::bad_value, "an ISVSVN has two levels");
    return levels;
}

}  // namespace attestd
