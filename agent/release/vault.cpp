#include "agent/release/vault.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/clock.h"
#include "agent/log.h"

namespace attestd {
namespace {

// The memory for secrets is small (quote/base/secret.h) and also carries those on their way: what
// is large is read again each time.
constexpr std::size_t kMaxCachedLen = std::size_t{1} << 20;
constexpr std::size_t kMaxCachedOne = std::size_t{64} << 10;
// Of the upkeep: CLOCK_BOOTTIME goes on while timers sleep with the machine.
constexpr std::chrono::seconds kLongestSleep{60};
constexpr std::chrono::seconds kUpkeepPause{1};

// What is wrong with the form of an answer is its sender's fault, and no caller's: their codes are
// those of requests.
tl::unexpected<Error> of_upstream(const Error& error) {
    const std::string_view name = errc_name(error.code);
    if (!name.starts_with("parse.") || error.code == Errc::too_large)
        return tl::make_unexpected(error);
    return fail(Errc::protocol, to_string(error));
}

}  // namespace

Vault::Vault(Strand platform_strand, Strand store_strand, Platform& platform,
             const std::map<std::string, StoreSourceConfig, std::less<>>& stores,
             std::function<bool(const Grant&)> holds)
    : platform_strand_(std::move(platform_strand)),
      store_strand_(std::move(store_strand)),
      holds_(std::move(holds)) {
    for (const auto& [name, config] : stores) {
        sources_[name].source = std::make_shared<StoreSource>(config, platform);
    }
}

void Vault::set_remotes(Remotes remotes) {
    for (auto& [name, asked] : remotes)
        remotes_.emplace(name, Remote{std::move(asked), {}, {}, nullptr, false});
}

void Vault::start_upkeep(Io& io) {
    for (auto& [name, remote] : remotes_) {
        remote.wake = std::make_unique<Timer>(io);
        spawn(io, keep_up(remote));
    }
}

void Vault::stop() {
    stopping_ = true;
    for (auto& [name, remote] : remotes_) {
        if (remote.wake != nullptr) remote.wake->cancel();
    }
}

void Vault::take_status(Remote& remote, RemoteStatus status) {
    const bool is_news = status.upkeep_at != remote.status.upkeep_at;
    remote.status = std::move(status);
    if (is_news && remote.wake != nullptr) remote.wake->cancel();
}

Task<void> Vault::keep_up(Remote& remote) {
    while (!stopping_) {
        if (remote.has_news) {
            remote.has_news = false;
            auto look = [source = remote.asked.source] {
                return Result<RemoteStatus>(source->status());
            };
            auto status = co_await run_blocking(remote.asked.strand, std::move(look));
            if (status) take_status(remote, *std::move(status));
            continue;
        }
        const BootTime now = BootClock::now();
        const auto due = remote.status.upkeep_at;
        if (!due || *due > now) {
            const BootClock::duration sleep = due ? *due - now : kLongestSleep;
            remote.wake->expires_after(std::min<BootClock::duration>(sleep, kLongestSleep));
            co_await wait_for(*remote.wake);
            continue;
        }
        struct Kept {
            Result<void> done;
            RemoteStatus status;
        };
        auto work = [source = remote.asked.source]() -> Result<Kept> {
            auto done = source->upkeep();
            return Kept{std::move(done), source->status()};
        };
        auto kept = co_await run_blocking(remote.asked.strand, std::move(work));
        if (kept && !kept->done && !stopping_) {
            log_event(LogLevel::warn, "source.not-renewed",
                      {{"type", std::string(remote.asked.source->type())},
                       {"why", to_string(kept->done.error())},
                       {"effect", "what it gave serves until its end"}});
        }
        if (kept) take_status(remote, std::move(kept->status));
        if (stopping_) break;
        // Whatever the source says: it is not asked again and again.
        remote.wake->expires_after(kUpkeepPause);
        co_await wait_for(*remote.wake);
    }
}

// Who asks for the same, of the same session and policy, waits for one answer.
struct Vault::Reading {
    Reading(Executor home, Key what, std::uint64_t of_epoch, std::uint64_t of_generation)
        : key(std::move(what)), epoch(of_epoch), generation(of_generation), done(home) {}

    Key key;
    std::uint64_t epoch, generation;
    WaitList done;
    std::optional<Result<SourcedSecret>> result;
};

Task<Result<SourcedSecret>> Vault::read_from(std::string remote, Grant grant) {
    struct Given {
        Result<SourcedSecret> secret;
        RemoteStatus status;
    };
    Remote& entry = remotes_.find(remote)->second;
    auto work = [source = entry.asked.source, grant = std::move(grant)]() -> Result<Given> {
        auto secret = source->get(grant);
        return Given{std::move(secret), source->status()};
    };
    auto given = co_await run_blocking(entry.asked.strand, std::move(work));
    if (!given) co_return tl::make_unexpected(std::move(given).error());
    entry.standing.note(given->secret, wall_now());
    take_status(entry, std::move(given->status));
    for (const std::string& name : entry.asked.behind) {
        const auto other = remotes_.find(name);
        if (other == remotes_.end() || other->second.wake == nullptr) continue;
        other->second.has_news = true;
        other->second.wake->cancel();
    }
    if (!given->secret) co_return of_upstream(given->secret.error());
    co_return std::move(given->secret);
}

Task<Result<GivenToken>> Vault::give_token(Grant grant, KeyExport key) {
    const auto remote = remotes_.find(grant.secret().source);
    if (remote == remotes_.end())
        co_return fail(Errc::identity_unavailable, "no source of tokens has that name");
    Remote& entry = remote->second;
    auto work = [source = entry.asked.source, grant = std::move(grant), key] {
        return source->give_token(grant, key);
    };
    auto given = co_await run_blocking(entry.asked.strand, std::move(work));
    entry.standing.note(given, wall_now());
    if (!given) co_return of_upstream(given.error());
    co_return given;
}

Task<Result<SourcedSecret>> Vault::share_reading(std::string remote, Grant grant) {
    const Key key(remote, grant.secret().resource);
    std::shared_ptr<Reading> same;
    for (const auto& other : readings_) {
        if (other->key == key && other->epoch == grant.epoch() && other->generation == generation_)
            same = other;
    }
    if (same != nullptr) {
        while (!same->result) co_await same->done.wait();
        co_return *same->result;
    }
    const Executor home = co_await asio::this_coro::executor;
    const auto own = std::make_shared<Reading>(home, key, grant.epoch(), generation_);
    readings_.push_back(own);
    auto result = co_await read_from(std::move(remote), std::move(grant));
    own->result = std::move(result);
    std::erase(readings_, own);
    own->done.notify_all();
    co_return *own->result;
}

Task<Result<SourcedSecret>> Vault::read_store(std::string store, Grant grant) {
    auto work = [grant = std::move(grant)](StoreSource& source) { return source.get(grant); };
    auto secret = co_await on_store<SourcedSecret>(store, std::move(work));
    const auto entry = sources_.find(store);
    if (entry != sources_.end()) entry->second.state.standing.note(secret, wall_now());
    co_return secret;
}

Task<Result<SourcedSecret>> Vault::read(Grant grant) {
    std::string source = grant.secret().source;
    if (remotes_.contains(source))
        co_return co_await share_reading(std::move(source), std::move(grant));
    co_return co_await read_store(std::move(source), std::move(grant));
}

// A remote source may take minutes: whether the grant holds is asked again when it has answered.
Task<Result<SourcedSecret>> Vault::read_for_slot(Grant grant) {
    auto secret = co_await read(grant);
    if (secret && !holds_(grant))
        co_return fail(Errc::grant_expired, std::string(errc_meaning(Errc::grant_expired)));
    co_return secret;
}

// The secret of a store's `remote` slot, for attestd itself.
Task<Result<Secret>> Vault::slot_secret(std::string store, PolicyPtr policy,
                                        std::optional<Affirmation> session) {
    auto grant = decide_slot(policy, store, session, BootClock::now());
    if (!grant) co_return tl::make_unexpected(std::move(grant).error());
    const auto secret = co_await read_for_slot(*std::move(grant));
    if (!secret) co_return tl::make_unexpected(secret.error());
    co_return secret->value->clone();
}

Task<void> Vault::open_stores(PolicyPtr policy, std::optional<Affirmation> session) {
    for (auto& [name, entry] : sources_) {
        if (entry.state.is_open) continue;
        std::optional<Secret> remote;
        std::string no_remote;  // why not
        if (policy->slot_secrets.contains(name)) {
            auto secret = co_await slot_secret(name, policy, session);
            if (secret)
                remote = *std::move(secret);
            else
                no_remote = "; remote slot: " + to_string(secret.error());
        }
        auto work = [source = entry.source, secret = std::move(remote)] {
            return source->open(secret);
        };
        const auto opened = co_await run_blocking(platform_strand_, std::move(work));
        entry.state.is_open = opened.has_value();
        const std::string error = opened ? std::string() : to_string(opened.error()) + no_remote;
        if (opened) log_event(LogLevel::info, "store.open", {{"source", name}});
        if (!opened && entry.state.error != error) {
            log_event(LogLevel::error, "store.not-open", {{"source", name}, {"why", error}});
        }
        entry.state.error = error;
        if (opened) notify();  // another store's slot may wait for this one
    }
}

Result<std::shared_ptr<StoreSource>> Vault::opened(const std::string& source) const {
    const auto it = sources_.find(source);
    if (const auto remote = remotes_.find(source); remote != remotes_.end()) {
        return fail(Errc::bad_request,
                    fmt::format("source \"{}\" is of type \"{}\": its secrets are kept there",
                                source, remote->second.asked.source->type()));
    }
    if (it == sources_.end())
        return fail(Errc::not_found, "no source is called \"" + source + "\"");
    if (!it->second.state.is_open) return fail(Errc::store_locked, it->second.state.error);
    return it->second.source;
}

template <class R, class F>
Task<Result<R>> Vault::on_store(std::string source, F work) {
    auto store = opened(source);
    if (!store) co_return tl::make_unexpected(std::move(store).error());
    auto job = [store = *store, work = std::move(work)]() mutable { return work(*store); };
    co_return co_await run_blocking(store_strand_, std::move(job));
}

const SourcedSecret* Vault::cached(const Grant& grant) const noexcept {
    const auto it = cache_.find(KeyLess::View(grant.secret().source, grant.secret().resource));
    if (it == cache_.end() || it->second.epoch != grant.epoch()) return nullptr;
    const auto& expires = it->second.secret.expires;
    if (expires && *expires <= BootClock::now()) return nullptr;
    return &it->second.secret;
}

Task<Result<SourcedSecret>> Vault::get(Grant grant) {
    if (const SourcedSecret* const here = cached(grant)) co_return *here;
    auto key = std::make_pair(grant.secret().source, grant.secret().resource);
    const std::uint64_t generation = generation_;
    const std::uint64_t epoch = grant.epoch();
    auto secret = co_await read(std::move(grant));
    if (secret && generation == generation_) {
        keep(std::move(key), *secret, epoch);
    }
    co_return secret;
}

void Vault::notify() {
    // Not cancel(): that would be lost on one who is about to wait.
    for (Timer* const timer : waiting_) timer->expires_at(Timer::time_point::min());
}

void Vault::clear_cache() noexcept {
    cache_.clear();
    cached_len_ = 0;
    ++generation_;
}

void Vault::wipe() noexcept {
    clear_cache();
    for (auto& [name, remote] : remotes_) {
        asio::post(remote.asked.strand, [source = remote.asked.source] { source->forget(); });
        remote.status.login_expires.reset();
        remote.status.lease_expires.reset();
        remote.status.upkeep_at.reset();
    }
}

void Vault::keep(Key key, const SourcedSecret& secret, std::uint64_t epoch) {
    const std::size_t len = secret.value->size();
    if (len > kMaxCachedOne) return;
    if (const auto old = cache_.find(key); old != cache_.end()) {
        cached_len_ -= old->second.secret.value->size();
        cache_.erase(old);
    }
    if (cached_len_ + len > kMaxCachedLen) clear_cache();
    cache_.emplace(std::move(key), Cached{secret, epoch});
    cached_len_ += len;
}

void Vault::forget(const std::string& source, const SecretName& name) {
    if (const auto it = cache_.find(KeyLess::View(source, name.text())); it != cache_.end()) {
        cached_len_ -= it->second.secret.value->size();
        cache_.erase(it);
    }
    ++generation_;
    notify();
}

Task<Result<std::uint64_t>> Vault::put(std::string source, SecretName name, Secret value) {
    auto work = [name, value = std::move(value)](StoreSource& store) {
        return store.put(name, value);
    };
    auto version = co_await on_store<std::uint64_t>(source, std::move(work));
    forget(source, name);
    co_return version;
}

Task<Result<std::uint64_t>> Vault::replace(std::string source, SecretName name, Secret value) {
    auto work = [name, value = std::move(value)](StoreSource& store) {
        return store.replace(name, value);
    };
    auto version = co_await on_store<std::uint64_t>(source, std::move(work));
    forget(source, name);
    co_return version;
}

Task<Result<std::vector<std::uint64_t>>> Vault::put_all(
    std::string source, std::shared_ptr<const std::vector<NewSecret>> secrets,
    ExistingSecrets existing) {
    auto work = [secrets, existing](StoreSource& store) {
        return store.put_all(*secrets, existing);
    };
    auto versions = co_await on_store<std::vector<std::uint64_t>>(source, std::move(work));
    for (const NewSecret& secret : *secrets) forget(source, secret.name);
    co_return versions;
}

Task<Result<std::vector<NewSecret>>> Vault::get_all(std::string source,
                                                    std::vector<SecretName> names,
                                                    std::size_t max_len) {
    auto work = [names = std::move(names), max_len](StoreSource& store) {
        return store.get_all(names, max_len);
    };
    co_return co_await on_store<std::vector<NewSecret>>(std::move(source), std::move(work));
}

Task<Result<std::uint64_t>> Vault::rotate(std::string source, SecretName name, Rotation how) {
    auto work = [name, how](StoreSource& store) { return store.rotate(name, how); };
    auto version = co_await on_store<std::uint64_t>(source, std::move(work));
    forget(source, name);
    co_return version;
}

Task<Result<std::uint32_t>> Vault::add_recovery_slot(std::string source, std::string public_pem) {
    auto work = [pem = std::move(public_pem)](StoreSource& store) {
        return store.add_recovery_slot(as_bytes(pem));
    };
    co_return co_await on_store<std::uint32_t>(std::move(source), std::move(work));
}

Task<Result<std::uint32_t>> Vault::add_platform_slot(std::string source, SlotKind kind) {
    const auto store = opened(source);
    if (!store) co_return tl::make_unexpected(store.error());
    auto ask = [kept = *store, kind] { return kept->make_platform_slot_key(kind); };
    auto made = co_await run_blocking(platform_strand_, std::move(ask));
    if (!made) co_return tl::make_unexpected(std::move(made).error());
    auto work = [kind, made = *std::move(made)](StoreSource& opened_store) mutable {
        return opened_store.add_platform_slot(kind, std::move(made));
    };
    co_return co_await on_store<std::uint32_t>(std::move(source), std::move(work));
}

Task<Result<std::uint32_t>> Vault::add_remote_slot(std::string source, Grant grant) {
    const auto secret = co_await read_for_slot(std::move(grant));
    if (!secret) co_return tl::make_unexpected(secret.error());
    auto work = [value = secret->value](StoreSource& store) {
        return store.add_remote_slot(*value);
    };
    co_return co_await on_store<std::uint32_t>(std::move(source), std::move(work));
}

Task<Result<void>> Vault::drop_slot(std::string source, std::uint32_t number) {
    auto work = [number](StoreSource& store) { return store.drop_slot(number); };
    co_return co_await on_store<void>(std::move(source), std::move(work));
}

Task<Result<void>> Vault::remove(std::string source, SecretName name) {
    auto work = [name](StoreSource& store) { return store.remove(name); };
    auto removed = co_await on_store<void>(source, std::move(work));
    forget(source, name);
    co_return removed;
}

Task<Result<StoreListing>> Vault::list(std::string source) {
    auto work = [](StoreSource& store) { return store.list(); };
    co_return co_await on_store<StoreListing>(std::move(source), std::move(work));
}

Task<Result<StoreStatus>> Vault::status(std::string source) {
    auto work = [](StoreSource& store) { return store.status(); };
    co_return co_await on_store<StoreStatus>(std::move(source), std::move(work));
}

std::map<std::string, Vault::SourceState> Vault::states() const {
    std::map<std::string, SourceState> out;
    for (const auto& [name, entry] : sources_) out.emplace(name, entry.state);
    return out;
}

std::map<std::string, Vault::RemoteState> Vault::remote_states() const {
    std::map<std::string, RemoteState> out;
    for (const auto& [name, remote] : remotes_) {
        out.emplace(name, RemoteState{remote.asked.source->type(), remote.standing, remote.status});
    }
    return out;
}

}  // namespace attestd
