#include "agent/release/process_facts.h"

#include <fmt/format.h>

#include <charconv>

namespace attestd {
namespace {

constexpr std::size_t kMaxFactsLen = 65536;  // a long cgroup path, thousands of groups

// Files under /proc/PID, read into one buffer, one after another.
class ProcessFolder {
 public:
    ProcessFolder(const Kernel& kernel, Fd folder)
        : kernel_(kernel), folder_(std::move(folder)), buffer_(kMaxFactsLen) {}

    Result<std::string> read(const char* file) {
        ATTESTD_TRY(const Fd fd, kernel_.open_proc_file(folder_, file));
        ATTESTD_TRY(const auto text, kernel_.read_proc(fd, buffer_));
        return std::string(text);
    }

 private:
    const Kernel& kernel_;
    Fd folder_;
    std::vector<char> buffer_;
};

// The LSM's label; none where no LSM labels processes.
std::string label_of(ProcessFolder& folder) {
    std::string label = folder.read("attr/current").value_or("");
    while (!label.empty() && (label.back() == '\n' || label.back() == '\0')) label.pop_back();
    return label;
}

}  // namespace

Result<std::vector<gid_t>> parse_groups(std::string_view status) {
    constexpr std::string_view kKey = "\nGroups:\t";
    const auto at = status.find(kKey);
    if (at == status.npos) return fail(Errc::peer_changed, "status: Groups is missing");
    std::string_view line = status.substr(at + kKey.size());
    line = line.substr(0, line.find('\n'));
    std::vector<gid_t> out;
    while (!line.empty()) {
        if (line.front() == ' ') {
            line.remove_prefix(1);
            continue;
        }
        gid_t gid{};
        const char* const end = line.data() + line.size();
        const auto [after, error] = std::from_chars(line.data(), end, gid);
        if (error != std::errc()) return fail(Errc::peer_changed, "status: Groups is no list");
        out.push_back(gid);
        line.remove_prefix(static_cast<std::size_t>(after - line.data()));
    }
    return out;
}

Result<Caller> facts_of_process(const Kernel& kernel, pid_t pid, std::string listener,
                                const IdentityConfig& rules) {
    ATTESTD_TRY(Fd opened, kernel.open_proc(pid));
    ProcessFolder folder(kernel, std::move(opened));
    Caller out;
    out.socket = std::move(listener);
    out.level = kernel.level();
    ATTESTD_TRY(const std::string status_text, folder.read("status"));
    ATTESTD_TRY(const ProcStatus status, parse_proc_status(status_text));
    out.peer = {pid, status.uid, status.gid};
    ATTESTD_TRY(out.groups, parse_groups(status_text));
    out.label = label_of(folder);
    ATTESTD_TRY(const std::string stat_text, folder.read("stat"));
    ATTESTD_TRY(out.start_time, parse_start_time(stat_text));
    ATTESTD_TRY(const std::string cgroup_text, folder.read("cgroup"));
    ATTESTD_TRY(out.cgroup, parse_cgroup(cgroup_text, rules.container_patterns));
    for (const std::string& trusted : out.cgroup.trusted_dirs) {
        ATTESTD_TRY(const uid_t owner, kernel.cgroup_owner(out.cgroup.hierarchy, trusted));
        if (owner == 0) continue;
        return fail(
            Errc::cgroup_delegated,
            fmt::format("{} belongs to uid {}, who can make any name below it", trusted, owner));
    }
    return out;
}

}  // namespace attestd
