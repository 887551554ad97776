// What a TD's claims in a token come to: TCB status and debug state.
#include "agent/remote/tdx_claims.h"

#include "tests/unit/remote/remote_samples.h"

namespace attestd::remote::tdx_claims_test {
namespace {

using nlohmann::json;

Findings appraised(const json& claims, bool accept_warning = false) {
    const auto document = JsonDocument::parse(claims.dump(), "token");
    REQUIRE_OK(document);
    auto object = document->root().object();
    REQUIRE_OK(object);
    Findings out;
    appraise_td_claims(*object, accept_warning, out);
    return out;
}

json good() { return {{"attester_tcb_status", "UpToDate"}, {"tdx_is_debuggable", false}}; }

}  // namespace

TEST_CASE("remote TDX: the three tiers of TCB status, and what is not said", "[remote]") {
    struct Row {
        json status;
        bool is_middle;
    };
    const Row rows[] = {{"SWHardeningNeeded", true},
                        {"ConfigurationNeeded", true},
                        {"ConfigurationAndSWHardeningNeeded", true},
                        {"TDRelaunchAdvised", true},
                        {"TDRelaunchAdvisedConfigurationNeeded", true},
                        {"OutOfDate", false},
                        {"OutOfDateConfigurationNeeded", false},
                        {"Revoked", false},
                        {"uptodate", false},
                        {"", false},
                        {7, false},
                        {nullptr, false}};
    CHECK(appraised(good()).empty());
    for (const Row& row : rows) {
        INFO(row.status);
        json claims = good();
        claims["attester_tcb_status"] = row.status;
        for (const bool accept_warning : {false, true}) {
            const Findings found = appraised(claims, accept_warning);
            REQUIRE(found.size() == 1);
            CHECK(found[0].id == "tcb.status");
            CHECK((found[0].severity == Severity::warning) == (row.is_middle && accept_warning));
        }
    }
    json silent = good();
    silent.erase("attester_tcb_status");
    CHECK(appraised(silent).at(0).severity == Severity::error);
}

TEST_CASE("remote TDX: whatever says something of debugging must say no, and one must say it",
          "[remote]") {
    for (const json& said :
         {json{{"tdx_is_debuggable", true}}, json{{"tdx_is_debuggable", "false"}},
          json{{"tdx_is_debuggable", false}, {"tdx_td_attributes_debug", true}},
          json{{"tdx_is_debuggable", false}, {"dbgstat", "enabled"}}, json{{"dbgstat", false}},
          json::object()}) {
        INFO(said);
        json claims = said;
        claims["attester_tcb_status"] = "UpToDate";
        const Findings found = appraised(claims);
        REQUIRE(found.size() == 1);
        CHECK(found[0].id == "policy.debug");
        CHECK(found[0].severity == Severity::error);
    }
    CHECK(appraised({{"attester_tcb_status", "UpToDate"}, {"dbgstat", "disabled"}}).empty());
    CHECK(appraised({{"attester_tcb_status", "UpToDate"}, {"dbgstat", "disabled-since-boot"}})
              .empty());
}

}  // namespace attestd::remote::tdx_claims_test
