#include "tests/unit/platform/scripted_system.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cerrno>

namespace attestd::test {

void ScriptedSystem::on_file(const std::string& path, ByteView content) {
    on_open(path);
    if (!content.empty()) add({"read", path, 0, to_bytes(content)});
    add({"read", path});
}

void ScriptedSystem::on_bad_read(const std::string& path, int error,
                                 std::chrono::milliseconds takes) {
    on_open(path);
    Step step{"read", path, error};
    step.takes = takes;
    add(std::move(step));
}

void ScriptedSystem::on_put(const std::string& path, ByteView content, int error) {
    on_open(path);
    add({"write", path, error, to_bytes(content)});
}

std::string ScriptedSystem::verify() const {
    if (!complaint_.empty()) return complaint_;
    if (!script_.empty())
        return fmt::format("never reached: {} {}", script_.front().call, script_.front().path);
    if (!files_.empty()) return "left open: " + files_.begin()->second;
    return {};
}

std::optional<ScriptedSystem::Step> ScriptedSystem::next(const std::string& call,
                                                         const std::string& path) {
    if (script_.empty() || script_.front().call != call ||
        ::fnmatch(script_.front().path.c_str(), path.c_str(), 0) != 0) {
        const std::string want =
            script_.empty() ? "the end" : script_.front().call + ' ' + script_.front().path;
        if (complaint_.empty()) complaint_ = fmt::format("{} {} in place of {}", call, path, want);
        return std::nullopt;
    }
    Step step = std::move(script_.front());
    script_.pop_front();
    now_ += step.takes;
    return step;
}

std::string ScriptedSystem::path_of(int fd) const {
    const auto it = files_.find(fd);
    return it == files_.end() ? "(not open)" : it->second;
}

SysResult<int> ScriptedSystem::open_path(const std::string& path) {
    // What is written takes effect at the close: nothing else may be looked at before.
    for (const auto& [fd, open] : files_) {
        if (open.ends_with("/inblob")) complaint_ = path + " is opened while inblob is open";
    }
    const auto step = next("open", path);
    if (!step) return fail_sys(EPROTO);
    if (step->error != 0) return fail_sys(step->error);
    files_[next_fd_] = path;
    return next_fd_++;
}

SysResult<int> ScriptedSystem::open(const std::string& path, int /*flags*/) {
    return open_path(path);
}

SysResult<int> ScriptedSystem::open_at(int dir, const std::string& name, int /*flags*/) {
    return open_path(path_of(dir) + '/' + name);
}

void ScriptedSystem::close(int fd) noexcept {
    if (files_.erase(fd) == 0) complaint_ = "closed twice";
}

SysResult<std::size_t> ScriptedSystem::read(int fd, std::span<std::uint8_t> into) {
    const auto step = next("read", path_of(fd));
    if (!step) return fail_sys(EPROTO);
    if (step->error != 0) return fail_sys(step->error);
    const std::size_t len = std::min(step->bytes.size(), into.size());
    std::copy_n(step->bytes.begin(), len, into.begin());
    if (len < step->bytes.size()) {  // the rest comes with the next read
        script_.push_front(
            {"read", step->path, 0,
             Bytes(step->bytes.begin() + static_cast<std::ptrdiff_t>(len), step->bytes.end())});
    }
    return len;
}

SysResult<std::size_t> ScriptedSystem::write(int fd, ByteView bytes) {
    const auto step = next("write", path_of(fd));
    if (!step) return fail_sys(EPROTO);
    if (!equal(step->bytes, bytes)) complaint_ = "other bytes are written to " + path_of(fd);
    if (step->error != 0) return fail_sys(step->error);
    return step->num_written.value_or(bytes.size());
}

SysResult<void> ScriptedSystem::ioctl(int fd, std::uint32_t command, Block block) {
    const auto step = next("ioctl", path_of(fd));
    if (!step) return fail_sys(EPROTO);
    if (step->on_ioctl) step->on_ioctl(command, block);
    if (step->error != 0) return fail_sys(step->error);
    return {};
}

SysResult<NodeInfo> ScriptedSystem::stat(int fd) {
    const auto step = next("stat", path_of(fd));
    if (!step) return fail_sys(EPROTO);
    if (step->error != 0) return fail_sys(step->error);
    return step->node;
}

SysResult<void> ScriptedSystem::try_lock(int fd) {
    if (!files_.contains(fd)) complaint_ = "what is not open is locked";
    if (locked_ == 0) return {};
    --locked_;
    return fail_sys(lock_error_);
}

SysResult<void> ScriptedSystem::mkdir_at(int dir, const std::string& name) {
    made_.push_back(name);
    const auto step = next("mkdir", path_of(dir) + '/' + name);
    if (!step) return fail_sys(EPROTO);
    if (step->error != 0) return fail_sys(step->error);
    return {};
}

SysResult<void> ScriptedSystem::rmdir_at(int dir, const std::string& name) {
    const auto step = next("rmdir", path_of(dir) + '/' + name);
    if (!step) return fail_sys(EPROTO);
    if (step->error != 0) return fail_sys(step->error);
    return {};
}

SysResult<std::vector<std::string>> ScriptedSystem::list(int dir) {
    auto step = next("list", path_of(dir));
    if (!step) return fail_sys(EPROTO);
    if (step->error != 0) return fail_sys(step->error);
    return std::move(step->names);
}

void ScriptedSystem::sleep_until(Clock::time_point when) {
    if (when <= now_) return;
    slept_ += std::chrono::duration_cast<std::chrono::milliseconds>(when - now_);
    now_ = when;
}

}  // namespace attestd::test
