#include "quote/base/secret.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <mutex>

#include "quote/base/fd.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

namespace attestd {
namespace {

constexpr std::size_t kArenaLen = std::size_t{4} << 20;  // well within RLIMIT_MEMLOCK's usual 8 MiB
constexpr std::size_t kGranule = 64;                     // secrets do not share a cache line

constexpr std::size_t rounded(std::size_t len) noexcept {
    return (len + kGranule - 1) / kGranule * kGranule;
}

// First fit over a map of free ranges, which lives outside the arena and so cannot be overrun from
// it.
class Arena {
 public:
    Arena() noexcept {
        if (map_memfd_secret() || map_anonymous()) free_.emplace(0, kArenaLen);
    }

    SecretMemory kind() const noexcept { return kind_; }

    std::uint8_t* take(std::size_t len) {
        const std::size_t need = rounded(len);
        const std::lock_guard lock(mutex_);
        for (auto it = free_.begin(); it != free_.end(); ++it) {
            const auto [at, have] = *it;
            if (have < need) continue;
            free_.erase(it);
            if (have > need) free_.emplace(at + need, have - need);
            return base_ + at;
        }
        return nullptr;
    }

    void give_back(std::uint8_t* p, std::size_t len) noexcept {
        const std::lock_guard lock(mutex_);
        auto it = free_.emplace(static_cast<std::size_t>(p - base_), rounded(len)).first;
        if (auto next = std::next(it);
            next != free_.end() && it->first + it->second == next->first) {
            it->second += next->second;
            free_.erase(next);
        }
        if (it == free_.begin()) return;
        if (auto before = std::prev(it); before->first + before->second == it->first) {
            before->second += it->second;
            free_.erase(it);
        }
    }

 private:
    bool map_memfd_secret() noexcept {
        const Fd fd(static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC)));
        if (!fd || ::ftruncate(fd.get(), kArenaLen) != 0) return false;
        void* p = ::mmap(nullptr, kArenaLen, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        if (p == MAP_FAILED) return false;
        // A shared mapping would stay readable in a forked child.
        if (::madvise(p, kArenaLen, MADV_DONTFORK) != 0) {
            ::munmap(p, kArenaLen);
            return false;
        }
        base_ = static_cast<std::uint8_t*>(p);
        kind_ = SecretMemory::memfd_secret;
        return true;
    }

    bool map_anonymous() noexcept {
        void* p =
            ::mmap(nullptr, kArenaLen, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return false;
        const bool hidden = ::madvise(p, kArenaLen, MADV_DONTDUMP) == 0 &&
                            ::madvise(p, kArenaLen, MADV_WIPEONFORK) == 0;
        const bool locked = ::mlock2(p, kArenaLen, MLOCK_ONFAULT) == 0;
        base_ = static_cast<std::uint8_t*>(p);
        kind_ = hidden && locked ? SecretMemory::locked : SecretMemory::unlocked;
        return true;
    }

    std::mutex mutex_;
    std::map<std::size_t, std::size_t> free_;  // offset -> length, neighbours merged
    std::uint8_t* base_ = nullptr;
    SecretMemory kind_ = SecretMemory::unlocked;
};

// Never destroyed: a secret in a static object may outlive any order of destruction.
Arena& arena() noexcept {
    static Arena* const instance = new Arena;
    return *instance;
}

}  // namespace

SecretMemory secret_memory() noexcept { return arena().kind(); }

void wipe_bytes(std::span<std::uint8_t> bytes) noexcept {
    OPENSSL_cleanse(bytes.data(), bytes.size());
}

void wipe_text(std::string& text) noexcept {
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    at_ = std::exchange(other.at_, nullptr);
    len_ = std::exchange(other.len_, 0);
    return *this;
}

void Secret::wipe() noexcept {
    if (at_ == nullptr) return;
    wipe_bytes({at_, len_});
    arena().give_back(at_, len_);
    at_ = nullptr;
    len_ = 0;
}

void Secret::truncate(std::size_t len) noexcept {
    assert(len <= len_);
    if (at_ == nullptr || len >= len_) return;
    wipe_bytes({at_ + len, len_ - len});
    const std::size_t keep = rounded(len);
    const std::size_t have = rounded(len_);
    if (have > keep) arena().give_back(at_ + keep, have - keep);
    len_ = len;
    if (len == 0) at_ = nullptr;
}

Result<Secret> Secret::zeroed(std::size_t len) {
    if (len == 0) return Secret();
    std::uint8_t* const at = len <= kArenaLen ? arena().take(len) : nullptr;
    if (at == nullptr) {
        return fail(
            Errc::memory_locked,
            fmt::format("no {} bytes left in the memory for secrets ({} in all)", len, kArenaLen));
    }
    std::fill_n(at, len, std::uint8_t{0});
    return Secret(at, len);
}

Result<Secret> Secret::copy_of(ByteView bytes) {
    ATTESTD_TRY(Secret out, zeroed(bytes.size()));
    std::copy(bytes.begin(), bytes.end(), out.at_);
    return out;
}

Result<Secret> Secret::random(std::size_t len) {
    ATTESTD_TRY(Secret out, zeroed(len));
    if (RAND_priv_bytes_ex(nullptr, out.at_, len, 0) != 1) {
        return fail(Errc::crypto_failed, "the random generator gave no bytes");
    }
    return out;
}

}  // namespace attestd
