#include "quote/base/reader.h"

#include <fmt/format.h>

namespace attestd {

tl::unexpected<Error> Reader::fail_here(Errc code, std::string_view what,
                                        std::string_view why) const {
    return fail(code, fmt::format("{} at byte {}: {}", what, offset(), why));
}

Result<ByteView> Reader::bytes(std::size_t n, std::string_view what) {
    if (n > remaining()) {
        return fail_here(Errc::truncated, what,
                         fmt::format("needs {} bytes, {} are left", n, remaining()));
    }
    const ByteView out = in_.subspan(at_, n);
    at_ += n;
    return out;
}

template <class T>
Result<T> Reader::little_endian(std::string_view what) {
    ATTESTD_TRY(const ByteView view, bytes(sizeof(T), what));
    return load_le<T>(view.first<sizeof(T)>());
}

Result<std::uint8_t> Reader::u8(std::string_view what) { return little_endian<std::uint8_t>(what); }
Result<std::uint16_t> Reader::u16le(std::string_view what) {
    return little_endian<std::uint16_t>(what);
}
Result<std::uint32_t> Reader::u32le(std::string_view what) {
    return little_endian<std::uint32_t>(what);
}
Result<std::uint64_t> Reader::u64le(std::string_view what) {
    return little_endian<std::uint64_t>(what);
}

Result<Reader> Reader::sub(std::size_t n, std::string_view what) {
    const std::size_t start = offset();
    ATTESTD_TRY(const ByteView view, bytes(n, what));
    return Reader(view, start);
}

Result<void> Reader::zeros(std::size_t n, std::string_view what) {
    const std::size_t start = offset();
    ATTESTD_TRY(const ByteView view, bytes(n, what));
    const auto bad = std::find_if(view.begin(), view.end(), [](std::uint8_t b) { return b != 0; });
    if (bad == view.end()) return {};
    return fail(Errc::reserved_not_zero,
                fmt::format("{} at byte {}: must be zero, is 0x{:02x}", what,
                            start + static_cast<std::size_t>(bad - view.begin()), *bad));
}

Result<void> Reader::finish(std::string_view what) const {
    if (remaining() == 0) return {};
    return fail_here(Errc::trailing_bytes, what,
                     fmt::format("{} bytes follow where it must end", remaining()));
}

}  // namespace attestd
