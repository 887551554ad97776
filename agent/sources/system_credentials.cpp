#include "agent/sources/system_credentials.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace attestd {
namespace {

constexpr std::size_t kMaxCommandLine = 65536;
constexpr std::size_t kMaxMountInfo = std::size_t{1} << 20;
constexpr std::string_view kCredentials = "/run/credentials";
constexpr std::array<std::string_view, 2> kFolders{"/run/credentials/@system",
                                                   "/run/credentials/@encrypted"};

// As systemd reads booleans; what is none of its words turns nothing off.
bool is_no(std::string_view value) {
    constexpr std::array<std::string_view, 6> kNo{"0", "no", "n", "false", "f", "off"};
    std::string lower(value);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return std::find(kNo.begin(), kNo.end(), lower) != kNo.end();
}

// "systemd.import_credentials=VALUE", in which '-' and '_' are the same.
std::optional<std::string_view> import_value(std::string_view word) {
    constexpr std::string_view kKey = "systemd.import_credentials";
    if (word.size() < kKey.size()) return std::nullopt;
    const bool same = std::equal(kKey.begin(), kKey.end(), word.begin(), [](char key, char c) {
        return key == c || (key == '_' && c == '-');
    });
    const std::string_view rest = word.substr(kKey.size());
    if (!same || (!rest.empty() && rest.front() != '=')) return std::nullopt;
    return rest.empty() ? std::string_view("yes") : rest.substr(1);
}

// The last word counts. A word goes on across blanks within quotes.
bool says_no_import(std::string_view line) {
    bool is_closed = false;
    bool is_quoted = false;
    std::string word;
    const auto end_word = [&] {
        if (const auto value = import_value(word)) is_closed = is_no(*value);
        word.clear();
    };
    for (const char c : line) {
        if (c == '"') is_quoted = !is_quoted;
        const bool is_blank = c == ' ' || c == '\t' || c == '\n';
        if (is_blank && !is_quoted)
            end_word();
        else if (c != '"')
            word += c;
    }
    end_word();
    return is_closed;
}

// Field 5 of a line of mountinfo is where it is mounted (proc_pid_mountinfo(5)).
bool is_mount_point(std::string_view mount_info, std::string_view path) {
    while (!mount_info.empty()) {
        std::string_view line = mount_info.substr(0, mount_info.find('\n'));
        mount_info.remove_prefix(std::min(line.size() + 1, mount_info.size()));
        for (int i = 0; i < 4 && line.find(' ') != line.npos; ++i)
            line.remove_prefix(line.find(' ') + 1);
        if (line.substr(0, line.find(' ')) == path) return true;
    }
    return false;
}

// The error of looking for `path`, or 0 when it is there.
int error_of(System& system, const std::string& path) {
    const auto found = open_file(system, path, O_PATH);
    return found ? 0 : found.error().value;
}

SysResult<std::vector<std::string>> names_in(System& system, const std::string& path) {
    const auto folder = open_file(system, path, O_RDONLY | O_DIRECTORY);
    if (!folder) return tl::make_unexpected(folder.error());
    return system.list(folder->get());
}

}  // namespace

SystemCredentials look_for_system_credentials(System& system) {
    SystemCredentials out;
    if (const auto line = read_path(system, "/proc/cmdline", kMaxCommandLine))
        out.are_imported = !says_no_import(as_text(*line));
    // A unit's own view lies on a mount of its own, with no folder in it but the unit's.
    const auto mounts = read_path(system, "/proc/self/mountinfo", kMaxMountInfo);
    out.are_hidden = !mounts || is_mount_point(as_text(*mounts), kCredentials);
    for (const std::string_view folder : kFolders) {
        const std::string path(folder);
        if (error_of(system, path) == ENOENT) continue;
        out.folders.push_back(path);
        const auto names = names_in(system, path);
        if (!names || !names->empty()) out.filled.push_back(path);
    }
    return out;
}

Result<void> check_not_injected(System& system, const std::string& id) {
    for (const std::string_view folder : kFolders) {
        const std::string path = fmt::format("{}/{}", folder, id);
        if (error_of(system, path) != 0) continue;
        return fail(Errc::credential_injected,
                    fmt::format("{} is there: the host can set system credentials, so \"{}\" is "
                                "not taken; boot with {}",
                                path, id, kNoImport));
    }
    const SystemCredentials all = look_for_system_credentials(system);
    if (!all.are_imported) return {};
    if (all.is_none_seen()) return {};
    if (!all.filled.empty()) {
        return fail(Errc::credential_injected,
                    fmt::format("{} is not empty, or cannot be read: what the host sets there can "
                                "write what \"{}\" is "
                                "loaded from, so it is not taken; boot with {}",
                                all.filled.front(), id, kNoImport));
    }
    return fail(Errc::credential_injected,
                fmt::format("whether the host set system credentials cannot be seen from here, so "
                            "\"{}\" is not taken; boot with {}, on a command line that is measured",
                            id, kNoImport));
}

}  // namespace attestd
