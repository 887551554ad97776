#include "agent/confine/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "quote/base/fd.h"

namespace attestd {
namespace {

namespace fs = std::filesystem;

// What Linux 5.19's header does not have yet.
constexpr std::uint64_t kTruncate = 1ULL << 14;
constexpr std::uint64_t kIoctlDevice = 1ULL << 15;
constexpr std::uint64_t kBindTcp = 1ULL << 0, kConnectTcp = 1ULL << 1;
constexpr std::uint64_t kScopeSignal = 1ULL << 1;
struct RulesetAttr {
    std::uint64_t fs, net, scoped;
};
constexpr int kAbiRefer = 2, kAbiTruncate = 3, kAbiNet = 4, kAbiIoctl = 5, kAbiScope = 6;

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kChange = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                  LANDLOCK_ACCESS_FS_REFER | kTruncate;
constexpr std::uint64_t kNever = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                 LANDLOCK_ACCESS_FS_MAKE_SYM;
constexpr std::uint64_t kOfFiles =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;

std::uint64_t rights_of(Access access) noexcept {
    switch (access) {
        case Access::write:
            return kRead | kChange;
        case Access::device:
            return kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;
        case Access::read:
            break;
    }
    return kRead;
}

// What this kernel knows of all that could be forbidden.
std::uint64_t known_rights(int abi) noexcept {
    std::uint64_t out = kRead | kChange | kNever | kIoctlDevice;
    if (abi < kAbiRefer) out &= ~std::uint64_t{LANDLOCK_ACCESS_FS_REFER};
    if (abi < kAbiTruncate) out &= ~kTruncate;
    if (abi < kAbiIoctl) out &= ~kIoctlDevice;
    return out;
}

int kernel_abi() noexcept {
    const long abi =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : static_cast<int>(abi);
}

Result<Fd> new_ruleset(int abi) {
    RulesetAttr attr{known_rights(abi), 0, 0};
    std::size_t len = sizeof attr.fs;
    if (abi >= kAbiNet) {
        attr.net = kBindTcp | kConnectTcp;
        len = sizeof attr.fs + sizeof attr.net;
    }
    if (abi >= kAbiScope) {
        attr.scoped = kScopeSignal;
        len = sizeof attr;
    }
    Fd out(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, len, 0)));
    if (!out) return fail_errno(errno, "landlock_create_ruleset");
    return out;
}

// The place; where it is still to be made, the nearest above it that is there. Devices are not
// made: one that this machine has not must not open all others.
Fd open_place(const Place& place) {
    for (fs::path path = place.path; path.has_relative_path(); path = path.parent_path()) {
        Fd out(::open(path.c_str(), O_PATH | O_CLOEXEC));
        if (out || (errno != ENOENT && errno != ENOTDIR) || place.access == Access::device)
            return out;
    }
    return {};
}

Result<void> add_rule(const Fd& ruleset, const Place& place, std::uint64_t known) {
    const Fd at = open_place(place);
    struct stat st {};
    // What may not even be looked at may not be opened either: nothing is lost without a rule.
    if (!at || ::fstat(at.get(), &st) != 0) return {};
    std::uint64_t rights = rights_of(place.access) & known;
    if (!S_ISDIR(st.st_mode)) rights &= kOfFiles;
    const landlock_path_beneath_attr rule{rights, at.get()};
    if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        return fail_errno(errno, "landlock_add_rule: " + place.path.string());
    return {};
}

}  // namespace

Result<int> confine_files(const std::vector<Place>& places) {
    const int abi = kernel_abi();
    if (abi == 0) return 0;
    ATTESTD_TRY(const Fd ruleset, new_ruleset(abi));
    for (const Place& place : places) ATTESTD_CHECK(add_rule(ruleset, place, known_rights(abi)));
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
        return fail_errno(errno, "landlock_restrict_self");
    return abi;
}

}  // namespace attestd
