#include "config/internal/load_context.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "quote/base/fd.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxFileLen = std::size_t{1} << 20;

ByteArray<8> length_prefix(std::size_t len) noexcept {
    ByteArray<8> out{};
    for (std::size_t i = 0; i < out.size(); ++i)
        out[7 - i] = static_cast<std::uint8_t>(len >> (8 * i));
    return out;
}

// Whoever can write a configuration file, or put one into a folder of them, decides over secrets.
Result<void> check_writers(const struct stat& st, const std::filesystem::path& path) {
    if (st.st_uid != 0 && st.st_uid != ::geteuid()) {
        return fail(
            Errc::access_denied,
            fmt::format("{}: belongs to uid {}; it must belong to root or to attestd's user",
                        path.string(), st.st_uid));
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fail(
            Errc::access_denied,
            fmt::format("{}: can be written by group or others (mode {:04o}); chmod go-w mends it",
                        path.string(), st.st_mode & 07777));
    }
    return {};
}

}  // namespace

Result<LoadedFile> LoadContext::load(const std::filesystem::path& path) {
    // O_NONBLOCK: opening a FIFO by mistake must not hang the start.
    ATTESTD_TRY(const Fd fd, open_file(below_root(root_, path), O_RDONLY | O_NONBLOCK));
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail_errno(errno, path.string());
    if (!S_ISREG(st.st_mode))
        return fail(Errc::bad_config, path.string() + ": a regular file is expected");
    ATTESTD_CHECK(check_writers(st, path));
    ATTESTD_TRY(Bytes bytes, read_all(fd, kMaxFileLen, path.string()));
    files_.push_back(bytes);
    return LoadedFile{path, std::move(bytes)};
}

Result<void> LoadContext::check_folder(const std::filesystem::path& path) const {
    struct stat st {};
    if (::stat(below_root(root_, path).c_str(), &st) != 0) return fail_errno(errno, path.string());
    if (!S_ISDIR(st.st_mode))
        return fail(Errc::bad_config, path.string() + ": a folder is expected");
    return check_writers(st, path);
}

Bytes LoadContext::digested() const {
    // Each part carries its length, so that bytes cannot move from one file to the next unseen.
    Bytes all;
    const auto append = [&all](ByteView part) {
        const auto prefix = length_prefix(part.size());
        all.insert(all.end(), prefix.begin(), prefix.end());
        all.insert(all.end(), part.begin(), part.end());
    };
    for (const Bytes& file : files_) append(file);
    for (const std::string& name : accounts_.resolved()) append(as_bytes(name));
    return all;
}

tl::unexpected<Error> fail_type(const JsonValue& value, const std::string& type,
                                std::span<const std::string_view> later, std::string_view known) {
    if (std::find(later.begin(), later.end(), type) != later.end()) {
        return value.fail_here(
            Errc::bad_config,
            fmt::format("\"{}\" is not supported by this build; it has {}", type, known));
    }
    return value.fail_here(Errc::bad_value,
                           fmt::format("one of {} is expected, this is \"{}\"", known, type));
}

Result<bool> bool_or(JsonObject& object, std::string_view key, bool otherwise) {
    const auto value = object.optional(key);
    return value ? value->boolean() : Result<bool>(otherwise);
}

Result<Millis> duration_or(JsonObject& object, std::string_view key, Millis otherwise, Millis min) {
    const auto value = object.optional(key);
    if (!value) return otherwise;
    ATTESTD_TRY(const Millis duration, parse_text(*value, parse_duration));
    if (duration >= min) return duration;
    return value->fail_here(Errc::bad_value, fmt::format("must be at least {}", to_string(min)));
}

Result<std::uint32_t> number_or(JsonObject& object, std::string_view key, std::uint32_t otherwise,
                                std::uint32_t min, std::uint32_t max) {
    const auto value = object.optional(key);
    if (!value) return otherwise;
    ATTESTD_TRY(const std::int64_t number, value->integer(min, max));
    return static_cast<std::uint32_t>(number);
}

Result<std::filesystem::path> path_of(const JsonValue& value) {
    ATTESTD_TRY(std::string text, value.text());
    std::filesystem::path path(text);
    const bool plain = std::none_of(path.begin(), path.end(),
                                    [](const auto& part) { return part == "." || part == ".."; });
    if (path.is_absolute() && plain && text.find('\0') == std::string::npos) return path;
    return value.fail_here(Errc::bad_value,
                           "an absolute path without \".\" and \"..\" is expected");
}

Result<std::filesystem::path> path_or(JsonObject& object, std::string_view key,
                                      std::filesystem::path otherwise) {
    const auto value = object.optional(key);
    return value ? path_of(*value) : Result<std::filesystem::path>(std::move(otherwise));
}

Result<std::vector<std::filesystem::path>> paths_or_none(JsonObject& object, std::string_view key) {
    constexpr std::size_t kMaxPaths = 64;
    std::vector<std::filesystem::path> paths;
    const auto value = object.optional(key);
    if (!value) return paths;
    ATTESTD_TRY(const auto elements, value->array(kMaxPaths));
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(paths.emplace_back(), path_of(element));
    }
    return paths;
}

}  // namespace attestd
