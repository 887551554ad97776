#include "quote/platform/internal/tsm_entry.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>

#include <cerrno>

#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr std::size_t kNameLen = 16;    // random bytes: nobody else picks the same one
constexpr unsigned kMaxCollisions = 8;  // one is already a bug of somebody's

tl::unexpected<Error> fail_mkdir(int error, const std::string& path) {
    const std::string what = fmt::format("mkdir {}: {}", path, errno_words(error));
    switch (error) {
        case ENXIO:
            return fail(Errc::unavailable,
                        what + ": no provider is loaded; modprobe tdx_guest or sev-guest");
        case EACCES:
        case EPERM:
            return fail(Errc::access_denied,
                        what + ": only root makes entries; attestd.service prepares " +
                            kTsmReportDir + "/attestd for its user");
        case EROFS:
            return fail(Errc::access_denied,
                        what + ": the unit's ReadWritePaths= must name " + kTsmReportDir);
        default:
            return fail(Errc::platform_failed, what);
    }
}

}  // namespace

SysResult<TsmEntry> TsmEntry::try_make(System& system, SystemFile reports,
                                       const std::string& prefix) {
    for (unsigned i = 0; i < kMaxCollisions; ++i) {
        ByteArray<kNameLen> bytes{};
        if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return fail_sys(EIO);
        std::string name = prefix + to_hex(bytes);
        const auto made = system.mkdir_at(reports.get(), name);
        if (!made && made.error().value == EEXIST) continue;
        if (!made) return tl::make_unexpected(made.error());
        auto folder = open_at(system, reports.get(), name, O_RDONLY | O_DIRECTORY);
        // From here on the entry is this object's to remove, opened or not.
        TsmEntry entry(system, std::move(reports), folder ? std::move(*folder) : SystemFile(),
                       std::move(name), /*is_fresh=*/true);
        if (!folder) return tl::make_unexpected(folder.error());
        return entry;
    }
    return fail_sys(EEXIST);
}

Result<TsmEntry> TsmEntry::make(System& system, SystemFile reports, const std::string& prefix) {
    auto made = try_make(system, std::move(reports), prefix);
    if (made) return *std::move(made);
    return fail_mkdir(made.error().value, fmt::format("{}/{}*", kTsmReportDir, prefix));
}

std::optional<TsmEntry> TsmEntry::prepared(System& system, SystemFile& reports,
                                           const std::string& name) {
    auto folder = open_at(system, reports.get(), name, O_RDONLY | O_DIRECTORY);
    if (!folder) return std::nullopt;
    const auto info = system.stat(folder->get());
    if (!info || info->uid != system.effective_uid()) return std::nullopt;
    return TsmEntry(system, std::move(reports), std::move(*folder), name, /*is_fresh=*/false);
}

std::string TsmEntry::path_of(std::string_view attribute) const {
    return fmt::format("{}/{}/{}", kTsmReportDir, name_, attribute);
}

SysResult<Bytes> TsmEntry::read(const std::string& attribute, std::size_t max_len) const {
    const auto file = open_at(system_, folder_.get(), attribute, O_RDONLY);
    if (!file) return tl::make_unexpected(file.error());
    return read_to_end(system_, file->get(), max_len);
}

SysResult<void> TsmEntry::write(const std::string& attribute, ByteView bytes) const {
    const auto file = open_at(system_, folder_.get(), attribute, O_WRONLY);
    if (!file) return tl::make_unexpected(file.error());
    const auto written = system_.write(file->get(), bytes);
    if (!written) return tl::make_unexpected(written.error());
    // The rest in a second write would be a second instant at which another writer can come
    // between.
    if (*written != bytes.size()) return fail_sys(EIO);
    return {};
}

bool TsmEntry::remove() noexcept {
    if (!is_fresh_ || reports_.get() < 0) return true;
    folder_.reset();
    const auto removed = system_.rmdir_at(reports_.get(), name_);
    reports_.reset();
    return removed.has_value() || removed.error().value == ENOENT;
}

}  // namespace attestd
