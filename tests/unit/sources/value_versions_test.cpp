// Versions for values that their source does not count.
#include "agent/sources/value_versions.h"

#include "tests/support/catch.h"

namespace attestd::value_versions_test {
namespace {

Secret secret(std::string_view text) { return Secret::copy_of(as_bytes(text)).value(); }
constexpr Time kNow{std::chrono::seconds(1'700'000'000)};

}  // namespace

TEST_CASE("versions: one grows when its value changes, and only then", "[sources]") {
    auto made = ValueVersions::make();
    REQUIRE_OK(made);
    ValueVersions& versions = *made;
    CHECK(versions.of("a", secret("1"), kNow) == 1'700'000'000);
    CHECK(versions.of("a", secret("1"), kNow + std::chrono::hours(1)) == 1'700'000'000);
    CHECK(versions.of("a", secret("2"), kNow) == 1'700'000'001);
    CHECK(versions.of("a", secret("1"), kNow) == 1'700'000'002);
    CHECK(versions.of("b", secret("1"), kNow) == 1'700'000'000);
    CHECK(versions.of("a", secret("3"), kNow + std::chrono::hours(1)) == 1'700'003'600);
    CHECK(versions.of("c", secret("1"), Time{}) == 1);
}

}  // namespace attestd::value_versions_test
