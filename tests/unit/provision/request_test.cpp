// Requests: what is bound, what is refused, and when one is good.
#include "agent/provision/request.h"

#include "agent/platform/evidence_json.h"
#include "quote/base/digest.h"
#include "tests/support/mutations.h"
#include "tests/unit/provision/provision_samples.h"

using namespace attestd;
using namespace attestd::test;
using nlohmann::json;

namespace {

std::string sample_document() {
    return write_provision_request(write_provision_body(sample_body()), sample_evidence());
}

// The document with one member of its inner text changed.
std::string with_member(const char* key, const json& value) {
    json document = json::parse(sample_document());
    json body = json::parse(document["request"].get<std::string>());
    body[key] = value;
    if (value.is_null()) body.erase(key);
    document["request"] = body.dump();
    return document.dump();
}

Result<ProvisionRequest> parsed(const std::string& text) {
    return parse_provision_request(text, "request.json");
}

AttestationResult result_of_junk() {
    LocalVerifier verifier{TrustAnchors{}};
    return verifier.appraise(Bytes{1, 2, 3}, {}, {}, {}, at(1'800'000'000));
}

}  // namespace

TEST_CASE("provision request: what was written is read back, its text as it was",
          "[agent][provision]") {
    const auto request = parsed(sample_document());
    REQUIRE_OK(request);
    CHECK(request->body.id == id_of(1));
    CHECK(request->body.instance == id_of(2));
    CHECK(request->body.machine == "db-7");
    CHECK(request->body.issued == at(1'800'000'000));
    CHECK(request->body.expires == at(1'800'003'600));
    CHECK(request->body.key == sample_key().public_key());
    CHECK(request->body_text == write_provision_body(sample_body()));
    const Evidence want = sample_evidence();
    CHECK(request->evidence.tee == want.tee);
    CHECK(request->evidence.quote == want.quote);
    CHECK(request->evidence.endorsements == want.endorsements);
    CHECK(request->evidence.event_log == want.event_log);
    CHECK(request->evidence.service_manifest == want.service_manifest);
}

TEST_CASE("provision request: the report data are over label, length and text",
          "[agent][provision]") {
    const std::string text = "{}";
    const Bytes digested = from_hex(
                               "61747465737464"
                               "2070726f766973696f6e696e67"
                               "207631"
                               "00"
                               "00000002"
                               "7b7d",
                               "sample")
                               .value();
    CHECK(provision_report_data(text) == sha512(digested));
}

TEST_CASE(
    "provision request: a changed bit of what is stated changes the report data or is refused",
    "[agent][provision]") {
    const auto good = parsed(sample_document());
    REQUIRE_OK(good);
    const ReportData data = provision_report_data(good->body_text);
    std::size_t num_same = 0;
    for_each_bit_flip(as_bytes(good->body_text), [&](ByteView mutant, std::size_t) {
        num_same += provision_report_data(as_text(mutant)) == data ? 1 : 0;
    });
    CHECK(num_same == 0);
    CHECK(provision_expectations(*good).report_data == data);
    CHECK(provision_expectations(*good).nonce == to_bytes(data));
    CHECK(provision_expectations(*good).event_log == Bytes{7});
    CHECK(provision_expectations(*good).service_manifest == Bytes{8});
}

TEST_CASE("provision request: what is not one is refused for its own reason",
          "[agent][provision]") {
    struct Row {
        const char* name;
        std::string text;
        Errc want;
    };
    json version = json::parse(sample_document());
    version["attestd_provision_request"] = 2;
    json more = json::parse(sample_document());
    more["more"] = 1;
    const std::vector<Row> rows{
        {"another version", version.dump(), Errc::unsupported_version},
        {"a member more", more.dump(), Errc::unknown_key},
        {"a stated member more", with_member("more", 1), Errc::unknown_key},
        {"no key", with_member("key", nullptr), Errc::missing_key},
        {"a key of text", with_member("key", "x"), Errc::wrong_type},
        {"no id", with_member("id", nullptr), Errc::missing_key},
        {"a short id", with_member("id", "00"), Errc::bad_encoding},
        {"an id in capitals", with_member("id", std::string(32, 'A')), Errc::bad_encoding},
        {"a date of words", with_member("issued", "today"), Errc::bad_encoding},
        {"an end before the begin", with_member("expires", "2020-01-01T00:00:00Z"),
         Errc::bad_value},
        {"a life of years", with_member("expires", "2030-01-01T00:00:00Z"), Errc::bad_value},
        {"no label", with_member("machine", ""), Errc::bad_value},
        {"a long label", with_member("machine", std::string(65, 'x')), Errc::bad_value},
        {"a label that moves the cursor", with_member("machine", "\x1b[2J"), Errc::bad_value},
        {"no JSON", "x", Errc::bad_json},
        {"too long", std::string(kMaxProvisionLen + 1, ' '), Errc::too_large},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        REQUIRE_ERRC(row.want, parsed(row.text));
    }
}

TEST_CASE("provision request: it is good from its issue to its end, both by the reader's clock",
          "[agent][provision]") {
    const ProvisionBody body = sample_body();
    const auto skew = kProvisionClockSkew;
    REQUIRE_OK(check_provision_times(body, body.issued));
    REQUIRE_OK(check_provision_times(body, body.expires));
    REQUIRE_OK(check_provision_times(body, body.issued - skew));
    REQUIRE_ERRC(Errc::provision_expired,
                 check_provision_times(body, body.expires + std::chrono::seconds(1)));
    REQUIRE_ERRC(Errc::provision_expired,
                 check_provision_times(body, body.issued - skew - std::chrono::seconds(1)));
}

TEST_CASE("provision request: evidence that was not accepted opens nothing", "[agent][provision]") {
    auto request = parsed(sample_document());
    REQUIRE_OK(request);
    const AttestationResult result = result_of_junk();
    request->evidence.tee = result.tee();
    REQUIRE_ERRC(Errc::provision_machine, check_provision_result(*request, result));
    request->evidence.tee = result.tee() == Tee::snp ? Tee::tdx : Tee::snp;
    REQUIRE_ERRC(Errc::provision_binding, check_provision_result(*request, result));
}
