// One record as a line of JSON.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/unit/agent/audit/audit_samples.h"

namespace attestd::audit_test {

TEST_CASE("audit: a line is JSON with who, what, under which policy, and why", "[agent][audit]") {
    Caller caller;
    caller.peer = {12, 1000, 1001};
    caller.cgroup.unit = "app.service";
    caller.socket = "default";
    const Sha256 policy{1}, evidence{2};
    const std::vector<std::string_view> ids{"app", "db"};
    AuditEvent event = event_of(Decision::deny, "db/password", "secret.unavailable");
    event.caller = &caller;
    event.workloads = &ids;
    event.policy = &policy;
    event.evidence = &evidence;
    event.epoch = 4;
    event.connection = 9;
    event.latency = std::chrono::microseconds(55);
    ChainState chain;
    fmt::memory_buffer out;
    append_line(out, chain, "boot-1",
                std::chrono::system_clock::time_point(std::chrono::microseconds(1'500'000)), event,
                caller_members(caller));
    const auto json = nlohmann::json::parse(fmt::to_string(out));
    CHECK(json.at("ts") == "1970-01-01T00:00:01.500000Z");
    CHECK(json.at("boot_id") == "boot-1");
    CHECK(json.at("seq") == 0);
    CHECK(json.at("prev") == std::string(64, '0'));
    CHECK(json.at("conn") == 9);
    CHECK(json.at("pid") == 12);
    CHECK(json.at("uid") == 1000);
    CHECK(json.at("gid") == 1001);
    CHECK(json.at("unit") == "app.service");
    CHECK(json.at("rule_ids") == nlohmann::json{"app", "db"});
    CHECK(json.at("policy_sha256").get<std::string>().substr(0, 4) == "0100");
    CHECK(json.at("evidence_sha256").get<std::string>().substr(0, 4) == "0200");
    CHECK(json.at("object") == "db/password");
    CHECK(json.at("decision") == "deny");
    CHECK(json.at("reason") == "secret.unavailable");
    CHECK(json.at("latency_us") == 55);
}

TEST_CASE("audit: text from a peer stays one JSON text of at most 256 bytes", "[agent][audit]") {
    ChainState chain;
    fmt::memory_buffer out;
    const std::string nasty = "\",\"decision\":\"allow\n\x01\xff\\" + std::string(1000, 'x');
    append_line(out, chain, "boot", {}, event_of(Decision::deny, nasty), {});
    const std::string line = fmt::to_string(out);
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    const auto json = nlohmann::json::parse(line);
    CHECK(json.at("decision") == "deny");
    CHECK(json.at("object").get<std::string>().size() <=
          256 + 3);  // three of them became two bytes
}

TEST_CASE("audit: a prepared line is the same line", "[agent][audit]") {
    const AuditEvent event = event_of(Decision::allow, "a/b", "not-modified");
    ChainState one, other;
    fmt::memory_buffer whole, prepared;
    const auto now = std::chrono::system_clock::time_point(
        std::chrono::microseconds(1'795'334'040'000'123));  // 2026-11-22T07:54:00.000123Z
    append_line(whole, one, "boot", now, event, ",\"uid\":1");
    append_line(prepared, other, "boot", now, line_members(event, ",\"uid\":1"), event.latency);
    CHECK(fmt::to_string(whole) == fmt::to_string(prepared));
    CHECK(one.prev == other.prev);
    CHECK_THAT(fmt::to_string(whole), ContainsSubstring("\"2026-11-22T07:54:00.000123Z\""));
}

}  // namespace attestd::audit_test
