// The "event_log" member of a drafted policy: what a replayed log explains, pinned.
#pragma once

#include <string>

#include "quote/boot/boot_facts.h"

namespace attestd::cli {

/// The member's content, with a comment for each key.
[[nodiscard]] std::string draft_event_log(const BootFacts& boot);

}  // namespace attestd::cli
