// Words for the state of an Intel platform, and how the states of its parts add up
// (`spec/tdx.md` 6.2, 6.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace attestd {

enum class TcbStatus : std::uint8_t {
    up_to_date,
    sw_hardening_needed,
    configuration_needed,
    configuration_and_sw_hardening_needed,
    out_of_date,
    out_of_date_configuration_needed,
    revoked,
    td_relaunch_advised,
    td_relaunch_advised_configuration_needed,
};

/// "UpToDate", "OutOfDateConfigurationNeeded", ...: Intel's spelling.
[[nodiscard]] std::string_view tcb_status_name(TcbStatus status) noexcept;

/// The status that a platform's TCB level may state; empty for any other text.
[[nodiscard]] std::optional<TcbStatus> platform_status_from(std::string_view text) noexcept;
/// The status that a level of a TDX module or enclave may state: UpToDate, OutOfDate, Revoked.
[[nodiscard]] std::optional<TcbStatus> component_status_from(std::string_view text) noexcept;
/// Any terminal status that a policy may name; Revoked and unknown text are empty.
[[nodiscard]] std::optional<TcbStatus> allowable_status_from(std::string_view text) noexcept;

/// The status of a platform with one of its components (6.2). Apply once for each component.
[[nodiscard]] TcbStatus converge(TcbStatus platform, TcbStatus component) noexcept;

/// The status of a TD whose module was updated under it (6.3).
[[nodiscard]] TcbStatus relaunch_status(TcbStatus launch, TcbStatus current) noexcept;

}  // namespace attestd
