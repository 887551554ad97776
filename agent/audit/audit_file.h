// AuditFile: the audit chain on disk: append only, mode 0640, continued after a restart.
//
// What a crash left half-written is cut off, kept beside the file, and spoken of in the next
// record.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "agent/audit/chain.h"
#include "quote/base/fd.h"

namespace attestd {

/// What was found behind the last whole record, and where it is now.
struct TornTail {
    std::size_t len;
    Sha256 digest;
    std::filesystem::path kept_in;
};

/// After this, names that were given in the folder of `path` outlive a crash of the machine.
[[nodiscard]] Result<void> sync_folder_of(const std::filesystem::path& path);

class AuditFile final {
 public:
    /// Opens or makes the file and finds the end of its chain. `chain` is what a file made anew
    /// continues; it is moved to the end of an old one. Errors of the file system
    /// and of find_end().
    [[nodiscard]] static Result<AuditFile> open(const std::filesystem::path& path,
                                                ChainState& chain);

    /// Appends whole lines; all of them are in the file afterwards, or none. Errc::no_space,
    /// Errc::io_failed. When even taking back a half-written line fails, the file is broken: every
    /// later call fails.
    [[nodiscard]] Result<void> append(ByteView lines);

    /// On disk when this returns. A failure breaks the file: what the kernel dropped cannot be
    /// known. May run on another thread than append().
    [[nodiscard]] Result<void> sync() const;

    /// Whether the file at `path` is another one now (rotated away).
    [[nodiscard]] bool was_moved() const;

    [[nodiscard]] std::size_t len() const noexcept { return len_; }
    [[nodiscard]] const std::optional<TornTail>& torn() const noexcept { return torn_; }

 private:
    AuditFile(std::filesystem::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    [[nodiscard]] Result<void> find_chain(ChainState& chain);
    [[nodiscard]] Result<void> keep_torn(ByteView torn, std::uint64_t seq);
    void reserve_space();

    std::filesystem::path path_;
    Fd fd_;
    std::size_t len_ = 0;
    std::size_t reserved_ = 0;
    bool is_broken_ = false;
    std::optional<TornTail> torn_;
};

}  // namespace attestd
