// SecretJson: JSON of which a part is secret, read so that the secret is nowhere but in memory for
// secrets.
//
// A JSON parser copies what it reads, and leaves copies in memory that it gives back. So the secret
// part is cut out first: what the strict parser gets has a number in the place of each text in it,
// and nothing in the place of other values. Brackets, commas and names are passed on as they came,
// so that the parser judges the same structure that was cut.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "quote/base/json.h"
#include "quote/base/secret.h"

namespace attestd::hashivault {

class SecretJson final {
 public:
    using Path = std::span<const std::string_view>;

    /// Parses `text`. The member that `secret_part` names, from the root, is secret with all that
    /// is in it but the names. Errc::bad_json, Errc::duplicate_key, Errc::too_large: more than 16
    /// levels or 2 MiB.
    [[nodiscard]] static Result<SecretJson> parse(Secret text, Path secret_part);

    /// What document() is, and nothing else, without a copy of `text`: the same errors.
    [[nodiscard]] static Result<JsonDocument> parse_public(const Secret& text, Path secret_part);

    /// Without what is secret: of that, only names and shape.
    [[nodiscard]] const JsonDocument& document() const noexcept { return document_; }

    /// The text that `value`, a value of the secret part, is. Errc::wrong_type when it is none.
    [[nodiscard]] Result<Secret> text_of(const JsonValue& value) const;
    /// The whole secret part as the JSON that came; empty when there is none.
    [[nodiscard]] Result<Secret> whole() const;

 private:
    struct Piece {
        std::size_t at, len;  // in text_; without the quotes
    };
    friend class Cutter;
    SecretJson(Secret text, JsonDocument document, std::vector<Piece> texts, Piece whole)
        : text_(std::move(text)),
          document_(std::move(document)),
          texts_(std::move(texts)),
          whole_(whole) {}

    Secret text_;
    JsonDocument document_;
    std::vector<Piece> texts_;
    Piece whole_;
};

}  // namespace attestd::hashivault
