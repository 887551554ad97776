// Reader: the one way in which hostile bytes become numbers and ranges.
//
// It never reads past its end, never hands out a pointer, and names in each error the field and the
// byte offset within the whole input.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

class Reader {
 public:
    /// Reads `in`, which must outlive the reader and all ranges taken from it. `base` is the offset
    /// of in[0] within the whole input; it appears in errors only.
    explicit Reader(ByteView in, std::size_t base = 0) noexcept : in_(in), base_(base) {}

    [[nodiscard]] Result<std::uint8_t> u8(std::string_view what);
    [[nodiscard]] Result<std::uint16_t> u16le(std::string_view what);
    [[nodiscard]] Result<std::uint32_t> u32le(std::string_view what);
    [[nodiscard]] Result<std::uint64_t> u64le(std::string_view what);

    /// The next n bytes, as a range into the input. Errc::truncated when fewer are left.
    [[nodiscard]] Result<ByteView> bytes(std::size_t n, std::string_view what);

    /// The next N bytes, copied.
    template <std::size_t N>
    [[nodiscard]] Result<ByteArray<N>> array(std::string_view what) {
        ATTESTD_TRY(const ByteView view, bytes(N, what));
        ByteArray<N> out;
        std::copy(view.begin(), view.end(), out.begin());
        return out;
    }

    /// A reader of the next n bytes: the way to read a part that carries its own length.
    [[nodiscard]] Result<Reader> sub(std::size_t n, std::string_view what);

    /// Skips n bytes that must be zero. Errc::reserved_not_zero names the first that is not.
    [[nodiscard]] Result<void> zeros(std::size_t n, std::string_view what);

    /// Errc::trailing_bytes when anything is left.
    [[nodiscard]] Result<void> finish(std::string_view what) const;

    [[nodiscard]] std::size_t remaining() const noexcept { return in_.size() - at_; }
    /// Offset of the next byte within the whole input.
    [[nodiscard]] std::size_t offset() const noexcept { return base_ + at_; }
    [[nodiscard]] ByteView rest() const noexcept { return in_.subspan(at_); }

    /// An error about `what` that names the offset of the next byte.
    [[nodiscard]] tl::unexpected<Error> fail_here(Errc code, std::string_view what,
                                                  std::string_view why) const;

 private:
    template <class T>
    Result<T> little_endian(std::string_view what);

    ByteView in_;
    std::size_t base_;
    std::size_t at_ = 0;
};

/// The unsigned number stored at `bytes`, least significant byte first; sizeof(T) bytes are read.
template <class T>
[[nodiscard]] constexpr T load_le(std::span<const std::uint8_t, sizeof(T)> bytes) noexcept {
    T value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) value = static_cast<T>((value << 8) | bytes[i]);
    return value;
}

}  // namespace attestd
