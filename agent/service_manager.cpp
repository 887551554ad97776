#include "agent/service_manager.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <vector>

#include "quote/base/unix_address.h"

namespace attestd {
namespace {

constexpr int kFirstPassedFd = 3;  // SD_LISTEN_FDS_START
constexpr int kMaxPassedFds = 64;

std::string take_variable(const char* name) {
    const char* const value = std::getenv(name);
    std::string text = value == nullptr ? "" : value;
    ::unsetenv(name);
    return text;
}

std::optional<long> number(std::string_view text) noexcept {
    long value = 0;
    const auto [after, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || after != text.data() + text.size() || text.empty())
        return std::nullopt;
    return value;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> out;
    for (;;) {
        const auto at = text.find(separator);
        out.emplace_back(text.substr(0, at));
        if (at == text.npos) return out;
        text.remove_prefix(at + 1);
    }
}

bool is_mine(std::string_view pid_text) noexcept {
    const auto pid = number(pid_text);
    return pid && *pid == ::getpid();
}

}  // namespace

Result<std::map<std::string, Fd>> take_passed_sockets() {
    const std::string pid = take_variable("LISTEN_PID");
    const std::string count_text = take_variable("LISTEN_FDS");
    const std::string names_text = take_variable("LISTEN_FDNAMES");
    std::map<std::string, Fd> out;
    if (!is_mine(pid)) return out;
    const auto count = number(count_text);
    if (!count || *count < 0 || *count > kMaxPassedFds) {
        return fail(Errc::bad_config, "LISTEN_FDS is no number of descriptors");
    }
    const auto names = split(names_text, ':');
    if (*count != 0 && names.size() != static_cast<std::size_t>(*count)) {
        return fail(Errc::bad_config,
                    "LISTEN_FDNAMES and LISTEN_FDS do not fit; set FileDescriptorName=");
    }
    for (int i = 0; i < *count; ++i) {
        Fd fd(kFirstPassedFd + i);
        if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0)
            return fail_errno(errno, "a passed descriptor");
        if (!out.emplace(names[static_cast<std::size_t>(i)], std::move(fd)).second) {
            return fail(Errc::bad_config, fmt::format("two passed descriptors are called \"{}\"",
                                                      names[static_cast<std::size_t>(i)]));
        }
    }
    return out;
}

ServiceManager::ServiceManager() : address_(take_variable("NOTIFY_SOCKET")) {
    const std::string pid = take_variable("WATCHDOG_PID");
    const auto micros = number(take_variable("WATCHDOG_USEC"));
    const bool known_form = address_.starts_with('/') || address_.starts_with('@');
    if (!known_form || !UnixAddress::of_path_or_abstract(address_)) {
        address_.clear();
        return;
    }
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (micros && *micros > 1 && (pid.empty() || is_mine(pid)))
        watchdog_ = std::chrono::microseconds(*micros / 2);
}

void ServiceManager::notify(std::string_view state) const noexcept {
    if (!socket_ || address_.empty()) return;
    const auto address = UnixAddress::of_path_or_abstract(address_);
    if (!address) return;
    static_cast<void>(::sendto(socket_.get(), state.data(), state.size(), MSG_NOSIGNAL,
                               address->get(), address->len()));
}

void ServiceManager::notify_ready(std::string_view status) const {
    notify(fmt::format("READY=1\nSTATUS={}\nMAINPID={}", status, ::getpid()));
}

void ServiceManager::notify_reloading() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    notify(
        fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1000));
}

void ServiceManager::notify_stopping() const { notify("STOPPING=1\nSTATUS=stopping"); }

}  // namespace attestd
