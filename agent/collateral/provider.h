// CollateralProvider: gets the endorsements that evidence needs: from what was given, from the
// cache, from the services.
//
// What a service gives is verified before it is kept or handed on. A service that is away, slow or
// lying costs the one endorsement that was asked for, and what the cache holds of it serves until
// its stated end.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "agent/collateral/cache.h"
#include "agent/collateral/endorsement_id.h"
#include "agent/collateral/service.h"
#include "agent/network/fetcher.h"

namespace attestd {

enum class ObtainedFrom : std::uint8_t { nowhere, given, cache, service };

/// What became of one endorsement that was asked for.
struct Obtained {
    EndorsementId id;
    ObtainedFrom from = ObtainedFrom::nowhere;
    Bytes bytes;                                ///< empty when it came from nowhere, or was given
    std::optional<CheckedEndorsement> checked;  ///< empty when it came from nowhere
    /// Why the service gave nothing, or a remark on what it gave (a lower evaluation number).
    std::optional<Error> problem;
    std::optional<Error> cache_problem;  ///< why what the cache holds does not serve
};

enum class WhenToAsk : std::uint8_t {
    never,         ///< cache only
    when_missing,  ///< what is neither given nor cached, or of which two thirds of the life are
                   ///< over
    always,        ///< all of it, whatever is cached
};

class CollateralProvider final {
 public:
    using Sleep = std::function<void(std::chrono::milliseconds)>;

    /// Without a fetcher the cache is all there is. `sleep` waits between attempts when a service
    /// asks for fewer requests; an empty one means that nobody waits: the endorsement is asked for
    /// again later.
    CollateralProvider(CollateralCache cache, std::shared_ptr<Fetcher> fetcher,
                       ServiceAddresses services, TrustAnchors anchors, Sleep sleep = {});

    /// Obtains `ids`, issuers first as they stand. Blocks until `deadline` at most. One thread at a
    /// time; one request is in flight.
    [[nodiscard]] std::vector<Obtained> obtain(const std::vector<EndorsementId>& ids,
                                               const Endorsements& given, WhenToAsk when, Time now,
                                               Fetcher::Deadline deadline);

    /// Whether a service should be asked for it: it came from nowhere, or most of its life is over.
    [[nodiscard]] static bool wants_renewal(const Obtained& one, Time now);
    /// When the first of `obtained` wants to be renewed; empty when none has an end in sight.
    [[nodiscard]] static std::optional<Time> next_refresh(const std::vector<Obtained>& obtained);

    /// How long the services are left alone before the first of those that did not come is asked
    /// for again; zero when nothing holds that back.
    [[nodiscard]] std::chrono::seconds left_alone_for(const std::vector<Obtained>& obtained) const;

    /// What the cache holds of all that has newer versions or issuers, issuers first.
    [[nodiscard]] Result<std::vector<EndorsementId>> cached_ids() const;

    [[nodiscard]] CollateralCache& cache() noexcept { return cache_; }
    [[nodiscard]] const CollateralCache& cache() const noexcept { return cache_; }

 private:
    using Steady = std::chrono::steady_clock;
    struct Patience {
        Steady::time_point not_before{};
        unsigned num_failures = 0;
    };

    [[nodiscard]] Obtained obtain_one(const EndorsementId& id, WhenToAsk when,
                                      const Endorsements& context, Time now,
                                      Fetcher::Deadline deadline);
    struct Asked {
        CachedEndorsement endorsement;
        bool from_cache;  ///< another process had fetched it by our turn
    };
    [[nodiscard]] tl::expected<Asked, ServiceFailure> ask_in_turn(const EndorsementId& id,
                                                                  WhenToAsk when,
                                                                  const Endorsements& context,
                                                                  Time now,
                                                                  Fetcher::Deadline deadline);
    [[nodiscard]] std::optional<Error> remark_on(const EndorsementId& id,
                                                 const CheckedEndorsement& checked) const;
    [[nodiscard]] tl::expected<CachedEndorsement, ServiceFailure> ask(const EndorsementId& id,
                                                                      const Endorsements& context,
                                                                      Time now,
                                                                      Fetcher::Deadline deadline);
    [[nodiscard]] tl::expected<CachedEndorsement, ServiceFailure> ask_patiently(
        const EndorsementId& id, const Endorsements& context, Time now, Fetcher::Deadline deadline);
    void note_failure(const EndorsementId& id, const ServiceFailure& failure);
    [[nodiscard]] bool is_newest(const std::string& name) const;
    [[nodiscard]] Steady::time_point not_before(const EndorsementId& id) const;

    CollateralCache cache_;
    std::shared_ptr<Fetcher> fetcher_;
    ServiceAddresses services_;
    TrustAnchors anchors_;
    Sleep sleep_;
    std::map<std::string, Patience, std::less<>> patience_;  // by endorsement, and by service
    // Endorsements of which the service gave one that should be renewed by now: it has no newer.
    std::map<std::string, Steady::time_point, std::less<>> newest_until_;
    std::minstd_rand random_{std::random_device{}()};
};

}  // namespace attestd
