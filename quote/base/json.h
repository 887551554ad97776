// JSON from outside, read strictly: bounded size and depth, no key twice, no key unknown, and every
// complaint says where (file and line) and what was expected.
//
// A JsonDocument is parsed text. A JsonValue is a cursor on one value in it that knows its path; a
// JsonObject hands out its members once and complains about those that nobody asked for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

struct JsonLimits {
    std::size_t max_len = std::size_t{1} << 20;  ///< bytes of text
    int max_depth = 32;                          ///< nested arrays and objects
};

enum class JsonComments : std::uint8_t { refused, allowed };

class JsonDocument;
class JsonObject;

/// A value within a document; valid as long as the document.
class JsonValue final {
 public:
    /// What complaints call this value: "file.json:12: secrets.db/password".
    [[nodiscard]] std::string where() const;
    /// The path alone: "secrets.db/password".
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    [[nodiscard]] Result<JsonObject> object() const;
    [[nodiscard]] Result<std::vector<JsonValue>> array(std::size_t max_len) const;
    [[nodiscard]] Result<std::string> text() const;
    [[nodiscard]] Result<bool> boolean() const;
    /// An integer without fraction or exponent, within the bounds. Errc::wrong_type,
    /// Errc::bad_value.
    [[nodiscard]] Result<std::int64_t> integer(std::int64_t min, std::int64_t max) const;

    [[nodiscard]] bool is_object() const noexcept;
    [[nodiscard]] bool is_array() const noexcept;
    [[nodiscard]] bool is_text() const noexcept;
    [[nodiscard]] bool is_null() const noexcept;
    [[nodiscard]] const nlohmann::json& raw() const noexcept { return *value_; }

    /// An error about this value; its detail starts with where().
    [[nodiscard]] tl::unexpected<Error> fail_here(Errc code, std::string_view why) const;

 private:
    friend class JsonDocument;
    friend class JsonObject;
    JsonValue(const nlohmann::json* value, std::string path, int line, const JsonDocument* document)
        : value_(value), path_(std::move(path)), line_(line), document_(document) {}

    const nlohmann::json* value_;
    std::string path_;
    int line_;  // of the member itself, or of the nearest member around an array's element
    const JsonDocument* document_;
};

/// The members of an object, each to be taken at most once; finish() refuses those left over.
class JsonObject final {
 public:
    /// Errc::missing_key when absent.
    [[nodiscard]] Result<JsonValue> required(std::string_view key);
    /// Empty when absent.
    [[nodiscard]] std::optional<JsonValue> optional(std::string_view key);
    /// Every member not yet taken, with its key: for objects whose keys are names.
    [[nodiscard]] std::vector<std::pair<std::string, JsonValue>> rest();
    /// Errc::unknown_key for the first member that was not taken; names the keys that are known.
    [[nodiscard]] Result<void> finish() const;

    [[nodiscard]] const JsonValue& value() const noexcept { return self_; }

 private:
    friend class JsonValue;
    explicit JsonObject(JsonValue self) : self_(std::move(self)) {}
    [[nodiscard]] JsonValue member(std::string_view key, const nlohmann::json& value) const;

    JsonValue self_;
    std::vector<std::string> taken_;
};

/// Its texts are overwritten when it ends.
class JsonDocument final {
 public:
    /// Parses `text`. `name` is what complaints call the document (a file's path). Errc::too_large,
    /// Errc::bad_json, Errc::duplicate_key.
    [[nodiscard]] static Result<JsonDocument> parse(std::string_view text, std::string name,
                                                    JsonLimits limits = {},
                                                    JsonComments comments = JsonComments::refused);
    JsonDocument(JsonDocument&&) noexcept;
    JsonDocument& operator=(JsonDocument&&) noexcept;
    ~JsonDocument();

    [[nodiscard]] JsonValue root() const;

 private:
    friend class JsonValue;
    friend class JsonObject;
    struct Parsed;
    explicit JsonDocument(std::unique_ptr<Parsed> parsed);
    std::unique_ptr<Parsed> parsed_;
};

}  // namespace attestd
