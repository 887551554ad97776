// ScriptedSystem: a System that plays a script: which call comes next, on what, and what it gives.
//
// A call that is not the next of the script fails with EPROTO and is a complaint, which verify()
// turns into a failure of the test; so do steps that were never reached and files left open. Time
// stands still but for what steps take and sleeps ask for.
#pragma once

#include <cerrno>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "quote/platform/system.h"

namespace attestd::test {

class ScriptedSystem final : public System {
 public:
    using Block = std::span<std::uint8_t>;

    struct Step {
        std::string call;  ///< "open", "read", "write", "ioctl", "stat", "mkdir", "rmdir", "list"
        std::string path;  ///< with * for what is random
        int error = 0;     ///< errno, when not 0
        Bytes bytes = {};  ///< what read gives, or what must be written
        std::optional<std::size_t> num_written = {};  ///< a short write
        std::vector<std::string> names = {};          ///< what list gives
        NodeInfo node{true, false, 0};                ///< what stat gives
        std::function<void(std::uint32_t command, Block)> on_ioctl = {};
        std::chrono::milliseconds takes{0};
    };

    void add(Step step) { script_.push_back(std::move(step)); }

    // The usual sequences.
    void on_open(const std::string& path, int error = 0) { add({"open", path, error}); }
    void on_mkdir(const std::string& path, int error = 0) { add({"mkdir", path, error}); }
    void on_rmdir(const std::string& path, int error = 0) { add({"rmdir", path, error}); }
    /// A file read to its end in one piece.
    void on_file(const std::string& path, ByteView content);
    void on_file(const std::string& path, std::string_view content) {
        on_file(path, as_bytes(content));
    }
    /// A file whose first read fails after `takes`.
    void on_bad_read(const std::string& path, int error, std::chrono::milliseconds takes = {});
    /// A file written in one piece.
    void on_put(const std::string& path, ByteView content, int error = 0);

    /// Empty when the script was played to its end and every file is closed.
    [[nodiscard]] std::string verify() const;
    /// The open folder or file of this name at present (the last part of its path).
    [[nodiscard]] const std::vector<std::string>& made_names() const noexcept { return made_; }
    [[nodiscard]] std::chrono::milliseconds slept() const noexcept { return slept_; }
    /// How often the lock is another process's, from now on.
    void set_locked(unsigned times, int error = EWOULDBLOCK) noexcept {
        locked_ = times;
        lock_error_ = error;
    }
    void set_uid(std::uint32_t uid) noexcept { uid_ = uid; }

    [[nodiscard]] SysResult<int> open(const std::string& path, int flags) override;
    [[nodiscard]] SysResult<int> open_at(int dir, const std::string& name, int flags) override;
    void close(int fd) noexcept override;
    [[nodiscard]] SysResult<std::size_t> read(int fd, std::span<std::uint8_t> into) override;
    [[nodiscard]] SysResult<std::size_t> write(int fd, ByteView bytes) override;
    [[nodiscard]] SysResult<void> ioctl(int fd, std::uint32_t command, Block block) override;
    [[nodiscard]] SysResult<NodeInfo> stat(int fd) override;
    [[nodiscard]] SysResult<void> try_lock(int fd) override;
    [[nodiscard]] SysResult<void> mkdir_at(int dir, const std::string& name) override;
    [[nodiscard]] SysResult<void> rmdir_at(int dir, const std::string& name) override;
    [[nodiscard]] SysResult<std::vector<std::string>> list(int dir) override;
    [[nodiscard]] std::uint32_t effective_uid() const noexcept override { return uid_; }
    [[nodiscard]] Clock::time_point now() override { return now_; }
    void sleep_until(Clock::time_point when) override;

 private:
    /// The next step if it is this call, else a complaint.
    [[nodiscard]] std::optional<Step> next(const std::string& call, const std::string& path);
    [[nodiscard]] SysResult<int> open_path(const std::string& path);
    [[nodiscard]] std::string path_of(int fd) const;

    std::deque<Step> script_;
    std::map<int, std::string> files_;
    std::vector<std::string> made_;
    std::string complaint_;
    int next_fd_ = 100;
    std::uint32_t uid_ = 0;
    unsigned locked_ = 0;
    int lock_error_ = 0;
    Clock::time_point now_ = Clock::time_point(std::chrono::hours(1));
    std::chrono::milliseconds slept_{0};
};

}  // namespace attestd::test
