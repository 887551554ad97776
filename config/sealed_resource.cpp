#include "config/sealed_resource.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace attestd {
namespace {

constexpr std::size_t kMaxSealedPathLen = 4096;

bool is_sealed_text(std::string_view text) noexcept {
    const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
    return is_plain && std::count(text.begin(), text.end(), '.') == 3;
}

bool is_sealed_file(std::string_view text) {
    const std::filesystem::path path(text);
    return path.is_absolute() && path.has_filename() && text.size() <= kMaxSealedPathLen &&
           text.find('\0') == text.npos &&
           std::none_of(path.begin(), path.end(),
                        [](const auto& part) { return part == "." || part == ".."; });
}

}  // namespace

Result<SealedForm> sealed_form_of(std::string_view resource) {
    if (resource.starts_with(kSealedPrefix)) {
        if (resource.size() <= kMaxSealedLen && is_sealed_text(resource)) return SealedForm::text;
        return fail(Errc::bad_name,
                    fmt::format("a sealed secret: \"{}HEADER.PAYLOAD.SIGNATURE\" is expected, each "
                                "of base64url, at most {} bytes",
                                kSealedPrefix, kMaxSealedLen));
    }
    if (is_sealed_file(resource)) return SealedForm::file;
    return fail(Errc::bad_name,
                "a sealed secret: \"resource\" is the absolute path of its file without \".\" and "
                "\"..\", or its text, which begins \"sealed.\"");
}

}  // namespace attestd
