// Secret: bytes that must never be seen outside the place that uses them.
//
// All secrets live in one arena that is kept out of swap, core files and forked children
// (memfd_secret where the kernel has it, locked pages elsewhere), are wiped when they end, compare
// in constant time, and cannot be printed: a log line holding one does not compile.
#pragma once

#include <fmt/core.h>

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

enum class SecretMemory : std::uint8_t {
    memfd_secret,  ///< not even the kernel's own map of memory holds these pages
    locked,        ///< locked against swap, left out of core files, wiped on fork
    unlocked,      ///< as above, but the pages may reach swap (RLIMIT_MEMLOCK is too small)
};

/// What the arena could obtain; the first call sets it up (4 MiB). Thread-safe.
[[nodiscard]] SecretMemory secret_memory() noexcept;

class Secret final {
 public:
    /// An empty secret.
    Secret() noexcept = default;
    Secret(Secret&& other) noexcept
        : at_(std::exchange(other.at_, nullptr)), len_(std::exchange(other.len_, 0)) {}
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { wipe(); }

    /// A secret of `len` zero bytes. Errc::memory_locked when the arena has no room left.
    [[nodiscard]] static Result<Secret> zeroed(std::size_t len);
    /// A copy of `bytes`; the caller wipes the original.
    [[nodiscard]] static Result<Secret> copy_of(ByteView bytes);
    /// `len` bytes from the random generator for private values. Errc::crypto_failed.
    [[nodiscard]] static Result<Secret> random(std::size_t len);

    [[nodiscard]] std::size_t size() const noexcept { return len_; }
    [[nodiscard]] bool empty() const noexcept { return len_ == 0; }

    /// Calls `use` with the bytes and returns its result. The view ends with the call. Searching
    /// the source for `expose(` lists every place in which a secret is looked at.
    template <std::invocable<ByteView> F>
    decltype(auto) expose(F&& use) const {
        return std::forward<F>(use)(ByteView{at_, len_});
    }
    /// The same for writing: how a secret is filled without a copy elsewhere.
    template <std::invocable<std::span<std::uint8_t>> F>
    decltype(auto) fill(F&& write) {
        return std::forward<F>(write)(std::span<std::uint8_t>{at_, len_});
    }

    /// Cuts the secret to its first `len` bytes; the rest is wiped. `len` is at most size().
    void truncate(std::size_t len) noexcept;

    /// A second secret with the same bytes. Errc::memory_locked.
    [[nodiscard]] Result<Secret> clone() const { return copy_of({at_, len_}); }

    /// Equality in time that depends on the length alone.
    [[nodiscard]] friend bool operator==(const Secret& a, const Secret& b) noexcept {
        return equal_constant_time({a.at_, a.len_}, {b.at_, b.len_});
    }

    template <class Stream>
    friend Stream& operator<<(Stream&, const Secret&) = delete;

 private:
    Secret(std::uint8_t* at, std::size_t len) noexcept : at_(at), len_(len) {}
    void wipe() noexcept;

    std::uint8_t* at_ = nullptr;  // in the arena
    std::size_t len_ = 0;
};

/// Overwrites a buffer that carried a secret on its way (a wire buffer, a decoding).
void wipe_bytes(std::span<std::uint8_t> bytes) noexcept;
/// The same of a text, which is empty then.
void wipe_text(std::string& text) noexcept;

}  // namespace attestd

template <typename Char>
struct fmt::formatter<attestd::Secret, Char, void> {
    formatter() = delete;
};
