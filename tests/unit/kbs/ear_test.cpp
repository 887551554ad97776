// What all submodules of an attestation result come to.
#include "agent/kbs/ear.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace attestd::kbs::ear_test {
namespace {

using nlohmann::json;

Result<EarStanding> standing(const json& submods) {
    const auto document = JsonDocument::parse(submods.dump(), "token");
    REQUIRE_OK(document);
    return ear_standing_of(document->root());
}

json one(const json& status, const json& vector = json::object()) {
    return {{"cpu0", {{"ear.status", status}, {"ear.trustworthiness-vector", vector}}}};
}

}  // namespace

TEST_CASE("EAR: a submodule is no better than its status and the worst of its vector", "[kbs]") {
    struct Row {
        json status;
        json vector;
        const char* worst;
    };
    const Row rows[] = {
        {"affirming", {{"hardware", 2}}, "affirming"},
        {2, {{"hardware", 31}}, "affirming"},
        {"affirming", {{"hardware", 0}, {"executables", 1}, {"file-system", -1}}, "affirming"},
        {"affirming", {{"hardware", -32}}, "affirming"},
        {"affirming", {{"hardware", 32}}, "warning"},
        {"affirming", {{"hardware", -33}}, "warning"},
        {"affirming", {{"hardware", 95}}, "warning"},
        {"affirming", {{"hardware", 96}}, "contraindicated"},
        {"affirming", {{"hardware", -97}}, "contraindicated"},
        {"affirming", {{"hardware", 127}, {"executables", 2}}, "contraindicated"},
        {"affirming", {{"hardware", "2"}}, "contraindicated"},
        {"affirming", {{"hardware", 1000}}, "contraindicated"},
        {"warning", {{"hardware", 2}}, "warning"},
        {32, json::object(), "warning"},
        {"contraindicated", {{"hardware", 32}}, "contraindicated"},
        {96, json::object(), "contraindicated"},
        {"none", {{"hardware", 32}}, "none"},
        {0, json::object(), "none"},
        {"splendid", {{"hardware", 97}}, "splendid"},
        {3, json::object(), "3"},
    };
    for (const Row& row : rows) {
        INFO(row.status << " " << row.vector);
        const auto got = standing(one(row.status, row.vector));
        REQUIRE_OK(got);
        CHECK(got->worst == row.worst);
        const std::string worst = row.worst;
        CHECK(check_ear(*got, /*accept_warning=*/false, {}).has_value() == (worst == "affirming"));
        CHECK(check_ear(*got, /*accept_warning=*/true, {}).has_value() ==
              (worst == "affirming" || worst == "warning"));
    }
}

TEST_CASE("EAR: without a submodule, or a status in each, there is no result", "[kbs]") {
    for (const json& bad : {json::object(), json::array(), json{{"cpu0", json::object()}},
                            json{{"cpu0", "affirming"}}, one(true), one(1.5), one(500)}) {
        INFO(bad);
        REQUIRE_ERRC(Errc::token_malformed, standing(bad));
    }
}

TEST_CASE("EAR: where policies are named, each submodule was appraised by one of them", "[kbs]") {
    json both = one("affirming");
    both["gpu0"] = both["cpu0"];
    both["cpu0"]["ear.appraisal-policy-id"] = "strict";
    const auto partly = standing(both);
    REQUIRE_OK(partly);
    REQUIRE_OK(check_ear(*partly, /*accept_warning=*/false, {}));
    REQUIRE_ERRC(Errc::token_not_affirming,
                 check_ear(*partly, /*accept_warning=*/false, {"strict"}));
    both["gpu0"]["ear.appraisal-policy-id"] = "other";
    const auto wholly = standing(both);
    REQUIRE_OK(wholly);
    REQUIRE_OK(check_ear(*wholly, /*accept_warning=*/false, {"strict", "other"}));
    REQUIRE_ERRC(Errc::token_not_affirming,
                 check_ear(*wholly, /*accept_warning=*/false, {"strict"}));
}

}  // namespace attestd::kbs::ear_test
