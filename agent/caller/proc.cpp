#include "agent/caller/proc.h"

#include <charconv>
#include <optional>

namespace attestd {
namespace {

template <class T>
std::optional<T> number(std::string_view text) {
    T value{};
    const char* const end = text.data() + text.size();
    const auto [after, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || after != end) return std::nullopt;
    return value;
}

// The n-th word of `text`, words being separated by `blank`; empty when there are fewer.
std::string_view word(std::string_view text, char blank, int n) {
    for (; n > 0; --n) {
        const auto at = text.find(blank);
        if (at == text.npos) return {};
        text.remove_prefix(at + 1);
    }
    return text.substr(0, text.find(blank));
}

// The rest of the line that begins with `key`, which is "\nUid:\t" or the like. The name of the
// process stands in the first line, with line ends escaped by the kernel.
std::string_view line_after(std::string_view text, std::string_view key) {
    const auto at = text.find(key);
    if (at == text.npos) return {};
    text.remove_prefix(at + key.size());
    return text.substr(0, text.find('\n'));
}

}  // namespace

Result<ProcStatus> parse_proc_status(std::string_view text) {
    constexpr int kEffective = 1;  // "real effective saved filesystem"
    const auto uid = number<uid_t>(word(line_after(text, "\nUid:\t"), '\t', kEffective));
    const auto gid = number<gid_t>(word(line_after(text, "\nGid:\t"), '\t', kEffective));
    const auto tracer = number<pid_t>(line_after(text, "\nTracerPid:\t"));
    if (!uid || !gid || !tracer)
        return fail(Errc::peer_changed, "status: Uid, Gid or TracerPid is missing");
    return ProcStatus{*uid, *gid, *tracer};
}

Result<std::uint64_t> parse_start_time(std::string_view text) {
    constexpr int kStartTime = 22 - 2;  // two fields end with the name; a blank follows it
    const auto end_of_name = text.rfind(')');
    const auto rest = end_of_name == text.npos ? std::string_view() : text.substr(end_of_name);
    const auto start = number<std::uint64_t>(word(rest, ' ', kStartTime));
    if (!start) return fail(Errc::peer_changed, "stat: no start time");
    return *start;
}

}  // namespace attestd
