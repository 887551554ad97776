// Writer: fields one after another, as the evidence formats lay them out (little-endian).
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <utility>

#include "quote/base/bytes.h"

namespace attestd::forge {

class Writer final {
 public:
    template <std::unsigned_integral T>
    Writer& le(T value) {
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            out_.push_back(static_cast<std::uint8_t>(value & 0xff));
            if constexpr (sizeof(T) > 1) value = static_cast<T>(value >> 8);
        }
        return *this;
    }
    Writer& u8(std::uint8_t value) { return le(value); }
    Writer& u16(std::uint16_t value) { return le(value); }
    Writer& u32(std::uint32_t value) { return le(value); }
    Writer& u64(std::uint64_t value) { return le(value); }
    Writer& bytes(ByteView view) {
        out_.insert(out_.end(), view.begin(), view.end());
        return *this;
    }
    Writer& zeros(std::size_t len) {
        out_.insert(out_.end(), len, 0);
        return *this;
    }
    /// Zero bytes up to offset `end`; nothing when the writer is already there or beyond.
    Writer& zeros_to(std::size_t end) { return zeros(end > out_.size() ? end - out_.size() : 0); }

    [[nodiscard]] std::size_t size() const noexcept { return out_.size(); }
    [[nodiscard]] Bytes take() && { return std::move(out_); }

 private:
    Bytes out_;
};

/// The parts, one after another.
[[nodiscard]] inline Bytes concat(std::initializer_list<ByteView> parts) {
    Writer out;
    for (const ByteView part : parts) out.bytes(part);
    return std::move(out).take();
}

}  // namespace attestd::forge
