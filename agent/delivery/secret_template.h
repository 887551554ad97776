// SecretTemplate: one file made of several secrets.
//
// Text stands as it is, but for actions in double braces:
//   {{ secret "db/password" }}   the secret's bytes
//   {{ "text" }}                 the text: how {{ itself is written
// Anything else in double braces is an error, not text.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

inline constexpr std::size_t kMaxTemplateLen = std::size_t{256} << 10;

class SecretTemplate final {
 public:
    /// Errc::delivery_template names the line; Errc::too_large.
    [[nodiscard]] static Result<SecretTemplate> parse(std::string_view text);

    /// The names that occur, each once.
    [[nodiscard]] std::vector<std::string> names() const;

    /// The whole. `value_of` knows every name of names(). Errc::memory_locked.
    [[nodiscard]] Result<Secret> render(
        const std::function<const Secret&(const std::string&)>& value_of) const;

 private:
    struct Part {
        bool is_secret;
        std::string text;  // or the secret's name
    };
    std::vector<Part> parts_;
};

}  // namespace attestd
