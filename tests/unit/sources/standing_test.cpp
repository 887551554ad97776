// What came of asking a service.
#include "agent/sources/standing.h"

#include "tests/support/catch.h"

namespace attestd::standing_test {

TEST_CASE("standing: successes, failures by code, and the last of both", "[sources]") {
    constexpr Time kNow{std::chrono::seconds(1000)};
    Standing standing;
    standing.note(Result<int>(fail(Errc::vault_sealed, "x")), kNow);
    standing.note(Result<int>(fail(Errc::vault_sealed, "y")), kNow + std::chrono::seconds(1));
    CHECK(standing.last_error == "vault.sealed: y");
    CHECK_FALSE(standing.last_success.has_value());
    standing.note(Result<int>(1), kNow + std::chrono::seconds(2));
    CHECK(standing.last_error.empty());
    CHECK(standing.last_failure == kNow + std::chrono::seconds(1));
    CHECK(standing.last_success == kNow + std::chrono::seconds(2));
    CHECK(standing.num_succeeded == 1);
    CHECK(standing.failures == std::map<Errc, std::uint64_t>{{Errc::vault_sealed, 2}});
}

}  // namespace attestd::standing_test
