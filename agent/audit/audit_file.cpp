#include "agent/audit/audit_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace attestd {
namespace {

constexpr unsigned kMode = 0640;
constexpr std::size_t kTailLen = std::size_t{1} << 20;     // more than any burst between two syncs
constexpr std::size_t kReserveLen = std::size_t{1} << 20;  // space taken ahead, in one piece

Result<std::size_t> length_of(const Fd& fd, const std::filesystem::path& path) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail_errno(errno, path.string());
    if (!S_ISREG(st.st_mode))
        return fail(Errc::audit_failed, path.string() + ": not a regular file");
    return static_cast<std::size_t>(st.st_size);
}

}  // namespace

Result<void> sync_folder_of(const std::filesystem::path& path) {
    ATTESTD_TRY(const Fd folder, open_file(path.parent_path(), O_RDONLY | O_DIRECTORY));
    if (::fsync(folder.get()) == 0) return {};
    return fail(Errc::audit_failed, to_string(fail_errno(errno, path.string()).value()));
}

Result<AuditFile> AuditFile::open(const std::filesystem::path& path, ChainState& chain) {
    ATTESTD_TRY(Fd fd, open_file(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, kMode));
    // The umask may be stricter than what auditors need, and an older file's mode may be anything.
    if (::fchmod(fd.get(), kMode) != 0) return fail_errno(errno, path.string());
    AuditFile file(path, std::move(fd));
    ATTESTD_TRY(file.len_, length_of(file.fd_, path));
    if (file.len_ != 0) ATTESTD_CHECK(file.find_chain(chain));
    file.reserve_space();
    return file;
}

Result<void> AuditFile::find_chain(ChainState& chain) {
    const std::size_t begin = len_ > kTailLen ? len_ - kTailLen : 0;
    if (::lseek(fd_.get(), static_cast<off_t>(begin), SEEK_SET) < 0)
        return fail_errno(errno, path_.string());
    ATTESTD_TRY(const Bytes tail, read_all(fd_, kTailLen, path_.string()));
    auto end = find_end(as_text(tail), begin == 0 ? TailKind::whole_file : TailKind::end_of_file);
    if (!end) return fail_in(path_.string(), end.error());
    chain = end->state;
    if (end->sound_len == tail.size()) return {};
    ATTESTD_CHECK(keep_torn(ByteView(tail).subspan(end->sound_len), chain.seq));
    len_ = begin + end->sound_len;
    if (::ftruncate(fd_.get(), static_cast<off_t>(len_)) != 0)
        return fail_errno(errno, path_.string());
    return {};
}

Result<void> AuditFile::keep_torn(ByteView torn, std::uint64_t seq) {
    std::filesystem::path beside = path_;
    beside += fmt::format(".torn-{}", seq);
    ATTESTD_TRY(const Fd fd, open_file(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kMode));
    ATTESTD_CHECK(write_all(fd, torn, beside.string()));
    if (::fsync(fd.get()) != 0) return fail_errno(errno, beside.string());
    torn_ = TornTail{torn.size(), sha256(torn), beside};
    return {};
}

// A full disk is then met here, ahead of time, and not between a decision and its record. Where the
// file system cannot do it, append() still notices.
void AuditFile::reserve_space() {
    if (len_ + kReserveLen / 2 <= reserved_) return;
    if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(len_),
                    static_cast<off_t>(kReserveLen)) == 0) {
        reserved_ = len_ + kReserveLen;
    }
}

Result<void> AuditFile::append(ByteView lines) {
    if (is_broken_)
        return fail(Errc::audit_failed, path_.string() + ": an earlier failure left it unusable");
    auto written = write_all(fd_, lines, path_.string());
    if (written) {
        len_ += lines.size();
        reserve_space();
        return {};
    }
    is_broken_ = ::ftruncate(fd_.get(), static_cast<off_t>(len_)) != 0;
    return fail(Errc::audit_failed, std::move(written).error().detail);
}

Result<void> AuditFile::sync() const {
    if (::fdatasync(fd_.get()) == 0) return {};
    return fail(Errc::audit_failed, to_string(fail_errno(errno, path_.string()).value()));
}

bool AuditFile::was_moved() const {
    struct stat mine {};
    struct stat there {};
    if (::fstat(fd_.get(), &mine) != 0 || ::lstat(path_.c_str(), &there) != 0) return true;
    return mine.st_ino != there.st_ino || mine.st_dev != there.st_dev;
}

}  // namespace attestd
