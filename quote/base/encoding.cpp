#include "quote/base/encoding.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <limits>

namespace attestd {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int digit_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::string to_hex(ByteView bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const std::uint8_t b : bytes) {
        out += kDigits[b >> 4];
        out += kDigits[b & 0x0f];
    }
    return out;
}

Result<void> hex_into(std::span<std::uint8_t> out, std::string_view text, std::string_view what) {
    if (text.size() != out.size() * 2) {
        return fail(Errc::bad_encoding,
                    fmt::format("{}: {} hexadecimal digits are needed, {} given", what,
                                out.size() * 2, text.size()));
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
        const int high = digit_value(text[2 * i]);
        const int low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return fail(Errc::bad_encoding, fmt::format("{}: no hexadecimal digit at character {}",
                                                        what, 2 * i + (high < 0 ? 0 : 1)));
        }
        out[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return {};
}

Result<Bytes> from_hex(std::string_view text, std::string_view what) {
    if (text.size() % 2 != 0) {
        return fail(Errc::bad_encoding, fmt::format("{}: odd number of hexadecimal digits", what));
    }
    Bytes out(text.size() / 2);
    ATTESTD_CHECK(hex_into(out, text, what));
    return out;
}

std::string to_base64(ByteView bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // EVP_EncodeBlock adds a NUL
    const int len = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(),
                                    static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(len));
    return out;
}

Result<std::size_t> base64_into(std::span<std::uint8_t> out, std::string_view text,
                                std::string_view what) {
    const auto bad = [&](std::string_view why) {
        return fail(Errc::bad_encoding, fmt::format("{}: {}", what, why));
    };
    if (text.size() % 4 != 0) return bad("the length of base64 text is a multiple of 4");
    if (text.size() > std::numeric_limits<int>::max() / 2) return bad("too long");
    if (out.size() < text.size() / 4 * 3) return fail(Errc::bad_length, std::string(what));
    if (text.empty()) return std::size_t{0};
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    const std::string_view digits = text.substr(0, text.size() - padding);
    if (const auto at = digits.find_first_not_of(kBase64); at != std::string_view::npos) {
        return bad(fmt::format("no base64 digit at character {}", at));
    }
    // The decoder ignores bits of the last digit that stand for nothing; two texts would mean the
    // same.
    const std::size_t unused = padding == 0 ? 0 : kBase64.find(digits.back());
    if ((unused & (padding == 2 ? 15U : padding == 1 ? 3U : 0U)) != 0)
        return bad("unused bits of the last digit are not zero");
    const ByteView in = as_bytes(text);
    if (EVP_DecodeBlock(out.data(), in.data(), static_cast<int>(in.size())) < 0)
        return bad("not base64");
    return text.size() / 4 * 3 - padding;
}

Result<Bytes> from_base64(std::string_view text, std::string_view what) {
    Bytes out(text.size() / 4 * 3);
    ATTESTD_TRY(const std::size_t len, base64_into(out, text, what));
    out.resize(len);
    return out;
}

}  // namespace attestd
