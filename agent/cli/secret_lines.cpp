#include "agent/cli/secret_lines.h"

#include <fmt/format.h>

#include <limits>

#include "agent/cli/output.h"

namespace attestd::cli {

Outcome<std::string> secret_lines(JsonObject& answer, std::size_t max_len) {
    ATTESTD_TRY(const JsonValue list, answer.required("secrets"));
    ATTESTD_TRY(const auto items, list.array(max_len));
    std::string out;
    for (const JsonValue& item : items) {
        ATTESTD_TRY(JsonObject secret, item.object());
        ATTESTD_TRY(const JsonValue name_value, secret.required("name"));
        ATTESTD_TRY(const std::string name, name_value.text());
        ATTESTD_TRY(const JsonValue version_value, secret.required("version"));
        ATTESTD_TRY(const std::int64_t version,
                    version_value.integer(0, std::numeric_limits<std::int64_t>::max()));
        out += fmt::format("{}\tversion {}\n", printable(name), version);
    }
    return out;
}

}  // namespace attestd::cli
