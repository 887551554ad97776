// ReadyRelease: what a connection keeps of its last release, for the same question asked again.
//
// It holds no secret. The value comes from the vault's memory each time, and nothing is sent on it
// before the grant was judged again: the same session's result, the same policy, not expired.
#pragma once

#include <string>

#include "agent/release/grant.h"

namespace attestd {

struct ReadyRelease {
    Grant grant;
    std::uint64_t version;  ///< of the value that `head` announces
    std::string head;       ///< of the answer that keeps the connection, but what ages and the end
    std::string members;    ///< of the audit record: line_members()
};

}  // namespace attestd
