// DeviceTree: the folders and files that the kernel of a confidential VM shows, as one small file
// system: configfs-tsm, the devices, the TDX registers and firmware's event log.
//
// It follows the rules of faithfulness of `spec/test-environments.md`: what differs from a kernel
// is listed there (zero-length writes, duplicated descriptors, lseek, regular files in place of
// devices). Answers are 0, a count, or a negative errno, as FUSE takes them.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/emulator/fuse/device_ioctl.h"
#include "tests/emulator/fuse/tsm_report.h"
#include "tests/emulator/machine.h"

namespace attestd::devsim {

class DeviceTree final {
 public:
    using IsInterrupted = std::function<bool()>;

    /// `machine` outlives the tree.
    explicit DeviceTree(Machine& machine);

    [[nodiscard]] int getattr(const std::string& path, struct stat& out);
    [[nodiscard]] int readdir(const std::string& path, std::vector<std::string>& names);
    [[nodiscard]] int mkdir(const std::string& path);
    [[nodiscard]] int rmdir(const std::string& path);
    [[nodiscard]] int chown(const std::string& path, Owner owner);
    /// Of what is always there; an entry and its attributes keep their modes.
    [[nodiscard]] int chmod(const std::string& path, unsigned mode);
    /// A file's handle, or a negative errno. `flags` as open(2) takes them.
    [[nodiscard]] std::int64_t open(const std::string& path, int flags);
    [[nodiscard]] int read(std::uint64_t handle, std::span<char> into, std::uint64_t offset,
                           const IsInterrupted& is_interrupted);
    [[nodiscard]] int write(std::uint64_t handle, ByteView bytes, std::uint64_t offset);
    /// At each close: what was written takes effect. Its errors are hidden, as the kernel hides
    /// them.
    void flush(std::uint64_t handle);
    void release(std::uint64_t handle);
    [[nodiscard]] int ioctl(std::uint64_t handle, std::uint32_t command,
                            std::span<std::uint8_t> block, const IoctlCaller& caller,
                            const IsInterrupted& is_interrupted);

    /// Ends every wait: requests in flight are interrupted.
    void stop() noexcept { is_stopping_ = true; }

 private:
    enum class Kind : std::uint8_t { folder, attribute, sev_device, tdx_device, rtmr, fixed };
    struct Node {
        Kind kind = Kind::fixed;
        unsigned mode = 0;
        std::int64_t size = 0;
        std::string name = {};                   ///< of an attribute
        std::shared_ptr<TsmReport> report = {};  ///< of an attribute, or an entry's folder
        std::size_t rtmr = 0;
        std::function<Bytes()> content = {};  ///< of a fixed one, at its opening
        Owner owner = {};
    };
    struct OpenFile {
        Node node;
        std::optional<Bytes> snapshot;  ///< what all reads of this opening see
        Bytes written;
        bool has_written = false, has_failed = false;
    };

    void add(const std::string& path, Node node);
    void add_fixed(const std::string& path, unsigned mode, std::function<Bytes()> content);
    void add_tdx();
    [[nodiscard]] bool find(const std::string& path, Node& out);
    [[nodiscard]] std::shared_ptr<OpenFile> file(std::uint64_t handle);
    [[nodiscard]] std::string provider();
    [[nodiscard]] int take_snapshot(OpenFile& file, const IsInterrupted& is_interrupted);
    [[nodiscard]] int make_report(TsmReport& report, const std::string& name, Bytes& out,
                                  const IsInterrupted& is_interrupted);
    [[nodiscard]] int blob_of(TsmReport& report, const std::string& name, Bytes& out);
    [[nodiscard]] int wait_as_told(const IsInterrupted& is_interrupted);

    Machine& machine_;
    std::map<std::string, Node> nodes_;  ///< what is always there
    std::map<std::string, std::shared_ptr<TsmReport>> reports_;
    std::map<std::uint64_t, std::shared_ptr<OpenFile>> files_;
    std::uint64_t next_handle_ = 1;
    std::mutex files_lock_;  ///< of files_; never held while another is taken
    std::mutex generating_;  ///< one report at a time, of all processes; taken before turn()
    std::atomic<bool> is_stopping_ = false;
};

}  // namespace attestd::devsim
