#include "agent/collateral/provider.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/x509/pem.h"
#include "verifier/intel/pck_chain.h"

namespace attestd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr unsigned kMaxAttempts = 3;
constexpr seconds kOneRequest{30};  // of what may be several
constexpr seconds kFirstWait{1};
constexpr seconds kLongestWait{600};
constexpr seconds kAbsenceLasts{300};  // a 404 is not asked about again before
constexpr seconds kNewestLasts{3600};  // what is old and still the newest is not, either

// A list of Intel's root is kept with the root's certificate, so that it can be checked by itself.
Bytes with_root_certificates(Bytes pem, const Endorsements& context) {
    const auto append = [&pem](const std::vector<Certificate>& chain) {
        for (const Certificate& certificate : chain) {
            if (certificate.subject().common_name != kIntelRootName) continue;
            const std::string text = to_pem("CERTIFICATE", certificate.der());
            if (as_text(pem).find(text) == std::string_view::npos)
                pem.insert(pem.end(), text.begin(), text.end());
        }
    };
    append(context.certificates());
    for (const SignedDocument& document : context.tcb_infos()) {
        if (document.chain) append(*document.chain);
    }
    for (const SignedDocument& document : context.qe_identities()) {
        if (document.chain) append(*document.chain);
    }
    return pem;
}

// Two thirds of its life are over. Certificates are renewed by nobody.
Time refresh_time(const CheckedEndorsement& checked) {
    if (!checked.dated) return Time::max();
    return checked.validity.from + (checked.validity.until - checked.validity.from) * 2 / 3;
}

// Worth asking again at once. A time-out is not: that wait was long already.
bool is_transient(Errc code) noexcept {
    return code == Errc::collateral_throttled || code == Errc::fetch_unreachable ||
           code == Errc::fetch_truncated;
}

// One for each service: being throttled concerns all that is asked of it.
std::string service_of(const EndorsementId& id) {
    const bool amd = std::holds_alternative<VcekId>(id) ||
                     std::holds_alternative<AmdIssuersId>(id) ||
                     std::holds_alternative<AmdCrlId>(id);
    return amd ? "amd" : "intel";
}

}  // namespace

CollateralProvider::CollateralProvider(CollateralCache cache, std::shared_ptr<Fetcher> fetcher,
                                       ServiceAddresses services, TrustAnchors anchors, Sleep sleep)
    : cache_(std::move(cache)),
      fetcher_(std::move(fetcher)),
      services_(std::move(services)),
      anchors_(std::move(anchors)),
      sleep_(std::move(sleep)) {}

std::vector<Obtained> CollateralProvider::obtain(const std::vector<EndorsementId>& ids,
                                                 const Endorsements& given, WhenToAsk when,
                                                 Time now, Fetcher::Deadline deadline) {
    std::vector<Obtained> out;
    if (auto clock = cache_.floors().check_clock(now); !clock) {
        for (const EndorsementId& id : ids)
            out.push_back({id, ObtainedFrom::nowhere, {}, {}, clock.error(), {}});
        return out;
    }
    const auto have = check_endorsements(given, given, anchors_, now);
    const auto given_as = [&have](const std::string& key) -> const CheckedEndorsement* {
        for (const auto& checked : have) {
            if (checked && checked->key == key) return &*checked;
        }
        return nullptr;
    };
    // What was obtained so far may hold the issuers of what follows.
    Endorsements context = given;
    for (const EndorsementId& id : ids) {
        const CheckedEndorsement* const present = given_as(endorsement_key(id));
        const bool fresh = present != nullptr && now < refresh_time(*present) &&
                           cache_.floors().check(endorsement_name(id), *present);
        if (fresh && when != WhenToAsk::always) {
            out.push_back({id, ObtainedFrom::given, {}, *present, {}, {}});
            continue;
        }
        out.push_back(obtain_one(id, when, context, now, deadline));
        if (!out.back().bytes.empty())
            static_cast<void>(context.add(out.back().bytes, endorsement_file(id)));
    }
    return out;
}

Obtained CollateralProvider::obtain_one(const EndorsementId& id, WhenToAsk when,
                                        const Endorsements& context, Time now,
                                        Fetcher::Deadline deadline) {
    Obtained out{id, ObtainedFrom::nowhere, {}, {}, {}, {}};
    auto cached = cache_.load(id, now);
    if (!cached && cached.error().code != Errc::not_found) out.cache_problem = cached.error();
    const bool serves =
        cached && (now < refresh_time(cached->checked) || is_newest(endorsement_name(id)));
    const bool asks =
        fetcher_ != nullptr && when != WhenToAsk::never && (when == WhenToAsk::always || !serves);
    if (asks) {
        auto asked = ask_in_turn(id, when, context, now, deadline);
        if (asked && asked->from_cache) {
            cached = std::move(asked->endorsement);
        } else if (asked) {
            out.problem = remark_on(id, asked->endorsement.checked);
            out.from = ObtainedFrom::service;
            out.bytes = std::move(asked->endorsement.bytes);
            out.checked = std::move(asked->endorsement.checked);
            return out;
        } else {
            out.problem = std::move(asked).error().error;
        }
    }
    if (!cached) return out;
    out.from = ObtainedFrom::cache;
    out.bytes = std::move(cached->bytes);
    out.checked = std::move(cached->checked);
    return out;
}

// A document of an older set than one seen: newer by its date, so taken, but told.
std::optional<Error> CollateralProvider::remark_on(const EndorsementId& id,
                                                   const CheckedEndorsement& checked) const {
    const auto highest = cache_.floors().number(endorsement_name(id));
    const auto& number = checked.evaluation_data_number;
    if (!highest || !number || *number >= *highest) return std::nullopt;
    return Error{Errc::collateral_rollback,
                 fmt::format("{}: its evaluation data number is {}, {} was seen already",
                             endorsement_words(id), *number, *highest)};
}

tl::expected<CollateralProvider::Asked, ServiceFailure> CollateralProvider::ask_in_turn(
    const EndorsementId& id, WhenToAsk when, const Endorsements& context, Time now,
    Fetcher::Deadline deadline) {
    const auto turn = cache_.lock_service(service_of(id), deadline);
    if (!turn) return tl::make_unexpected(ServiceFailure{turn.error(), std::nullopt});
    // Another process may have fetched it meanwhile.
    if (when != WhenToAsk::always && cache_.reread()) {
        auto cached = cache_.load(id, now);
        if (cached && now < refresh_time(cached->checked)) return Asked{*std::move(cached), true};
    }
    auto asked = ask_patiently(id, context, now, deadline);
    if (!asked) return tl::make_unexpected(std::move(asked).error());
    return Asked{*std::move(asked), false};
}

tl::expected<CachedEndorsement, ServiceFailure> CollateralProvider::ask_patiently(
    const EndorsementId& id, const Endorsements& context, Time now, Fetcher::Deadline deadline) {
    for (unsigned attempt = 1;; ++attempt) {
        auto asked = ask(id, context, now, deadline);
        if (asked || !sleep_ || attempt == kMaxAttempts ||
            !is_transient(asked.error().error.code)) {
            return asked;
        }
        const milliseconds jitter(random_() % 500);
        const milliseconds wait =
            asked.error().retry_after.value_or(kFirstWait * (1 << (attempt - 1))) + jitter;
        if (Steady::now() + wait >= deadline) return asked;
        sleep_(wait);
    }
}

tl::expected<CachedEndorsement, ServiceFailure> CollateralProvider::ask(
    const EndorsementId& id, const Endorsements& context, Time now, Fetcher::Deadline deadline) {
    if (!sleep_) {
        const auto until = not_before(id);
        if (Steady::now() < until) {
            const auto left = std::chrono::ceil<seconds>(until - Steady::now());
            return tl::make_unexpected(
                ServiceFailure{{Errc::collateral_throttled,
                                fmt::format("{}: asked for lately, without success; again in {} s",
                                            endorsement_words(id), left.count())},
                               left});
        }
    }
    auto bytes =
        ask_service(*fetcher_, services_, id, std::min(deadline, Steady::now() + kOneRequest));
    Endorsements issuers = context;
    cache_.add_issuers(id, issuers);
    if (bytes && std::holds_alternative<RootCrlId>(id))
        *bytes = with_root_certificates(*std::move(bytes), issuers);
    auto stored = bytes ? cache_.store(id, *bytes, issuers, now)
                        : Result<CheckedEndorsement>(tl::make_unexpected(bytes.error().error));
    if (stored) {
        patience_.erase(endorsement_name(id));
        patience_.erase(service_of(id));
        if (now >= refresh_time(*stored))
            newest_until_[endorsement_name(id)] = Steady::now() + kNewestLasts;
        return CachedEndorsement{*std::move(bytes), *std::move(stored)};
    }
    ServiceFailure failure =
        bytes ? ServiceFailure{stored.error(), std::nullopt} : std::move(bytes).error();
    note_failure(id, failure);
    return tl::make_unexpected(std::move(failure));
}

CollateralProvider::Steady::time_point CollateralProvider::not_before(
    const EndorsementId& id) const {
    Steady::time_point out{};
    for (const std::string& name : {endorsement_name(id), service_of(id)}) {
        if (const auto found = patience_.find(name); found != patience_.end())
            out = std::max(out, found->second.not_before);
    }
    return out;
}

seconds CollateralProvider::left_alone_for(const std::vector<Obtained>& obtained) const {
    auto first = Steady::time_point::max();
    for (const Obtained& one : obtained) {
        if (one.problem) first = std::min(first, not_before(one.id));
    }
    const auto now = Steady::now();
    if (first == Steady::time_point::max() || first <= now) return seconds::zero();
    return std::chrono::ceil<seconds>(first - now);
}

bool CollateralProvider::is_newest(const std::string& name) const {
    const auto known = newest_until_.find(name);
    return known != newest_until_.end() && Steady::now() < known->second;
}

void CollateralProvider::note_failure(const EndorsementId& id, const ServiceFailure& failure) {
    const bool throttled = failure.error.code == Errc::collateral_throttled;
    Patience& patience = patience_[throttled ? service_of(id) : endorsement_name(id)];
    const unsigned doublings = std::min(patience.num_failures++, 10U);
    const bool absent = failure.error.code == Errc::collateral_not_found ||
                        failure.error.code == Errc::collateral_gone;
    const seconds usual =
        absent ? kAbsenceLasts : std::min(kFirstWait * (1 << doublings), kLongestWait);
    const seconds wait = failure.retry_after.value_or(usual);
    patience.not_before = Steady::now() + wait + milliseconds(random_() % 500);
}

Result<std::vector<EndorsementId>> CollateralProvider::cached_ids() const {
    ATTESTD_TRY(const auto files, cache_.read_all_files());
    std::vector<EndorsementId> ids;
    for (const auto& [name, bytes] : files) {
        if (const auto id = endorsement_of_file(name)) ids.push_back(*id);
    }
    // Issuers before what they issued, and documents before the list whose root they bring.
    std::sort(ids.begin(), ids.end(),
              [](const EndorsementId& a, const EndorsementId& b) { return a.index() < b.index(); });
    return ids;
}

bool CollateralProvider::wants_renewal(const Obtained& one, Time now) {
    return !one.checked || now >= refresh_time(*one.checked);
}

std::optional<Time> CollateralProvider::next_refresh(const std::vector<Obtained>& obtained) {
    std::optional<Time> next;
    for (const Obtained& one : obtained) {
        if (!one.checked || !one.checked->dated) continue;
        const Time at = refresh_time(*one.checked);
        if (!next || at < *next) next = at;
    }
    return next;
}

}  // namespace attestd
