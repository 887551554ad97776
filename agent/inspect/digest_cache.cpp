#include "agent/inspect/digest_cache.h"

#include <algorithm>

namespace attestd::inspect {
namespace {

// Another name of the same file is no other content.
bool is_same_content(const ExecutableFile& a, const ExecutableFile& b) noexcept {
    return a.device == b.device && a.inode == b.inode && a.ctime_ns == b.ctime_ns && a.len == b.len;
}

}  // namespace

std::optional<Sha256> DigestCache::find(uid_t uid, const ExecutableFile& file) const {
    const auto mine = entries_.find(uid);
    if (mine == entries_.end() || file.num_links == 0) return std::nullopt;
    const auto found =
        std::find_if(mine->second.begin(), mine->second.end(),
                     [&](const Entry& entry) { return is_same_content(entry.file, file); });
    if (found == mine->second.end()) return std::nullopt;
    return found->digest;
}

void DigestCache::keep(uid_t uid, const ExecutableFile& file, const Sha256& digest,
                       std::uint64_t now_ns) {
    const bool settled = file.ctime_ns < now_ns && now_ns - file.ctime_ns > kSettledNs;
    if (!settled || file.num_links == 0 || find(uid, file)) return;
    if (entries_.size() >= kMaxUids && !entries_.contains(uid)) entries_.clear();
    auto& mine = entries_[uid];
    if (mine.size() >= kMaxPerUid) mine.pop_front();
    mine.push_back({file, digest});
}

}  // namespace attestd::inspect
