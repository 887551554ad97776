#include "agent/sources/value_versions.h"

#include <openssl/rand.h>

#include <algorithm>

#include "quote/base/ossl.h"

namespace attestd {

Result<ValueVersions> ValueVersions::make() {
    Sha256 salt{};
    if (RAND_bytes(salt.data(), static_cast<int>(salt.size())) != 1)
        return fail_crypto("RAND_bytes");
    return ValueVersions(salt);
}

std::uint64_t ValueVersions::of(std::string_view resource, const Secret& value, Time now) {
    const Sha256 digest = value.expose([&](ByteView bytes) {
        return sha256({ByteView(salt_), bytes});
    });
    // The clock's seconds come first: they set this start's versions above an earlier one's.
    const auto seconds =
        static_cast<std::uint64_t>(std::max<std::int64_t>(now.time_since_epoch().count(), 1));
    const auto found = seen_.find(resource);
    if (found == seen_.end())
        return seen_.emplace(resource, Seen{digest, seconds}).first->second.version;
    Seen& seen = found->second;
    if (seen.digest != digest) seen = {digest, std::max(seen.version + 1, seconds)};
    return seen.version;
}

}  // namespace attestd
