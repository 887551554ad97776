// What systemd and the daemon tell each other: sockets passed at start (sd_listen_fds(3)) and
// notifications (sd_notify(3)), spoken without a library.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd {

/// Descriptors that were passed, by name. Empty when none were meant for this process.
/// Errc::bad_config when names and number do not fit, or a name stands there twice. Removes the
/// variables.
[[nodiscard]] Result<std::map<std::string, Fd>> take_passed_sockets();

class ServiceManager final {
 public:
    /// From the environment; silent when nobody listens there. Removes the variables.
    ServiceManager();

    /// One datagram such as "READY=1". Losses are not errors.
    void notify(std::string_view state) const noexcept;
    void notify_ready(std::string_view status) const;
    /// "RELOADING=1" with the time that it demands; to be followed by notify_ready().
    void notify_reloading() const;
    void notify_stopping() const;

    /// How often WATCHDOG=1 is due: half of what the manager allows. Empty without a watchdog.
    [[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval() const noexcept {
        return watchdog_;
    }

 private:
    Fd socket_;
    std::string address_;  // of $NOTIFY_SOCKET, '@' for an abstract one
    std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace attestd
