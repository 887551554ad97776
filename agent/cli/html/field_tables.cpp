#include "agent/cli/html/field_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "agent/cli/explain.h"

namespace attestd::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMinZeroText = 16;  // shorter values of zeros are no news

bool is_scalar(const Json& value) { return !value.is_structured(); }

bool is_row(const Json& value) {
    if (value.is_object()) return false;
    return !value.is_array() || std::all_of(value.begin(), value.end(), is_scalar);
}

std::string scalar_text(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

bool is_all_zero(std::string_view text) {
    return text.size() >= kMinZeroText && text.find_first_not_of('0') == text.npos;
}

void put_value(Html& out, const Json& value) {
    if (value.is_null() || (value.is_array() && value.empty())) {
        out.put("<span class=\"muted\">none</span>");
        return;
    }
    std::string text;
    if (value.is_array()) {
        for (const Json& item : value) text += (text.empty() ? "" : " ") + scalar_text(item);
    } else {
        text = scalar_text(value);
    }
    if (!is_all_zero(text)) {
        out.text(text);
        return;
    }
    out.element("<span class=\"muted\">", text, "</span>");
}

void put_row(Html& out, std::string_view name, const Json& value) {
    out.element("<tr><th scope=\"row\">", name, "</th><td class=\"value\">");
    put_value(out, value);
    out.put("</td><td class=\"meaning\">").text(meaning_of(name));
    const std::string flags = value.is_string() ? flags_of(name, value.get<std::string>()) : "";
    if (!flags.empty()) out.element(" <span class=\"flags\">", flags, "</span>");
    out.put("</td></tr>");
}

void put_rows(Html& out, const Json& object) {
    if (std::none_of(object.begin(), object.end(), is_row)) return;
    out.put(
        "<table class=\"fields\"><thead><tr><th scope=\"col\">field</th>"
        "<th scope=\"col\">value</th><th scope=\"col\">meaning</th></tr></thead><tbody>");
    for (const auto& [name, value] : object.items()) {
        if (is_row(value)) put_row(out, name, value);
    }
    out.put("</tbody></table>");
}

// Objects of one shape become one table: the events of a log, the levels of TCB information.
bool is_list_of_records(const Json& list) {
    return std::all_of(list.begin(), list.end(), [](const Json& item) {
        return item.is_object() && std::all_of(item.begin(), item.end(), is_row);
    });
}

void put_records(Html& out, const Json& list) {
    std::vector<std::string> columns;
    std::set<std::string> known;
    for (const Json& item : list) {
        for (const auto& [name, value] : item.items()) {
            if (known.insert(name).second) columns.push_back(name);
        }
    }
    out.put("<div class=\"scroll\"><table class=\"records\"><thead><tr>");
    for (const std::string& name : columns) out.element("<th scope=\"col\">", name, "</th>");
    out.put("</tr></thead><tbody>");
    for (const Json& item : list) {
        out.put("<tr>");
        for (const std::string& name : columns) {
            out.put("<td>");
            if (item.contains(name)) put_value(out, item[name]);
            out.put("</td>");
        }
        out.put("</tr>");
    }
    out.put("</tbody></table></div>");
}

// Names that lead to a group, outermost first.
using Path = std::vector<std::string>;

void put_group(Html& out, const Path& path, std::string_view meaning, const Json& value);

Path below(Path path, std::string name) {
    path.push_back(std::move(name));
    return path;
}

void put_groups(Html& out, const Path& path, const Json& object) {
    for (const auto& [name, value] : object.items()) {
        if (!is_row(value)) put_group(out, below(path, name), meaning_of(name), value);
    }
}

// A part that was decoded by itself: {"format": ..., "fields": {...}}. Its format names it.
bool is_part(const Json& value) {
    return value.is_object() && value.contains("format") && value["format"].is_string() &&
           value.contains("fields") && value["fields"].is_object();
}

void put_part(Html& out, const Path& path, const Json& part) {
    put_rows(out, part["fields"]);
    put_groups(out, path, part["fields"]);
    Json rest = part;
    rest.erase("format");
    rest.erase("fields");
    put_rows(out, rest);
    put_groups(out, path, rest);
}

void put_items(Html& out, const Path& path, const Json& list) {
    for (std::size_t i = 0; i < list.size(); ++i) {
        const bool is_object = list[i].is_object();
        put_group(out, below(path, fmt::format("{}", i + 1)), "",
                  is_object ? list[i] : Json{{"value", list[i]}});
    }
}

void put_heading(Html& out, const Path& path, const Json& value) {
    out.put("<h3>");
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (i != 0) out.put(" &rsaquo; ");
        out.text(path[i]);
    }
    if (is_part(value))
        out.element(" <span class=\"format\">", value["format"].get<std::string>(), "</span>");
    out.put("</h3>");
}

void put_group(Html& out, const Path& path, std::string_view meaning, const Json& value) {
    out.put("<div class=\"group\">");
    put_heading(out, path, value);
    if (!meaning.empty()) out.element("<p class=\"muted\">", meaning, "</p>");
    if (value.is_array() && is_list_of_records(value)) {
        put_records(out, value);
    } else if (value.is_array()) {
        put_items(out, path, value);
    } else if (is_part(value)) {
        put_part(out, path, value);
    } else {
        put_rows(out, value);
        put_groups(out, path, value);
    }
    out.put("</div>");
}

}  // namespace

void put_fields(Html& out, std::string_view heading, const Json& object) {
    if (!object.is_object() || object.empty()) return;
    out.element("<section class=\"part\"><h2>", heading, "</h2>");
    put_rows(out, object);
    put_groups(out, {}, object);
    out.put("</section>");
}

}  // namespace attestd::cli
