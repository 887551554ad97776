// Folder: the five things that the sealed store asks of a disk.
//
// DiskFolder does them on a real folder that no other process has open as a store. The interface is
// there so that tests can make any one of them fail, or stop the process around it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd {

class Folder {
 public:
    virtual ~Folder() = default;

    /// Names of everything in the folder but the lock file, in order; half-written files of a crash
    /// are gone already.
    [[nodiscard]] virtual Result<std::vector<std::string>> list() = 0;
    /// The regular file `name`, at most `max_len` bytes. Errc::not_found, Errc::store_corrupt when
    /// it is anything else than a regular file or longer.
    [[nodiscard]] virtual Result<Bytes> read(const std::string& name, std::size_t max_len) = 0;
    /// Crash-safe: the old content or the new, on disk when this returns. Errc::no_space,
    /// Errc::io_failed.
    [[nodiscard]] virtual Result<void> replace(const std::string& name, ByteView bytes) = 0;
    /// Gone from the disk when this returns. Errc::not_found.
    [[nodiscard]] virtual Result<void> remove(const std::string& name) = 0;
    /// Where this is, for error texts.
    [[nodiscard]] virtual std::string where() const = 0;
};

enum class MissingFolder : std::uint8_t { refuse, make };

class DiskFolder final : public Folder {
 public:
    /// Opens the folder at `path` and holds its lock until destruction; makes it (not its parents)
    /// when asked to. Errc::not_found; Errc::access_denied when it belongs to another user or
    /// others may write to it; Errc::too_busy when another process has it open; Errc::io_failed for
    /// a file system that is read-only.
    [[nodiscard]] static Result<std::unique_ptr<Folder>> open(const std::filesystem::path& path,
                                                              MissingFolder missing);

    [[nodiscard]] Result<std::vector<std::string>> list() override;
    [[nodiscard]] Result<Bytes> read(const std::string& name, std::size_t max_len) override;
    [[nodiscard]] Result<void> replace(const std::string& name, ByteView bytes) override;
    [[nodiscard]] Result<void> remove(const std::string& name) override;
    [[nodiscard]] std::string where() const override { return path_; }

 private:
    DiskFolder(std::string path, Fd dir, Fd lock)
        : path_(std::move(path)), dir_(std::move(dir)), lock_(std::move(lock)) {}
    [[nodiscard]] Result<void> remove_half_written();

    std::string path_;
    Fd dir_, lock_;
};

}  // namespace attestd
