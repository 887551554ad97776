// SecretService: where delivery gets secrets from, one question at a time.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

struct SecretAnswer {
    std::optional<Secret> value;      ///< empty: the version that was known is still current
    std::string version;              ///< entity tag, as the daemon sent it
    std::chrono::seconds keep_for{};  ///< from the answer on
};

class SecretService {
 public:
    virtual ~SecretService() = default;

    /// The secret `name`. With `known`, an answer that says it is still current takes up to `wait`.
    /// Errors with the daemon's own code; Errc::unavailable, Errc::timed_out when it cannot be
    /// reached. Blocks; may be called by several threads.
    [[nodiscard]] virtual Result<SecretAnswer> ask(const std::string& name,
                                                   const std::string& known,
                                                   std::chrono::seconds wait) = 0;
};

/// True for what asking again may mend: nobody there, no affirming result yet, too busy.
[[nodiscard]] bool may_pass(Errc code) noexcept;

/// Asks until there is an answer, a refusal that asking again does not mend, or `patience` is over.
[[nodiscard]] Result<SecretAnswer> ask_patiently(SecretService& service, const std::string& name,
                                                 std::chrono::milliseconds patience);

}  // namespace attestd
