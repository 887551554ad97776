#include "agent/store/random_value.h"

#include <fmt/format.h>

#include <array>

#include "config/secret_name.h"

namespace attestd {
namespace {

struct NamedAlphabet {
    std::string_view name;
    std::string_view characters;  // none: any byte
};

constexpr std::array<NamedAlphabet, 5> kAlphabets{
    {{"bytes", ""},
     {"hex", "0123456789abcdef"},
     {"base64url", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"},
     {"alphanumeric", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"},
     {"digits", "0123456789"}}};

// Takes bytes of `from` that are below the largest multiple of the alphabet's size, so that no
// character comes more often; returns how many characters of `to` are there now.
std::size_t take_characters(std::span<std::uint8_t> to, std::size_t have, ByteView from,
                            std::string_view characters) noexcept {
    const std::size_t limit = 256 - 256 % characters.size();
    for (const std::uint8_t byte : from) {
        if (have == to.size()) break;
        if (byte < limit)
            to[have++] = static_cast<std::uint8_t>(characters[byte % characters.size()]);
    }
    return have;
}

}  // namespace

std::optional<Alphabet> alphabet_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < kAlphabets.size(); ++i) {
        if (kAlphabets.at(i).name == name) return static_cast<Alphabet>(i);
    }
    return std::nullopt;
}

Result<Secret> random_value(std::size_t len, Alphabet alphabet) {
    constexpr std::size_t kBatch = 256;
    if (len == 0) return fail(Errc::bad_value, "an empty secret is not stored");
    if (len > kMaxSecretLen) {
        return fail(Errc::secret_too_large,
                    fmt::format("{} bytes, at most {} are stored", len, kMaxSecretLen));
    }
    const std::string_view characters =
        kAlphabets.at(static_cast<std::size_t>(alphabet)).characters;
    if (characters.empty()) return Secret::random(len);
    ATTESTD_TRY(Secret out, Secret::zeroed(len));
    for (std::size_t have = 0; have < len;) {
        ATTESTD_TRY(const Secret batch, Secret::random(kBatch));
        have = out.fill([&](std::span<std::uint8_t> to) {
            return batch.expose(
                [&](ByteView from) { return take_characters(to, have, from, characters); });
        });
    }
    return out;
}

}  // namespace attestd
