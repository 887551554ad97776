#include "agent/kbs/source.h"

#include <openssl/rand.h>

#include <algorithm>

#include "agent/log.h"
#include "config/kbs_resource.h"
#include "quote/base/digest.h"

namespace attestd::kbs {

Result<std::shared_ptr<KbsSource>> KbsSource::make(KbsSourceConfig config,
                                                   std::shared_ptr<Fetcher> fetcher,
                                                   std::shared_ptr<Attester> attester,
                                                   Clocks clocks) {
    ATTESTD_TRY(KbsClient client, KbsClient::make(std::move(config), std::move(fetcher),
                                                  std::move(attester), clocks));
    Sha256 salt{};
    if (RAND_bytes(salt.data(), static_cast<int>(salt.size())) != 1)
        return fail_crypto("RAND_bytes");
    return std::shared_ptr<KbsSource>(new KbsSource(std::move(client), std::move(clocks), salt));
}

Result<SourcedSecret> KbsSource::get(const Grant& grant) {
    return get_resource(grant.secret().resource);
}

Result<SourcedSecret> KbsSource::get_resource(const std::string& resource) {
    ATTESTD_TRY(const std::string path, kbs_path_of(resource));
    auto secret = client_.read(path);
    const std::string error = secret ? std::string() : to_string(secret.error());
    if (!secret && error != last_error_)
        log_event(LogLevel::warn, "kbs.failed", {{"resource", resource}, {"why", error}});
    last_error_ = error;
    if (!secret) return tl::make_unexpected(std::move(secret).error());
    const std::uint64_t version = version_of(resource, *secret);
    return SourcedSecret{std::make_shared<const Secret>(*std::move(secret)), version,
                         client_.expires()};
}

// Brokers count no versions. The clock's seconds come first, so that no start gives one out that an
// earlier one gave to another value.
std::uint64_t KbsSource::version_of(const std::string& resource, const Secret& secret) {
    const Sha256 digest = secret.expose([&](ByteView bytes) {
        return sha256({ByteView(salt_), bytes});
    });
    const auto now = static_cast<std::uint64_t>(
        std::max<std::int64_t>(clocks_.wall().time_since_epoch().count(), 1));
    const auto found = seen_.find(resource);
    if (found == seen_.end())
        return seen_.emplace(resource, Seen{digest, now}).first->second.version;
    Seen& seen = found->second;
    if (seen.digest != digest) seen = {digest, std::max(seen.version + 1, now)};
    return seen.version;
}

SourceStatus KbsSource::status() const {
    return {client_.counters(), client_.token_summary(), last_error_};
}

}  // namespace attestd::kbs
