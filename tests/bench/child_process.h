// ChildProcess: a program that lives as long as this object, and no longer than this process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "quote/base/result.h"

namespace attestd::bench {

class ChildProcess final {
 public:
    /// Starts args[0] with its output going to `log`.
    [[nodiscard]] static Result<ChildProcess> start(const std::vector<std::string>& args,
                                                    const std::filesystem::path& log);
    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&&) = delete;
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    /// SIGTERM, and SIGKILL when that does not help within five seconds.
    ~ChildProcess();

    /// CPU time that the process has used, all threads, in nanoseconds.
    [[nodiscard]] std::int64_t cpu_ns() const noexcept;
    /// Bytes of memory that it has resident; 0 when that cannot be read.
    [[nodiscard]] std::int64_t resident_len() const;

 private:
    explicit ChildProcess(pid_t pid) noexcept : pid_(pid) {}
    pid_t pid_;
};

}  // namespace attestd::bench
