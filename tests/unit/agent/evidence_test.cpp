// Evidence for workloads: what is bound, and what is taken as a request.
#include "agent/evidence.h"

#include <nlohmann/json.hpp>

#include "agent/platform/evidence_json.h"
#include "agent/session.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"

using namespace attestd;

TEST_CASE("workload report data: SHA-512 of label, id and data, each with its length",
          "[agent][evidence]") {
    // Written out by hand from the definition.
    const std::string text = std::string("attestd workload evidence v1\0", 29) +
                             std::string("\0\0\0\3", 4) + "app" + std::string("\0\0\0\2", 4) +
                             std::string("\x00\xff", 2);
    CHECK(workload_report_data("app", Bytes{0x00, 0xff}) == sha512(as_bytes(text)));
}

TEST_CASE(
    "workload report data: bytes cannot move between id and data, and no session's is ever equal",
    "[agent][evidence]") {
    CHECK(workload_report_data("app", as_bytes("x")) != workload_report_data("ap", as_bytes("px")));
    CHECK(workload_report_data("app", {}) != workload_report_data("ap", as_bytes("p")));
    CHECK(workload_report_data("", as_bytes("n")) != session_report_data(as_bytes("n")));
    CHECK(session_report_data(as_bytes("n")) ==
          sha512(as_bytes(std::string("attestd session v1\0n", 20))));
}

TEST_CASE("evidence request: hex or base64 of at most 64 bytes, and nothing else",
          "[agent][evidence]") {
    CHECK(parse_evidence_request(as_bytes(R"({"report_data":"00FF"})"))->data == Bytes{0, 255});
    CHECK(parse_evidence_request(as_bytes(R"({"report_data_b64":"AP8="})"))->data == Bytes{0, 255});
    CHECK(parse_evidence_request(as_bytes(R"({"report_data":""})"))->data.empty());
    CHECK(parse_evidence_request(as_bytes(R"({"report_data":"","raw":true})"))->raw);
    const std::string full(128, 'a');
    CHECK(parse_evidence_request(as_bytes("{\"report_data\":\"" + full + "\"}")).has_value());
    REQUIRE_ERRC(Errc::bad_request,
                 parse_evidence_request(as_bytes("{\"report_data\":\"" + full + "aa\"}")));
    REQUIRE_ERRC(Errc::bad_request, parse_evidence_request(as_bytes("{}")));
    REQUIRE_ERRC(Errc::bad_request,
                 parse_evidence_request(as_bytes(R"({"report_data":"","report_data_b64":""})")));
    REQUIRE_ERRC(Errc::unknown_key,
                 parse_evidence_request(as_bytes(R"({"report_data":"","x":1})")));
    REQUIRE_ERRC(Errc::bad_encoding, parse_evidence_request(as_bytes(R"({"report_data":"0"})")));
    REQUIRE_ERRC(Errc::wrong_type, parse_evidence_request(as_bytes(R"({"report_data":1})")));
    REQUIRE_ERRC(Errc::bad_json, parse_evidence_request({}));
}

TEST_CASE("evidence answer: what the hardware gave, and what it was asked", "[agent][evidence]") {
    Evidence evidence{Tee::snp, Bytes{1, 2}, {Bytes{3}}, {}, "external"};
    const auto parsed = [&] {
        return nlohmann::json::parse(to_json(EvidenceDocument{evidence, "app", ReportData{}}));
    };
    const auto json = parsed();
    CHECK(json.at("tee") == "snp");
    CHECK(json.at("workload") == "app");
    CHECK(json.at("quote") == "AQI=");
    CHECK(json.at("endorsements") == nlohmann::json{"Aw=="});
    CHECK(json.at("report_data") == std::string(128, '0'));
    CHECK_FALSE(json.contains("event_log"));
    CHECK_FALSE(json.contains("service_manifest"));
    evidence.event_log = {4};
    evidence.service_manifest = {5};
    CHECK(parsed().at("event_log") == "BA==");
    CHECK(parsed().at("service_manifest") == "BQ==");
}
