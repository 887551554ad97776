// How several tests of Intel evidence spoil its documents.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd::test {

/// `text` with the first `from`, which must be there, replaced.
inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    REQUIRE(at != text.npos);
    return text.replace(at, from.size(), to);
}

/// Signs both documents again, after a test changed their text.
inline void sign_again(forge::Collateral& c) {
    c.tcb_info_signature = forge::sign_text(c.tcb_info, test::intel().keys.tcb_signing);
    c.qe_identity_signature = forge::sign_text(c.qe_identity, test::intel().keys.tcb_signing);
}

}  // namespace attestd::test
