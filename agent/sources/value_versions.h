// ValueVersions: versions for the values of a source that counts none itself.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "quote/base/digest.h"
#include "quote/base/secret.h"
#include "quote/base/time.h"

namespace attestd {

class ValueVersions final {
 public:
    /// Errc::crypto_failed when there is no randomness.
    [[nodiscard]] static Result<ValueVersions> make();

    /// The version of `value`, which `resource` has at `now`: it grows whenever the value is
    /// another than at the last call. No start gives one out that an earlier one, in an earlier
    /// second, gave to another value.
    [[nodiscard]] std::uint64_t of(std::string_view resource, const Secret& value, Time now);

 private:
    struct Seen {
        Sha256 digest;  // salted, so that it tells nothing about the value
        std::uint64_t version;
    };
    explicit ValueVersions(const Sha256& salt) : salt_(salt) {}

    Sha256 salt_;
    std::map<std::string, Seen, std::less<>> seen_;  // by resource: configuration names them all
};

}  // namespace attestd
