#include "agent/delivery/service.h"

#include <algorithm>
#include <array>
#include <thread>

namespace attestd {
namespace {

constexpr auto kAskAgain = std::chrono::milliseconds(250);

constexpr std::array kPassing{
    Errc::unavailable,   Errc::timed_out,       Errc::not_affirming, Errc::store_locked,
    Errc::too_busy,      Errc::rate_limited,    Errc::grant_expired, Errc::audit_failed,
    Errc::memory_locked, Errc::platform_failed, Errc::stopping,
};

}  // namespace

bool may_pass(Errc code) noexcept {
    return std::find(kPassing.begin(), kPassing.end(), code) != kPassing.end();
}

Result<SecretAnswer> ask_patiently(SecretService& service, const std::string& name,
                                   std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    for (;;) {
        auto answer = service.ask(name, "", std::chrono::seconds(0));
        const bool is_over = std::chrono::steady_clock::now() + kAskAgain >= until;
        if (answer || is_over || !may_pass(answer.error().code)) return answer;
        std::this_thread::sleep_for(kAskAgain);
    }
}

}  // namespace attestd
