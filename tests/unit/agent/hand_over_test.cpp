// Who judges the machine that a store is handed over to.
#include "agent/provisioning.h"
#include "tests/support/catch.h"

namespace attestd {
namespace {

constexpr std::string_view kAnyTd =
    R"({"tdx":{"mrtd":"any","rtmr0":"any","rtmr1":"any","rtmr2":"any","rtmr3":"any",)"
    R"("mrseam":"any","mrconfigid":"any","mrowner":"any","mrownerconfig":"any"}})";

LoadedFile policy_file(std::string_view text) {
    return {"next-image.json", Bytes(text.begin(), text.end())};
}

}  // namespace

TEST_CASE("hand-over: its policy is judged by in this process, whoever appraises this machine",
          "[agent][provision]") {
    Config config;
    config.verifier.type = VerifierType::external;
    config.verifier.socket = "/run/verifier.sock";
    const auto none = make_hand_over_verifier(config);
    REQUIRE_OK(none);
    CHECK((*none)->name() == "external");
    config.hand_over_policy = policy_file(kAnyTd);
    const auto own = make_hand_over_verifier(config);
    REQUIRE_OK(own);
    CHECK((*own)->name() == "local");
    config.hand_over_policy = policy_file("{");
    REQUIRE_ERRC(Errc::bad_json, make_hand_over_verifier(config));
}

}  // namespace attestd
