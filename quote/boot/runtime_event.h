// Events that are measured into RTMR3 after boot: `<domain> <operation> <content>`
// (`spec/guest-interfaces.md` section 6).
//
// A record is that of a boot log with register index 4 and type EV_EVENT_TAG; its digest covers all
// of the event's data, the tag included. The domain says in whose name an event was measured, so
// that it must be chosen by the one who extends the register, never by the one who asks for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr unsigned kRuntimeRegister =
    3;  ///< RTMR3: the only one that is extended after boot
inline constexpr std::size_t kMaxEventContentLen = 1024;

struct RuntimeEvent {
    std::string domain;     ///< "attestd", "workload/db": no blanks
    std::string operation;  ///< what happened: no blanks
    std::string content;    ///< printable ASCII; may be empty

    friend bool operator==(const RuntimeEvent&, const RuntimeEvent&) = default;
};

/// Names are 1 to 128 of A-Z a-z 0-9 _ . / -, content is at most 1024 of printable ASCII: so that
/// no two events have the same bytes. Errc::bad_value.
[[nodiscard]] Result<void> check_runtime_event(const RuntimeEvent& event);

/// What the agent measures of itself, under the domain "attestd", which no workload's event has:
/// the configuration that it goes by from then on.
[[nodiscard]] RuntimeEvent config_event(const Sha256& config_digest);

/// The configuration that the last event of that form names; empty without one.
[[nodiscard]] std::optional<std::string> last_config(const std::vector<RuntimeEvent>& events);

/// The event's data as it stands in a log; `event` passed check_runtime_event().
[[nodiscard]] Bytes runtime_event_data(const RuntimeEvent& event);

/// What RTMR3 is extended with: SHA-384 of the event's data.
[[nodiscard]] Sha384 runtime_event_digest(const RuntimeEvent& event);

/// The event that `data` holds in exactly this form; empty for anything else.
[[nodiscard]] std::optional<RuntimeEvent> parse_runtime_event(ByteView data);

/// A log of these events, in the form of a boot log.
[[nodiscard]] Bytes write_runtime_log(const std::vector<RuntimeEvent>& events);

}  // namespace attestd
