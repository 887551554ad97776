// Vault: the sources of secrets and, in locked memory, what they gave out under the present
// session.
//
// HashiCorp's product of the same name is one of the sources (agent/hashivault/).
//
// A cached value serves only grants of the epoch under which it was read. Everything is wiped when
// the session ends, when the policy changes, and at shutdown.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "agent/source.h"
#include "agent/sources/remote_source.h"
#include "agent/sources/standing.h"
#include "agent/store_source.h"
#include "agent/task.h"

namespace attestd {

class Vault final {
 public:
    /// A remote source, and the strand by which alone it is asked.
    struct Asked {
        std::shared_ptr<RemoteSource> source;
        Strand strand;
        std::vector<std::string> behind{};  ///< names of the sources that it asks in its turn
    };
    using Remotes = std::map<std::string, Asked, std::less<>>;

    /// `platform_strand` serialises all calls to the platform, which opening a store makes; the
    /// stores' own work runs on `store_strand`.
    /// `holds` says whether a grant is still worth something; it is asked on the loop's thread.
    Vault(Strand platform_strand, Strand store_strand, Platform& platform,
          const std::map<std::string, StoreSourceConfig, std::less<>>& stores,
          std::function<bool(const Grant&)> holds);

    /// Called once. The strands' pool needs a thread for each: a service that hangs delays nobody
    /// else.
    void set_remotes(Remotes remotes);

    /// Has each remote source renew what ends before long, until stop(). Called once.
    void start_upkeep(Io& io);
    void stop();

    /// Opens what is not open yet and logs what cannot be opened. A store's `remote` slot takes a
    /// secret of another source, under `policy` and while `session` affirms.
    [[nodiscard]] Task<void> open_stores(PolicyPtr policy, std::optional<Affirmation> session);

    /// The secret that `grant` names: from memory, else from its source. Who asks a remote source
    /// for what is being read already shares that answer.
    [[nodiscard]] Task<Result<SourcedSecret>> get(Grant grant);
    /// The token that `grant`, decide_token()'s, names, of the key broker that issues it. Never
    /// kept here. Errors of RemoteSource::give_token().
    [[nodiscard]] Task<Result<GivenToken>> give_token(Grant grant, KeyExport key);
    /// The same from memory alone; null when it is not there. Good until the next call.
    [[nodiscard]] const SourcedSecret* cached(const Grant& grant) const noexcept;

    /// For administrators: each returns what the store says. Errc::not_found for an unknown source,
    /// Errc::store_locked for one that is not open.
    [[nodiscard]] Task<Result<std::uint64_t>> put(std::string source, SecretName name,
                                                  Secret value);
    [[nodiscard]] Task<Result<std::uint64_t>> rotate(std::string source, SecretName name,
                                                     Rotation how);
    /// As put(), of a secret that is there.
    [[nodiscard]] Task<Result<std::uint64_t>> replace(std::string source, SecretName name,
                                                      Secret value);
    /// All of `secrets` or none (SealedStore::put_all).
    [[nodiscard]] Task<Result<std::vector<std::uint64_t>>> put_all(
        std::string source, std::shared_ptr<const std::vector<NewSecret>> secrets,
        ExistingSecrets existing);
    /// For a hand-over, which is the caller's to judge (StoreSource::get_all).
    [[nodiscard]] Task<Result<std::vector<NewSecret>>> get_all(std::string source,
                                                               std::vector<SecretName> names,
                                                               std::size_t max_len);
    [[nodiscard]] Task<Result<void>> remove(std::string source, SecretName name);
    [[nodiscard]] Task<Result<StoreListing>> list(std::string source);
    [[nodiscard]] Task<Result<StoreStatus>> status(std::string source);
    [[nodiscard]] Task<Result<std::uint32_t>> add_recovery_slot(std::string source,
                                                                std::string public_pem);
    [[nodiscard]] Task<Result<std::uint32_t>> add_platform_slot(std::string source, SlotKind kind);
    /// `grant` is decide_slot()'s for this source. Errc::grant_expired when it holds no more once
    /// the secret has come.
    [[nodiscard]] Task<Result<std::uint32_t>> add_remote_slot(std::string source, Grant grant);
    [[nodiscard]] Task<Result<void>> drop_slot(std::string source, std::uint32_t number);

    /// Wipes every value held here, and ends the logins at remote sources.
    void wipe() noexcept;
    [[nodiscard]] std::size_t num_cached() const noexcept { return cache_.size(); }

    struct SourceState {
        bool is_open = false;
        std::string error;  ///< why not
        Standing standing;  ///< of reads
    };
    [[nodiscard]] std::map<std::string, SourceState> states() const;

    struct RemoteState {
        std::string_view type;
        Standing standing;  ///< of reads
        RemoteStatus status;
    };
    /// Of the remote sources, as of the last time that they were asked.
    [[nodiscard]] std::map<std::string, RemoteState> remote_states() const;

    /// While it lives, a wait for `timer` ends, or does not begin, once a secret may have changed.
    class Subscription final {
     public:
        Subscription(Vault& vault, Timer& timer) : vault_(vault), timer_(timer) {
            vault_.waiting_.insert(&timer_);
        }
        ~Subscription() { vault_.waiting_.erase(&timer_); }
        Subscription(const Subscription&) = delete;
        Subscription& operator=(const Subscription&) = delete;

     private:
        Vault& vault_;
        Timer& timer_;
    };
    /// Wakes all who wait: also for a new session or policy.
    void notify();

 private:
    struct Entry {
        std::shared_ptr<StoreSource> source;
        SourceState state;
    };
    struct Remote {
        Asked asked;
        Standing standing;
        RemoteStatus status;
        std::unique_ptr<Timer> wake;  // its upkeep waits for it
        bool has_news = false;        // another source asked it: its status is to be looked at
    };
    struct Reading;
    struct Cached {
        SourcedSecret secret;
        std::uint64_t epoch;
    };
    using Key = std::pair<std::string, std::string>;  // (source, resource)
    struct KeyLess {
        using is_transparent = void;
        using View = std::pair<std::string_view, std::string_view>;
        static View view(const View& key) noexcept { return key; }
        static View view(const Key& key) noexcept { return {key.first, key.second}; }
        template <class A, class B>
        bool operator()(const A& a, const B& b) const noexcept {
            return view(a) < view(b);
        }
    };
    void keep(Key key, const SourcedSecret& secret, std::uint64_t epoch);
    [[nodiscard]] Result<std::shared_ptr<StoreSource>> opened(const std::string& source) const;
    void forget(const std::string& source, const SecretName& name);
    [[nodiscard]] Task<Result<SourcedSecret>> read(Grant grant);
    [[nodiscard]] Task<Result<SourcedSecret>> read_from(std::string remote, Grant grant);
    [[nodiscard]] Task<Result<SourcedSecret>> share_reading(std::string remote, Grant grant);
    [[nodiscard]] Task<Result<SourcedSecret>> read_store(std::string store, Grant grant);
    [[nodiscard]] Task<void> keep_up(Remote& remote);
    static void take_status(Remote& remote, RemoteStatus status);
    void clear_cache() noexcept;
    [[nodiscard]] Task<Result<SourcedSecret>> read_for_slot(Grant grant);
    [[nodiscard]] Task<Result<Secret>> slot_secret(std::string store, PolicyPtr policy,
                                                   std::optional<Affirmation> session);
    template <class R, class F>
    Task<Result<R>> on_store(std::string source, F work);

    Strand platform_strand_, store_strand_;
    std::function<bool(const Grant&)> holds_;
    std::map<std::string, Entry, std::less<>> sources_;
    std::map<std::string, Remote, std::less<>> remotes_;
    std::vector<std::shared_ptr<Reading>> readings_;  // asked of remote sources and not answered
    std::map<Key, Cached, KeyLess> cache_;
    std::size_t cached_len_ = 0;
    std::set<Timer*> waiting_;
    bool stopping_ = false;
    std::uint64_t generation_ = 0;  // of the values: a read that a change overtook is not kept
};

}  // namespace attestd
