// JSON of the emulator's two sockets and its command line: what is read, written and refused.
#include "tests/emulator/protocol.h"

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"

namespace attestd::devsim {
namespace {

const std::string kHex128(128, 'a');

TEST_CASE("protocol: an evidence request is read strictly", "[devsim]") {
    const auto good = parse_evidence_request(R"({"report_data":")" + kHex128 + R"("})");
    REQUIRE_OK(good);
    CHECK(to_hex(*good) == kHex128);
    struct Row {
        const char* body;
        Errc want;
    };
    const Row row = GENERATE(values<Row>({{"", Errc::bad_json},
                                          {"[]", Errc::wrong_type},
                                          {"{}", Errc::missing_key},
                                          {R"({"report_data": 1})", Errc::wrong_type},
                                          {R"({"report_data": "00"})", Errc::bad_encoding}}));
    INFO(row.body);
    REQUIRE_ERRC(row.want, parse_evidence_request(row.body));
    REQUIRE_ERRC(Errc::unknown_key,
                 parse_evidence_request(R"({"report_data":")" + kHex128 + R"(", "x": 1})"));
}

TEST_CASE("protocol: a key request carries the TCB as its bytes stand in a report", "[devsim]") {
    const auto request = parse_key_request(
        R"({"guest_field_select": 9, "vmpl": 1, "guest_svn": 2, "tcb_version": "04000000000018db"})");
    REQUIRE_OK(request);
    CHECK(request->guest_field_select == 9);
    CHECK(request->vmpl == 1);
    CHECK(request->guest_svn == 2);
    CHECK(request->tcb_version == 0xdb18000000000004);
}

TEST_CASE("protocol: an evidence answer is base64 and leaves out an event log that is not there",
          "[devsim]") {
    const auto json = nlohmann::json::parse(evidence_json(Tee::snp, {{1, 2, 3}, {{4}, {5}}, {}}));
    CHECK(json == nlohmann::json::parse(
                      R"({"tee": "snp", "evidence": "AQID", "endorsements": ["BA==", "BQ=="]})"));
    const auto with_log = nlohmann::json::parse(evidence_json(Tee::tdx, {{1}, {}, {2}}));
    CHECK(with_log["event_log"] == "Ag==");
    CHECK(with_log["endorsements"].empty());
}

TEST_CASE("protocol: control takes what it knows and nothing else", "[devsim]") {
    const auto control = parse_control(
        R"({"debug": true, "fail": "garbage", "delay_ms": 250, "tcb": "outdated", "endorsements": false})");
    REQUIRE_OK(control);
    CHECK(control->debug == true);
    CHECK(control->fault == Fault::garbage);
    CHECK(control->delay == std::chrono::milliseconds(250));
    CHECK(control->tcb == "outdated");
    CHECK(control->endorsements == false);
    CHECK_FALSE(control->measurement);
    struct Row {
        const char* body;
        Errc want;
    };
    const Row row = GENERATE(values<Row>({{R"({"fail": "often"})", Errc::bad_value},
                                          {R"({"delay_ms": -1})", Errc::bad_value},
                                          {R"({"rtmr4": ""})", Errc::unknown_key},
                                          {R"({"measurement": "00"})", Errc::bad_encoding},
                                          {R"({"debug": "yes"})", Errc::wrong_type}}));
    INFO(row.body);
    REQUIRE_ERRC(row.want, parse_control(row.body));
}

TEST_CASE("protocol: how the kernel's interfaces misbehave is told as one whole", "[devsim]") {
    const auto control = parse_control(
        R"({"device": {"errno": "EBUSY", "times": 2, "lost_commits": 1, "provider": "none",
            "read_len": 3, "vmm_error": 2, "firmware_error": 22, "certs_len": 8192,
            "zero_key": true}})");
    REQUIRE_OK(control);
    REQUIRE(control->device);
    DeviceFaults faults = *control->device;
    CHECK(faults.take_error() == EBUSY);
    CHECK(faults.take_error() == EBUSY);
    CHECK(faults.take_error() == 0);  // twice, and no third time
    CHECK(faults.lost_commits == 1);
    CHECK(faults.foreign_writes == 0);
    CHECK(faults.provider == "none");
    CHECK(faults.zero_key);
    const auto always = parse_control(R"({"device": {"errno": "ENOTTY"}})");
    REQUIRE_OK(always);
    faults = *always->device;
    for (int i = 0; i < 3; ++i) CHECK(faults.take_error() == ENOTTY);
    const auto none = parse_control(R"({"device": {}})");
    REQUIRE_OK(none);
    CHECK(none->device->error == 0);
    REQUIRE_ERRC(Errc::bad_value, parse_control(R"({"device": {"errno": "EWHATEVER"}})"));
    REQUIRE_ERRC(Errc::unknown_key, parse_control(R"({"device": {"error": "EIO"}})"));
    REQUIRE_ERRC(Errc::bad_value, parse_control(R"({"device": {"times": -1}})"));
}

TEST_CASE("protocol: a refusal is a problem document", "[devsim]") {
    const auto json =
        nlohmann::json::parse(problem_json({Errc::platform_unsupported, "no keys"}, 501));
    CHECK(json["code"] == "platform.unsupported");
    CHECK(json["detail"] == "no keys");
    CHECK(json["status"] == 501);
    CHECK(json.contains("title"));
}

TEST_CASE("options: what attestd-devsim is told and what it refuses", "[devsim]") {
    const auto options = parse_devsim_options(
        {"--dir", "/tmp/x", "--tee", "snp", "--product", "turin", "--now", "@1795334400"});
    REQUIRE_OK(options);
    CHECK(options->tee == Tee::snp);
    CHECK(options->product == forge::Product::turin);
    CHECK(options->socket == "/tmp/x/platform.sock");
    CHECK(to_rfc3339(options->now) == "2026-11-22T08:00:00Z");
    const std::vector<std::string> args =
        GENERATE(std::vector<std::string>{}, std::vector<std::string>{"--dir", "x"},
                 std::vector<std::string>{"--dir", "x", "--tee", "sgx"},
                 std::vector<std::string>{"--dir", "x", "--tee"},
                 std::vector<std::string>{"--dir", "x", "--tee", "tdx", "--now", "1"},
                 std::vector<std::string>{"--dir", "x", "--tee", "tdx", "--loud"});
    REQUIRE_ERRC(Errc::bad_usage, parse_devsim_options(args));
}

}  // namespace
}  // namespace attestd::devsim
