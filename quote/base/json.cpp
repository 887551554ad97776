#include "quote/base/json.h"
#include "quote/base/secret.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace attestd {
namespace {

using nlohmann::json;

// Characters of the text; counts lines, so that each value's line is known when the parser reports
// it.
class CountingIterator {
 public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    CountingIterator() = default;
    CountingIterator(const char* at, int* line) : at_(at), line_(line) {}
    reference operator*() const { return *at_; }
    CountingIterator& operator++() {
        // A line begins when something on it is read: the end of a line still belongs to it.
        if (line_ended_) ++*line_;
        line_ended_ = *at_ == '\n';
        ++at_;
        return *this;
    }
    CountingIterator operator++(int) {
        CountingIterator before = *this;
        ++*this;
        return before;
    }
    bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
    bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
    const char* at_ = nullptr;
    int* line_ = nullptr;
    bool line_ended_ = false;
};

using LineMap = std::unordered_map<const json*, int>;

// What the library says of bytes that are no JSON quotes them: here short, and as printable ASCII.
std::string shown(std::string_view text) {
    constexpr std::size_t kMaxShown = 200;
    std::string out(text.substr(0, kMaxShown));
    for (char& c : out) {
        if (c < 0x20 || c > 0x7e) c = '?';
    }
    return out;
}

// Builds the tree; refuses depth and doubled keys as soon as they are seen.
class Builder final : public json::json_sax_t {
 public:
    Builder(std::string name, int max_depth, const int* line, json& root)
        : name_(std::move(name)), max_depth_(max_depth), line_(line), root_(root) {}

    std::optional<Error> error;
    std::vector<std::pair<json*, int>> places;  // of members and elements, in order of appearance

    bool null() override { return put(json(nullptr)); }
    bool boolean(bool v) override { return put(json(v)); }
    bool number_integer(number_integer_t v) override { return put(json(v)); }
    bool number_unsigned(number_unsigned_t v) override { return put(json(v)); }
    bool number_float(number_float_t v, const string_t&) override { return put(json(v)); }
    bool string(string_t& v) override { return put(json(std::move(v))); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(json::object()); }
    bool start_array(std::size_t) override { return open(json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& k) override {
        if (stack_.back()->contains(k)) {
            return refuse(Errc::duplicate_key,
                          fmt::format("the key \"{}\" stands here a second time", k));
        }
        key_ = std::move(k);
        key_line_ = *line_;
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const json::exception& e) override {
        std::string_view why =
            e.what();  // "[json.exception.parse_error.101] parse error at ...: why"
        if (const auto at = why.find("syntax error"); at != why.npos) why = why.substr(at);
        return refuse(Errc::bad_json, fmt::format("at byte {}: {}", position, shown(why)));
    }

 private:
    bool refuse(Errc code, std::string_view why) {
        if (!error) error = Error{code, fmt::format("{}:{}: {}", name_, *line_, why)};
        return false;
    }

    json* place(json value) {
        if (stack_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        json& parent = *stack_.back();
        if (parent.is_object()) {
            json& child = parent[key_];
            child = std::move(value);
            places.emplace_back(&child, key_line_);
            return &child;
        }
        parent.push_back(std::move(value));
        return &parent.back();
    }

    bool put(json value) {
        place(std::move(value));
        return true;
    }

    bool open(json container) {
        if (static_cast<int>(stack_.size()) >= max_depth_) {
            return refuse(Errc::bad_json, fmt::format("nested more than {} deep", max_depth_));
        }
        stack_.push_back(place(std::move(container)));
        return true;
    }

    bool close() {
        stack_.pop_back();
        return true;
    }

    std::string name_;
    int max_depth_;
    const int* line_;
    json& root_;
    std::vector<json*> stack_;
    std::string key_;
    int key_line_ = 1;
};

std::string_view type_name(const json& value) {
    if (value.is_string()) return "text";
    if (value.is_number_integer()) return "an integer";
    if (value.is_number_float()) return "a number with a fraction";
    if (value.is_boolean()) return "true or false";
    if (value.is_null()) return "null";
    return value.is_array() ? "an array" : "an object";
}

// Empties a tree from its leaves up, and overwrites its texts: some are bearers' tokens, and none
// is so large that telling them apart were worth it. The library's own destructor allocates a stack
// for the children of a value, and a destructor that finds no memory ends the process; one without
// children it frees without. The depth is bounded by JsonLimits.
void dismantle(json& value) noexcept {
    if (auto* const members = value.get_ptr<json::object_t*>()) {
        for (auto& [key, member] : *members) dismantle(member);
        members->clear();
    } else if (auto* const elements = value.get_ptr<json::array_t*>()) {
        for (json& element : *elements) dismantle(element);
        elements->clear();
    } else if (auto* const text = value.get_ptr<json::string_t*>()) {
        wipe_text(*text);
    }
}

}  // namespace

struct JsonDocument::Parsed {
    Parsed() = default;
    ~Parsed() { dismantle(root); }
    Parsed(const Parsed&) = delete;
    Parsed& operator=(const Parsed&) = delete;

    std::string name;
    json root;
    LineMap lines;
};

JsonDocument::JsonDocument(std::unique_ptr<Parsed> parsed) : parsed_(std::move(parsed)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string name, JsonLimits limits,
                                         JsonComments comments) {
    if (text.size() > limits.max_len) {
        return fail(Errc::too_large,
                    fmt::format("{}: over {} bytes of JSON", name, limits.max_len));
    }
    // The parser takes a NUL byte for the end and would not see what follows.
    if (const auto nul = text.find('\0'); nul != text.npos) {
        return fail(Errc::bad_json, fmt::format("{}: a NUL byte at byte {}", name, nul));
    }
    auto parsed = std::make_unique<Parsed>();
    parsed->name = std::move(name);
    int line = 1;
    Builder builder(parsed->name, limits.max_depth, &line, parsed->root);
    const CountingIterator first(text.data(), &line);
    const CountingIterator last(text.data() + text.size(), &line);
    const bool good = json::sax_parse(first, last, &builder, json::input_format_t::json,
                                      /*strict=*/true, comments == JsonComments::allowed);
    if (!good) {
        if (builder.error) return tl::make_unexpected(*std::move(builder.error));
        return fail(Errc::bad_json, parsed->name + ": not JSON");
    }
    // A member keeps its address while the tree grows (objects are maps of their own); an array's
    // element does not, so lines are kept for members alone.
    for (const auto& [value, at] : builder.places) parsed->lines.emplace(value, at);
    return JsonDocument(std::move(parsed));
}

JsonValue JsonDocument::root() const { return JsonValue(&parsed_->root, "", 1, this); }

std::string JsonValue::where() const {
    const std::string& name = document_->parsed_->name;
    return path_.empty() ? name : fmt::format("{}:{}: {}", name, line_, path_);
}

tl::unexpected<Error> JsonValue::fail_here(Errc code, std::string_view why) const {
    return fail(code, fmt::format("{}: {}", where(), why));
}

bool JsonValue::is_object() const noexcept { return value_->is_object(); }
bool JsonValue::is_array() const noexcept { return value_->is_array(); }
bool JsonValue::is_text() const noexcept { return value_->is_string(); }
bool JsonValue::is_null() const noexcept { return value_->is_null(); }

Result<JsonObject> JsonValue::object() const {
    if (!value_->is_object()) {
        return fail_here(Errc::wrong_type,
                         fmt::format("an object is expected, this is {}", type_name(*value_)));
    }
    return JsonObject(*this);
}

Result<std::vector<JsonValue>> JsonValue::array(std::size_t max_len) const {
    if (!value_->is_array()) {
        return fail_here(Errc::wrong_type,
                         fmt::format("an array is expected, this is {}", type_name(*value_)));
    }
    if (value_->size() > max_len) {
        return fail_here(Errc::too_large, fmt::format("has {} elements, at most {} are allowed",
                                                      value_->size(), max_len));
    }
    std::vector<JsonValue> out;
    out.reserve(value_->size());
    for (const json& element : *value_) {
        out.push_back(
            JsonValue(&element, fmt::format("{}[{}]", path_, out.size()), line_, document_));
    }
    return out;
}

Result<std::string> JsonValue::text() const {
    if (!value_->is_string()) {
        return fail_here(Errc::wrong_type,
                         fmt::format("text is expected, this is {}", type_name(*value_)));
    }
    return value_->get<std::string>();
}

Result<bool> JsonValue::boolean() const {
    if (!value_->is_boolean()) {
        return fail_here(Errc::wrong_type,
                         fmt::format("true or false is expected, this is {}", type_name(*value_)));
    }
    return value_->get<bool>();
}

Result<std::int64_t> JsonValue::integer(std::int64_t min, std::int64_t max) const {
    if (!value_->is_number_integer()) {
        return fail_here(Errc::wrong_type,
                         fmt::format("an integer is expected, this is {}", type_name(*value_)));
    }
    const bool too_big = value_->is_number_unsigned() &&
                         value_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
    const auto number = too_big ? INT64_MAX : value_->get<std::int64_t>();
    if (too_big || number < min || number > max) {
        return fail_here(Errc::bad_value, fmt::format("must lie between {} and {}", min, max));
    }
    return number;
}

JsonValue JsonObject::member(std::string_view key, const json& value) const {
    std::string path =
        self_.path_.empty() ? std::string(key) : fmt::format("{}.{}", self_.path_, key);
    const LineMap& lines = self_.document_->parsed_->lines;
    const auto line = lines.find(&value);
    return JsonValue(&value, std::move(path), line == lines.end() ? self_.line_ : line->second,
                     self_.document_);
}

std::optional<JsonValue> JsonObject::optional(std::string_view key) {
    taken_.emplace_back(key);
    const auto it = self_.value_->find(taken_.back());
    if (it == self_.value_->end()) return std::nullopt;
    return member(key, *it);
}

Result<JsonValue> JsonObject::required(std::string_view key) {
    if (auto found = optional(key)) return *std::move(found);
    return self_.fail_here(Errc::missing_key, fmt::format("the key \"{}\" is missing", key));
}

std::vector<std::pair<std::string, JsonValue>> JsonObject::rest() {
    std::vector<std::pair<std::string, JsonValue>> out;
    for (const auto& [key, value] : self_.value_->items()) {
        if (std::find(taken_.begin(), taken_.end(), key) != taken_.end()) continue;
        out.emplace_back(key, member(key, value));
    }
    for (const auto& [key, value] : out) taken_.push_back(key);
    return out;
}

Result<void> JsonObject::finish() const {
    for (const auto& [key, value] : self_.value_->items()) {
        if (std::find(taken_.begin(), taken_.end(), key) != taken_.end()) continue;
        return member(key, value)
            .fail_here(Errc::unknown_key, fmt::format("this key is not known here; known are: {}",
                                                      fmt::join(taken_, ", ")));
    }
    return {};
}

}  // namespace attestd
