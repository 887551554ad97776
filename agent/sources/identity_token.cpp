#include "agent/sources/identity_token.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "agent/sources/private_file.h"
#include "quote/base/base64url.h"
#include "quote/base/json.h"
#include "quote/platform/kernel_system.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxTokenLen = 16384;
constexpr JsonLimits kClaimLimits{.max_len = kMaxTokenLen, .max_depth = 32};
constexpr std::int64_t kLastSecond = 253402300799;  // of the year 9999

tl::unexpected<Error> no_token(const std::filesystem::path& file, std::string_view why) {
    return fail(Errc::identity_unavailable, fmt::format("{}: {}", file.string(), why));
}

bool is_compact(std::string_view text) noexcept {
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
    return plain && std::count(text.begin(), text.end(), '.') == 2;
}

std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view kBlank = " \t\r\n";
    const auto first = text.find_first_not_of(kBlank);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

class FileTokens final : public IdentityTokens {
 public:
    explicit FileTokens(std::filesystem::path file) : file_(std::move(file)) {}

    Result<IdentityToken> token(TokenAge, Deadline) override {
        const std::string what = file_.string();
        const auto file = open_file(system_, what, O_RDONLY | O_NONBLOCK);
        if (!file) return no_token(file_, errno_words(file.error().value));
        ATTESTD_CHECK(
            check_private(system_, file->get(), what, NodeKind::file, Errc::identity_unavailable));
        ATTESTD_TRY(const Secret whole, read_into_secret(system_, file->get(), what, kMaxTokenLen,
                                                         Errc::identity_unavailable));
        return whole.expose([&](ByteView bytes) { return parsed(trimmed(as_text(bytes))); });
    }

 private:
    Result<IdentityToken> parsed(std::string_view text) const {
        if (!is_compact(text)) return no_token(file_, "is no token (three parts of base64url)");
        ATTESTD_TRY(Secret copy, Secret::copy_of(as_bytes(text)));
        const auto until = expiry_of_token(text);
        if (!until) return IdentityToken{std::move(copy), std::nullopt};
        const Time now = wall_now();
        if (*until <= now) return no_token(file_, "the token expired at " + to_rfc3339(*until));
        constexpr std::chrono::seconds kLongest = std::chrono::hours(24);
        return IdentityToken{std::move(copy), BootClock::now() + std::min(*until - now, kLongest)};
    }

    std::filesystem::path file_;
    KernelSystem system_;  // the file is another service's, not the machine's
};

}  // namespace

std::shared_ptr<IdentityTokens> tokens_of_file(std::filesystem::path file) {
    return std::make_shared<FileTokens>(std::move(file));
}

std::optional<Time> expiry_of_token(std::string_view token) {
    const auto first = token.find('.');
    const auto second = first == token.npos ? first : token.find('.', first + 1);
    if (second == token.npos) return std::nullopt;
    const auto payload = from_base64url(token.substr(first + 1, second - first - 1), "payload");
    if (!payload) return std::nullopt;
    const auto document = JsonDocument::parse(as_text(*payload), "claims", kClaimLimits);
    auto claims =
        document ? document->root().object() : Result<JsonObject>(fail(Errc::bad_json, ""));
    const auto value = claims ? claims->optional("exp") : std::nullopt;
    const auto seconds = value ? value->integer(0, kLastSecond) : Result<std::int64_t>(-1);
    if (!seconds || *seconds < 0) return std::nullopt;
    return Time(std::chrono::seconds(*seconds));
}

}  // namespace attestd
