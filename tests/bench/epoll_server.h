// EpollServer: the least that an HTTP server on a Unix socket can do, as the floor for the daemon.
//
// One thread, one epoll, a prebuilt answer. It looks for the blank line that ends a request and for
// nothing else: no parser, no caller, no policy. Not for anything but measuring.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::bench {

class EpollServer final {
 public:
    /// Listens on `path` and answers every request with `answer`, until destroyed.
    [[nodiscard]] static Result<std::unique_ptr<EpollServer>> start(
        const std::filesystem::path& path, std::string answer);
    ~EpollServer();
    EpollServer(const EpollServer&) = delete;
    EpollServer& operator=(const EpollServer&) = delete;

    /// CPU time that the server's thread has used, in nanoseconds.
    [[nodiscard]] std::int64_t cpu_ns() const;

 private:
    EpollServer(Fd listener, Fd epoll, Fd stop, std::string answer);
    void run();
    void accept_all();
    [[nodiscard]] bool serve(int fd, std::string& pending) const;

    Fd listener_, epoll_, stop_;
    std::string answer_;
    std::thread thread_;
};

}  // namespace attestd::bench
