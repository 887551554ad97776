#include "verifier/intel/tcb_status.h"

#include <array>

namespace attestd {
namespace {

constexpr std::array<std::string_view, 9> kNames{"UpToDate",
                                                 "SWHardeningNeeded",
                                                 "ConfigurationNeeded",
                                                 "ConfigurationAndSWHardeningNeeded",
                                                 "OutOfDate",
                                                 "OutOfDateConfigurationNeeded",
                                                 "Revoked",
                                                 "TDRelaunchAdvised",
                                                 "TDRelaunchAdvisedConfigurationNeeded"};

std::optional<TcbStatus> from_name(std::string_view text, std::size_t num) noexcept {
    for (std::size_t i = 0; i < num; ++i) {
        if (kNames[i] == text) return static_cast<TcbStatus>(i);
    }
    return std::nullopt;
}

bool out_of_date(TcbStatus s) noexcept {
    return s == TcbStatus::out_of_date || s == TcbStatus::out_of_date_configuration_needed;
}

bool needs_configuration(TcbStatus s) noexcept {
    return s == TcbStatus::configuration_needed ||
           s == TcbStatus::configuration_and_sw_hardening_needed ||
           s == TcbStatus::out_of_date_configuration_needed;
}

}  // namespace

std::string_view tcb_status_name(TcbStatus status) noexcept {
    return kNames[static_cast<std::size_t>(status)];
}

std::optional<TcbStatus> platform_status_from(std::string_view text) noexcept {
    return from_name(text, static_cast<std::size_t>(TcbStatus::revoked) + 1);
}

std::optional<TcbStatus> component_status_from(std::string_view text) noexcept {
    const auto status = platform_status_from(text);
    const bool known = status == TcbStatus::up_to_date || status == TcbStatus::out_of_date ||
                       status == TcbStatus::revoked;
    return known ? status : std::nullopt;
}

std::optional<TcbStatus> allowable_status_from(std::string_view text) noexcept {
    const auto status = from_name(text, kNames.size());
    return status == TcbStatus::revoked ? std::nullopt : status;
}

TcbStatus converge(TcbStatus platform, TcbStatus component) noexcept {
    if (component == TcbStatus::revoked) return TcbStatus::revoked;
    if (component != TcbStatus::out_of_date) return platform;
    switch (platform) {
        case TcbStatus::up_to_date:
        case TcbStatus::sw_hardening_needed:
            return TcbStatus::out_of_date;
        case TcbStatus::configuration_needed:
        case TcbStatus::configuration_and_sw_hardening_needed:
            return TcbStatus::out_of_date_configuration_needed;
        default:
            return platform;
    }
}

TcbStatus relaunch_status(TcbStatus launch, TcbStatus current) noexcept {
    if (!out_of_date(launch) || out_of_date(current) || current == TcbStatus::revoked)
        return launch;
    return needs_configuration(launch) || needs_configuration(current)
               ? TcbStatus::td_relaunch_advised_configuration_needed
               : TcbStatus::td_relaunch_advised;
}

}  // namespace attestd
