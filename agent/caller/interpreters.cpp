#include "agent/caller/interpreters.h"

#include <algorithm>
#include <array>
#include <map>

#include "agent/log.h"
#include "quote/base/fd.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxInterpreterLen = std::size_t{32} << 20;
constexpr std::size_t kMaxInterpreters = 64;
// A version may follow: python3.11, perl5.36.0.
constexpr std::array<std::string_view, 22> kInterpreters{
    "sh",     "dash", "bash", "zsh",   "ksh",   "fish", "busybox", "python", "perl", "ruby", "node",
    "nodejs", "php",  "lua",  "tclsh", "guile", "java", "env",     "gawk",   "mawk", "awk",  "gdb"};
constexpr std::array<std::string_view, 3> kLoaders{"ld-linux", "ld-musl", "ld.so"};

std::vector<std::filesystem::path> usual_folders() {
    std::vector<std::filesystem::path> out{"/usr/bin", "/usr/local/bin", "/usr/lib", "/usr/lib64",
                                           "/bin",     "/lib",           "/lib64"};
    for (const char* const triplet : {"x86_64-linux-gnu", "aarch64-linux-gnu"})
        out.push_back(std::filesystem::path("/usr/lib") / triplet);
    return out;
}

// Each file once, whatever leads to it.
std::vector<std::filesystem::path> interpreters_in(
    const std::vector<std::filesystem::path>& folders) {
    std::vector<std::filesystem::path> out;
    for (const auto& folder : folders) {
        std::error_code ec;
        std::filesystem::directory_iterator it(folder, ec);
        for (; !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
            if (!is_interpreter_name(it->path().filename().native())) continue;
            std::error_code broken;
            const auto file = std::filesystem::canonical(it->path(), broken);
            const bool is_new = std::find(out.begin(), out.end(), file) == out.end();
            if (!broken && is_new && out.size() < kMaxInterpreters) out.push_back(file);
        }
    }
    return out;
}

std::map<Sha256, std::filesystem::path> digests_in(
    const std::vector<std::filesystem::path>& folders) {
    std::map<Sha256, std::filesystem::path> out;
    for (const auto& path : interpreters_in(folders)) {
        if (const auto bytes = read_file(path, kMaxInterpreterLen))
            out.emplace(sha256(ByteView(*bytes)), path);
    }
    return out;
}

template <class F>
void for_each_item(const Config& config, F use) {
    for (const Workload& workload : config.workloads) {
        for (const MatchItem& item : workload.match) use(workload.id, item);
    }
}

}  // namespace

bool is_interpreter_name(std::string_view name) noexcept {
    const auto is_loader = [&](std::string_view loader) { return name.starts_with(loader); };
    if (std::any_of(kLoaders.begin(), kLoaders.end(), is_loader)) return true;
    while (!name.empty() && ((name.back() >= '0' && name.back() <= '9') || name.back() == '.'))
        name.remove_suffix(1);
    return std::find(kInterpreters.begin(), kInterpreters.end(), name) != kInterpreters.end();
}

std::vector<InterpreterRule> interpreter_rules(const Config& config,
                                               const std::vector<std::filesystem::path>& folders) {
    std::vector<InterpreterRule> out;
    bool has_digest = false;
    for_each_item(config, [&](const std::string& id, const MatchItem& item) {
        has_digest = has_digest || item.exe_sha256;
        if (!item.exe_path) return;
        const std::filesystem::path path(*item.exe_path);
        if (is_interpreter_name(path.filename().native())) out.push_back({id, path});
    });
    if (!has_digest) return out;
    const auto digests = digests_in(folders);
    for_each_item(config, [&](const std::string& id, const MatchItem& item) {
        if (!item.exe_sha256) return;
        const auto found = digests.find(*item.exe_sha256);
        if (found != digests.end()) out.push_back({id, found->second});
    });
    return out;
}

Task<void> warn_of_interpreters(Strand strand, std::shared_ptr<const Config> config) {
    if (!config->needs_inspection()) co_return;
    auto work = [config]() -> Result<std::vector<InterpreterRule>> {
        return interpreter_rules(*config, usual_folders());
    };
    const auto rules = co_await run_blocking(strand, std::move(work));
    if (!rules) co_return;
    for (const InterpreterRule& rule : *rules) {
        log_event(LogLevel::warn, "rule.interpreter",
                  {{"workload", rule.workload},
                   {"executable", rule.interpreter.string()},
                   {"effect", "whatever that program is given to run is this workload"}});
    }
}

}  // namespace attestd
