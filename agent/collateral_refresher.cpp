#include "agent/collateral_refresher.h"

#include <algorithm>

#include "agent/log.h"
#include "agent/network/socket_fetcher.h"

namespace attestd {
namespace {

constexpr auto kPause = std::chrono::seconds(1);           // between batches, whatever is wanted
constexpr auto kBatchPatience = std::chrono::seconds(60);  // for one batch

ServiceAddresses addresses_of(const CollateralConfig& config) {
    ServiceAddresses out;
    if (!config.pccs.empty()) out.use_pccs(config.pccs);
    if (!config.kds.empty()) out.kds = config.kds;
    out.update = config.early_update ? TcbUpdate::early : TcbUpdate::standard;
    out.evaluation_data_number = config.evaluation_data_number;
    return out;
}

}  // namespace

struct CollateralRefresher::Batch {
    std::vector<Obtained> obtained;
    std::chrono::seconds left_alone_for;
};

// Lives on the strand; the loop only passes it there.
struct CollateralRefresher::Work {
    CollateralConfig config;
    TrustAnchors anchors;
    Endorsements roots;
    bool is_test;
    std::optional<CollateralProvider> provider;

    Result<Batch> fetch(const std::vector<EndorsementId>& ids) {
        if (!provider) {
            const auto kind =
                is_test ? CollateralCache::Kind::test : CollateralCache::Kind::production;
            ATTESTD_TRY(CollateralCache cache, CollateralCache::open(config.cache, kind, anchors));
            provider.emplace(std::move(cache),
                             std::make_shared<SocketFetcher>(config.fetch_socket.string()),
                             addresses_of(config), anchors);
        }
        ATTESTD_CHECK(provider->cache().reread());
        auto obtained = provider->obtain(ids, roots, WhenToAsk::when_missing, wall_now(),
                                         std::chrono::steady_clock::now() + kBatchPatience);
        const auto wait = provider->left_alone_for(obtained);
        return Batch{std::move(obtained), wait};
    }
};

CollateralRefresher::CollateralRefresher(Io& io, Strand strand, const VerifierConfig& config)
    : strand_(std::move(strand)), wake_(io) {
    configure(config);
}

void CollateralRefresher::configure(const VerifierConfig& config) {
    wanted_.clear();
    work_ = nullptr;
    if (!config.collateral.fetch) return;
    auto work = std::make_shared<Work>();
    work->config = config.collateral;
    work->is_test = !config.trust_anchors.empty();
    for (const LoadedFile& file : config.trust_anchors) {
        // The verifier refused the configuration if any of them is no certificate.
        static_cast<void>(work->anchors.add_certificate(file.bytes));
        static_cast<void>(work->roots.add(file.bytes, "trust anchor"));
    }
    work_ = std::move(work);
}

void CollateralRefresher::want(const std::vector<EndorsementId>& ids) {
    if (work_ == nullptr) return;
    for (const EndorsementId& id : ids) {
        if (std::find(wanted_.begin(), wanted_.end(), id) == wanted_.end()) wanted_.push_back(id);
    }
    if (is_idle_ && !wanted_.empty()) wake_.cancel();
}

Task<void> CollateralRefresher::run() {
    while (!stopped_) {
        if (wanted_.empty()) {
            is_idle_ = true;
            wake_.expires_at(std::chrono::steady_clock::time_point::max());
            co_await wait_for(wake_);
            is_idle_ = false;
            continue;
        }
        // Issuers before what they issued, whichever appraisal named them.
        std::sort(wanted_.begin(), wanted_.end(),
                  [](const auto& a, const auto& b) { return a.index() < b.index(); });
        auto job = [work = work_, ids = std::exchange(wanted_, {})] { return work->fetch(ids); };
        const auto batch = co_await run_blocking(strand_, std::move(job));
        if (batch) {
            settle(*batch);
        } else {
            ++status_.num_failed;
            status_.held_until = BootTime();
            status_.last_error = to_string(batch.error());
            status_.last_failure = wall_now();
            log_event(LogLevel::warn, "collateral.failed", {{"why", status_.last_error}});
        }
        if (stopped_) break;
        wake_.expires_after(kPause);
        co_await wait_for(wake_);
    }
}

void CollateralRefresher::settle(const Batch& batch) {
    std::string error;
    bool fetched = false;
    for (const Obtained& one : batch.obtained) {
        if (one.checked)
            status_.ends.insert_or_assign(endorsement_words(one.id), one.checked->validity.until);
        if (one.from == ObtainedFrom::service) {
            fetched = true;
            ++status_.num_fetched;
            log_event(LogLevel::info, "collateral.fetched",
                      {{"what", endorsement_words(one.id)},
                       {"until", to_rfc3339(one.checked->validity.until)}});
        } else if (one.problem) {
            ++status_.num_failed;
            error = endorsement_words(one.id) + ": " + to_string(*one.problem);
        }
    }
    if (!error.empty() && error != status_.last_error)
        log_event(LogLevel::warn, "collateral.failed", {{"why", error}});
    if (fetched) status_.last_success = wall_now();
    if (!error.empty()) status_.last_failure = wall_now();
    status_.held_until = BootClock::now() + batch.left_alone_for;
    status_.last_error = std::move(error);
    if (fetched) on_fetched_();
}

void CollateralRefresher::stop() {
    stopped_ = true;
    wake_.cancel();
}

}  // namespace attestd
