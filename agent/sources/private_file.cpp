#include "agent/sources/private_file.h"

#include <fmt/format.h>

#include <cerrno>

namespace attestd {
namespace {

constexpr std::uint32_t kForbidden = 0027;  // group: write; others: anything

}  // namespace

Result<void> check_private(System& system, int fd, const std::string& what, NodeKind kind,
                           Errc insecure) {
    const auto node = system.stat(fd);
    if (!node) return fail(Errc::io_failed, what + ": " + errno_words(node.error().value));
    const bool want_folder = kind == NodeKind::folder;
    if (want_folder ? !node->is_directory : !node->is_regular) {
        return fail(insecure,
                    fmt::format("{}: is no {}", what, want_folder ? "folder" : "regular file"));
    }
    const bool is_ours = node->uid == 0 || node->uid == system.effective_uid();
    if (is_ours && (node->permissions & kForbidden) == 0) return {};
    return fail(insecure, fmt::format("{}: uid {}, mode {:04o}: must be of root or attestd's user, "
                                      "so that others cannot read it and its group cannot write it",
                                      what, node->uid, node->permissions));
}

Result<Secret> read_into_secret(System& system, int fd, const std::string& what,
                                std::size_t max_len, Errc too_large) {
    // One byte more than allowed, so that one of exactly max_len bytes passes.
    ATTESTD_TRY(Secret out, Secret::zeroed(max_len + 1));
    std::size_t len = 0;
    while (len < out.size()) {
        const auto n = out.fill(
            [&](std::span<std::uint8_t> bytes) { return system.read(fd, bytes.subspan(len)); });
        if (!n && n.error().value == EINTR) continue;
        if (!n) return fail(Errc::io_failed, what + ": " + errno_words(n.error().value));
        if (*n == 0) break;
        len += *n;
    }
    if (len > max_len) return fail(too_large, fmt::format("{}: over {} bytes", what, max_len));
    out.truncate(len);
    return out;
}

}  // namespace attestd
