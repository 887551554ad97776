// Memory: things that were verified, found again by the digest of the exact bytes they were
// verified from.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "quote/base/digest.h"
#include "quote/base/time.h"

namespace attestd {

/// Holds at most `capacity` values; the one that was longest unused goes first. A value is found
/// only within its own `validity`; outside of it, it is forgotten. One thread at a time.
template <class T>
class Memory final {
 public:
    explicit Memory(std::size_t capacity) : capacity_(capacity) {}

    /// The value remembered under `key` that is valid at `now`, or null.
    [[nodiscard]] std::shared_ptr<const T> find(const Sha256& key, Time now) {
        const auto it = index_.find(key);
        if (it == index_.end()) return nullptr;
        if (!it->second->second->validity.contains(now)) {
            entries_.erase(it->second);
            index_.erase(it);
            return nullptr;
        }
        entries_.splice(entries_.begin(), entries_, it->second);
        return it->second->second;
    }

    void remember(const Sha256& key, std::shared_ptr<const T> value) {
        if (index_.contains(key)) return;
        entries_.emplace_front(key, std::move(value));
        index_.emplace(key, entries_.begin());
        if (entries_.size() <= capacity_) return;
        index_.erase(entries_.back().first);
        entries_.pop_back();
    }

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
    using Entries = std::list<std::pair<Sha256, std::shared_ptr<const T>>>;

    // A digest is as good a hash as any of its parts.
    struct FirstBytes {
        std::size_t operator()(const Sha256& key) const noexcept {
            std::size_t out = 0;
            for (std::size_t i = 0; i < sizeof out; ++i) out = out << 8 | key[i];
            return out;
        }
    };

    std::size_t capacity_;
    Entries entries_;
    std::unordered_map<Sha256, typename Entries::iterator, FirstBytes> index_;
};

}  // namespace attestd
