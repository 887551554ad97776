#include "agent/platform/internal/key_answer.h"

#include <openssl/evp.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr std::size_t kKeyLen = 32;
constexpr std::size_t kTextLen = 44;     // base64 of 32 bytes: 43 digits and one '='
constexpr std::size_t kDecodedLen = 33;  // the decoder writes whole groups of three
constexpr std::size_t kMaxBodyLen = 4096;
constexpr char kMask =
    '*';  // in no base64, so that a mask which came from outside is told from ours
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
// A last digit of which the two lowest bits are zero: the others stand for no 32 bytes.
constexpr std::string_view kLastDigits = "AEIMQUYcgkosw048";

// Where the first text of exactly a key's form stands between two quotation marks.
std::optional<std::size_t> find_key(std::string_view body) noexcept {
    for (std::size_t open = body.find('"'); open != body.npos; open = body.find('"', open + 1)) {
        const std::string_view text = body.substr(open + 1, kTextLen + 1);
        if (text.size() != kTextLen + 1 || text[kTextLen] != '"' || text[kTextLen - 1] != '=')
            continue;
        if (text.substr(0, kTextLen - 1).find_first_not_of(kDigits) != text.npos) continue;
        if (kLastDigits.find(text[kTextLen - 2]) == kLastDigits.npos) continue;
        return open + 1;
    }
    return std::nullopt;
}

// That the answer is an object with the one member "key", which is our mask.
Result<void> check_masked(std::string_view masked) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(masked, "key", {kMaxBodyLen, /*max_depth=*/2}));
    ATTESTD_TRY(JsonObject object, document.root().object());
    ATTESTD_TRY(const JsonValue key, object.required("key"));
    ATTESTD_TRY(const std::string text, key.text());
    ATTESTD_CHECK(object.finish());
    if (text == std::string(kTextLen, kMask)) return {};
    return key.fail_here(Errc::bad_encoding, "base64 of 32 bytes is expected");
}

Result<Secret> decode_key(ByteView text) {
    ATTESTD_TRY(Secret key, Secret::zeroed(kDecodedLen));
    const int len = key.fill([&](std::span<std::uint8_t> out) {
        return EVP_DecodeBlock(out.data(), text.data(), static_cast<int>(text.size()));
    });
    if (len != static_cast<int>(kDecodedLen)) return fail(Errc::bad_encoding, "key: not base64");
    key.truncate(kKeyLen);
    // What SNP firmware leaves in its answer when it refuses.
    if (key.expose([](ByteView bytes) { return all_zero(bytes); })) {
        return fail(Errc::bad_value, "key: all zero");
    }
    return key;
}

}  // namespace

Result<Secret> parse_key_answer(const Secret& body) {
    return body.expose([](ByteView bytes) -> Result<Secret> {
        if (bytes.size() > kMaxBodyLen) return fail(Errc::too_large, "key: the answer is too long");
        const auto at = find_key(as_text(bytes));
        // Without a key in it the text is not secret, but it is not quoted either.
        if (!at) return fail(Errc::bad_encoding, "key: no text that is base64 of 32 bytes");
        std::string masked(as_text(bytes.first(*at)));
        masked.append(kTextLen, kMask);
        masked += as_text(bytes.subspan(*at + kTextLen));
        ATTESTD_CHECK(check_masked(masked));
        return decode_key(bytes.subspan(*at, kTextLen));
    });
}

}  // namespace attestd
