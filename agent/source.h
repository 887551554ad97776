// SecretSource: where secrets come from. It gives one only for a Grant.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/release/grant.h"
#include "quote/base/secret.h"

namespace attestd {

struct SourcedSecret {
    std::shared_ptr<const Secret> value;
    std::uint64_t version;  ///< grows with each change: the ETag
    /// When the source's own word for it ends; empty: it does not.
    std::optional<BootTime> expires{};
};

/// Calls block, on a thread of their own, one at a time for each source.
class SecretSource {
 public:
    virtual ~SecretSource() = default;

    /// Errc::secret_unavailable when it has none of that name; Errc::store_locked,
    /// Errc::store_corrupt, Errc::unavailable when it cannot say.
    [[nodiscard]] virtual Result<SourcedSecret> get(const Grant& grant) = 0;
};

}  // namespace attestd
