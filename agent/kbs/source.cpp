#include "agent/kbs/source.h"

#include "agent/log.h"
#include "config/kbs_resource.h"

namespace attestd::kbs {

Result<std::shared_ptr<KbsSource>> KbsSource::make(KbsSourceConfig config,
                                                   std::shared_ptr<Fetcher> fetcher,
                                                   std::shared_ptr<Attester> attester,
                                                   Clocks clocks) {
    ATTESTD_TRY(KbsClient client, KbsClient::make(config, fetcher, attester, clocks));
    const Millis timeout = config.timeout;
    ATTESTD_TRY(KbsClient giver, KbsClient::make(std::move(config), std::move(fetcher),
                                                 std::move(attester), clocks));
    ATTESTD_TRY(ValueVersions versions, ValueVersions::make());
    return std::shared_ptr<KbsSource>(new KbsSource(std::move(client), std::move(giver), timeout,
                                                    std::move(clocks), std::move(versions)));
}

Result<GivenToken> KbsSource::give_token(const Grant& /*grant*/, KeyExport key) {
    return giver_.give_token(key, std::chrono::steady_clock::now() + timeout_);
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
    const std::uint64_t version = versions_.of(resource, *secret, clocks_.wall());
    return SourcedSecret{std::make_shared<const Secret>(*std::move(secret)), version,
                         client_.expires()};
}

RemoteStatus KbsSource::status() const {
    const Counters& counters = client_.counters();
    RemoteStatus out;
    out.next_try = client_.next_try();
    out.login_expires = client_.expires();
    out.token = client_.token_summary();
    out.counts = {
        {"handshakes", "kbs_handshakes", "Handshakes begun with a key broker.",
         counters.num_handshakes},
        {"attested", "kbs_attested", "Handshakes that ended in a token.", counters.num_attested},
        {"reads", "kbs_reads", "Secrets received.", counters.num_reads},
        {"failed", "kbs_failures", "Reads that failed.", counters.num_failed}};
    return out;
}

}  // namespace attestd::kbs
