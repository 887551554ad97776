// The external platform protocol as attestd-azure-vtpm reads and writes it, and its command line.
#include "agent/azure_vtpm/protocol.h"

#include <nlohmann/json.hpp>

#include "agent/azure_vtpm/options.h"
#include "agent/azure_vtpm/tpm_error.h"
#include "agent/platform/evidence_json.h"
#include "agent/platform/internal/key_answer.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"

namespace attestd::test {

TEST_CASE("azure_vtpm: a request for evidence names 64 bytes and nothing else", "[azure_vtpm]") {
    const std::string hex(128, 'a');
    REQUIRE_OK(vtpm::parse_evidence_request(R"({"report_data": ")" + hex + R"("})"));
    struct Row {
        std::string body;
        Errc want;
    };
    const auto row = GENERATE_REF(values<Row>({
        {"", Errc::bad_json},
        {"{}", Errc::missing_key},
        {R"({"report_data": 1})", Errc::wrong_type},
        {R"({"report_data": ""})", Errc::bad_encoding},
        {R"({"report_data": "00ff"})", Errc::bad_encoding},
        {R"({"report_data": ")" + hex + R"(aa"})", Errc::bad_encoding},
        {R"({"report_data": ")" + hex + R"(", "more": 1})", Errc::unknown_key},
    }));
    INFO(row.body);
    REQUIRE_ERRC(row.want, vtpm::parse_evidence_request(row.body));
}

TEST_CASE("azure_vtpm: a request for a key names PCRs and a context; SNP's is not supported",
          "[azure_vtpm]") {
    const std::string context(64, '1');
    const auto request = [&](std::string_view pcrs) {
        return R"({"pcrs": )" + std::string(pcrs) + R"(, "context": ")" + context + R"("})";
    };
    const auto good = vtpm::parse_key_request(request("[0, 7, 23]"));
    REQUIRE_OK(good);
    CHECK(good->pcrs == (1U | 1U << 7 | 1U << 23));
    REQUIRE_ERRC(Errc::bad_request, vtpm::parse_key_request(request("[]")));
    REQUIRE_ERRC(Errc::bad_value, vtpm::parse_key_request(request("[24]")));
    REQUIRE_ERRC(Errc::bad_value, vtpm::parse_key_request(request("[-1]")));
    REQUIRE_ERRC(Errc::missing_key, vtpm::parse_key_request(R"({"pcrs": [0]})"));
    REQUIRE_ERRC(Errc::bad_encoding, vtpm::parse_key_request(R"({"pcrs": [0], "context": "00"})"));
    REQUIRE_ERRC(
        Errc::platform_unsupported,
        vtpm::parse_key_request(
            R"({"guest_field_select": 9, "vmpl": 0, "guest_svn": 0, "tcb_version": "0"})"));
}

TEST_CASE("azure_vtpm: answers are what attestd's own reader takes", "[azure_vtpm]") {
    Evidence evidence{};
    evidence.tee = Tee::snp;
    evidence.quote = Bytes(10, 1);
    evidence.endorsements = {Bytes(3, 2), Bytes(4, 3)};
    evidence.event_log = Bytes(5, 4);
    const auto read = parse_plug_in_evidence(plug_in_json(evidence), "answer");
    REQUIRE_OK(read);
    CHECK(read->quote == evidence.quote);
    CHECK(read->endorsements == evidence.endorsements);
    CHECK(read->event_log == evidence.event_log);
    const Secret key = Secret::random(32).value();
    const auto answer = vtpm::key_answer(key);
    REQUIRE_OK(answer);
    const auto back = parse_key_answer(*answer);
    REQUIRE_OK(back);
    CHECK(*back == key);
    REQUIRE_ERRC(Errc::internal, vtpm::key_answer(Secret::random(31).value()));
}

TEST_CASE("azure_vtpm: a problem has the code that attestd keeps", "[azure_vtpm]") {
    const auto problem = nlohmann::json::parse(vtpm::problem_answer({Errc::vtpm_failed, "why"}));
    CHECK(problem["code"] == "vtpm.failed");
    CHECK(problem["detail"] == "why");
    CHECK(problem["status"] == 502);
    CHECK(vtpm::status_of(Errc::timed_out) == 504);
    CHECK(vtpm::status_of(Errc::platform_unsupported) == 501);
    CHECK(vtpm::status_of(Errc::missing_key) == 400);
}

TEST_CASE("azure_vtpm: a TPM's answer comes with its step, its number and what mends it",
          "[azure_vtpm]") {
    struct Row {
        TSS2_RC code;
        const char* number;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {0x18b, "0x18b", "no vTPM of an Azure"},    // a handle, of the first parameter
        {0x9a2, "0x9a2", "tpm2_changeauth"},        // bad authorisation, of the first session
        {0x921, "0x921", "dictionarylockout"},      // lockout
        {0x14b, "0x14b", "tpm2_nvundefine"},        // no room
        {0x922, "0x922", "busy each time"},         // retry
        {0x902, "0x902", "/dev/tpmrm0"},            // object memory
        {0x1c4, "0x1c4", "value is out of range"},  // no mend is known
        {0xa000a, "0xa000a", "tcti"},               // of the stack itself
    }));
    const Error error = vtpm::tpm_error("TPM2_Step", row.code);
    CHECK(error.code == Errc::vtpm_failed);
    CHECK_THAT(error.detail, ContainsSubstring("TPM2_Step: "));
    CHECK_THAT(error.detail, ContainsSubstring(row.number));
    CHECK_THAT(error.detail, ContainsSubstring(row.says));
    CHECK(vtpm::is_absent(row.code) == (row.code == 0x18b));
}

TEST_CASE("azure_vtpm: the command line", "[azure_vtpm]") {
    using Args = std::vector<std::string_view>;
    const auto parsed =
        vtpm::parse_options(Args{"--listen", "/s", "--fetch-socket", "/f", "--timeout", "7"});
    REQUIRE_OK(parsed);
    CHECK(parsed->mode == vtpm::Mode::listen);
    CHECK(parsed->service.fetch_socket == "/f");
    CHECK(parsed->service.timeout == std::chrono::seconds(7));
    CHECK(vtpm::parse_options(Args{})->mode == vtpm::Mode::systemd);
    CHECK(vtpm::parse_options(Args{"--help"})->mode == vtpm::Mode::help);
    for (const Args& bad :
         {Args{"--tpm", "/dev/tpm0"}, Args{"--listen"}, Args{"--listen", ""},
          Args{"--timeout", "0"}, Args{"--timeout", "56"}, Args{"--timeout", "1s"}, Args{"extra"}})
        REQUIRE_ERRC(Errc::bad_usage, vtpm::parse_options(bad));
}

}  // namespace attestd::test
