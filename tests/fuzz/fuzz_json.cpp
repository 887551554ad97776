// The strict reader of JSON beside the library that it is made of.
#include "quote/base/json.h"

#include <nlohmann/json.hpp>

#include "tests/fuzz/target.h"

namespace attestd::fuzz::json_text {
namespace {

void walk(const JsonValue& value, int depth) {
    holds(depth <= 32, "depth is bounded");
    holds(!value.where().empty(), "every value has a place");
    if (value.is_array()) {
        for (const JsonValue& one : must(value.array(std::size_t{1} << 20))) walk(one, depth + 1);
    } else if (value.is_object()) {
        JsonObject members = must(value.object());
        for (const auto& [key, member] : members.rest()) walk(member, depth + 1);
        holds(members.finish().has_value(), "every member was taken");
    } else {
        static_cast<void>(value.text());
        static_cast<void>(value.boolean());
        const auto number = value.integer(-100, 100);
        holds(!number || (*number >= -100 && *number <= 100), "integers keep to their bounds");
    }
}

void run(ByteView input) {
    const std::string_view text = as_text(input);
    const auto commented = JsonDocument::parse(text, "text", {}, JsonComments::allowed);
    const auto strict = JsonDocument::parse(text, "text");
    const auto theirs = nlohmann::json::parse(text, nullptr, false);
    holds(!strict || commented.has_value(), "who needs no comments may have them");
    if (commented) walk(commented->root(), 0);
    if (!strict) return;
    reached();
    holds(!theirs.is_discarded() && theirs == strict->root().raw(), "both read the same");
}

Seeds seeds() {
    return {seed("object", R"({"a": [1, -2, 3.5e2, true, null, "\u00e9\n"], "b": {"c": {}}})"),
            seed("comments", "// one\n{\"a\": /* two */ 1}\n"),
            seed("deep", "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"),
            seed("big", "[18446744073709551615, -9223372036854775808, 1e400]"),
            seed("twice", R"({"a": 1, "a": 2})")};
}

const bool kAdded =
    add({.name = "json",
         .run = run,
         .seeds = seeds,
         .words = {"\"a\":", "{}", "[]", "null", "true", "1e99", "\\ud800", "/*", "*/", "//"},
         .mutations = 5000});

}  // namespace
}  // namespace attestd::fuzz::json_text
