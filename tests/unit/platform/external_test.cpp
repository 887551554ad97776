// The external platform against plug-ins that lie, and evidence as JSON in its two forms.
#include "agent/platform/external.h"

#include <atomic>

#include "agent/platform/evidence_json.h"
#include "agent/platform/internal/key_answer.h"
#include "quote/amd/service_manifest.h"
#include "quote/base/encoding.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"
#include "tests/unit/http/scripted_server.h"
#include "tests/unit/platform/samples.h"

namespace attestd::test {
namespace {

using namespace std::chrono_literals;

// base64 of the bytes 1 to 32, and of 32 zeros.
constexpr std::string_view kKey = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
constexpr std::string_view kZeroKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

Deadline soon() { return std::chrono::steady_clock::now() + 5s; }

Secret secret_of(std::string_view text) { return Secret::copy_of(as_bytes(text)).value(); }

ScriptedServer plug_in(std::string text) {
    return ScriptedServer([text = std::move(text)](Peer& peer) {
        peer.read_request();
        peer.send(text);
        peer.wait_for_close();
    });
}

std::string evidence_answer(std::string_view tee, ByteView evidence, std::string_view more = "") {
    return R"({"tee": ")" + std::string(tee) + R"(", "evidence": ")" + to_base64(evidence) + '"' +
           std::string(more) + "}";
}

// An SNP report of version 3 with `echo` as its report data: what parses, not what verifies.
Bytes snp_report_with(const ReportData& echo) {
    const auto dir = find_vectors("snp/cases/genoa-v3-vcek");
    REQUIRE(dir);
    Bytes report = load_file(*dir / "report.bin");
    std::copy(echo.begin(), echo.end(), report.begin() + 0x50);
    return report;
}

}  // namespace

TEST_CASE("external: a key is asked for with its fields, and read", "[platform]") {
    std::string seen;
    {
        const ScriptedServer server([&](Peer& peer) {
            seen = peer.read_request(10);
            peer.send(answer("200 OK", R"({"key": ")" + std::string(kKey) + R"("})"));
            peer.wait_for_close();
        });
        ExternalPlatform platform(server.path());
        const auto key = platform.derive_key(
            {.guest_field_select = 9, .vmpl = 1, .guest_svn = 3, .tcb_version = 0x0807060504030201},
            soon());
        REQUIRE_OK(key);
        Bytes want;
        for (std::uint8_t i = 1; i <= 32; ++i) want.push_back(i);
        key->expose([&](ByteView bytes) { CHECK(equal(bytes, want)); });
    }
    CHECK_THAT(seen, ContainsSubstring("POST /v1/derive-key HTTP/1.1"));
    // tcb_version as its bytes stand in a report: the lowest first.
    CHECK_THAT(
        seen,
        ContainsSubstring(
            R"({"guest_field_select": 9, "vmpl": 1, "guest_svn": 3, "tcb_version": "0102030405060708"})"));
}

TEST_CASE("external: a vTPM's key is asked for with its PCRs, of attestd-azure-vtpm alone",
          "[platform]") {
    std::string seen;
    {
        const ScriptedServer server([&](Peer& peer) {
            seen = peer.read_request(10);
            peer.send(answer("200 OK", R"({"key": ")" + std::string(kKey) + R"("})"));
            peer.wait_for_close();
        });
        ExternalPlatform platform(server.path(), PlugInKind::azure_vtpm);
        CHECK(platform.name() == "azure_vtpm");
        CHECK(platform.has_vtpm());
        VtpmKeyRequest request{1U | 1U << 7 | 1U << 23, {}};
        request.context.fill(0xab);
        REQUIRE_OK(platform.derive_vtpm_key(request, soon()));
    }
    std::string context;
    for (int i = 0; i < 32; ++i) context += "ab";
    CHECK_THAT(seen, ContainsSubstring(R"({"pcrs": [0, 7, 23], "context": ")" + context + R"("})"));
    ExternalPlatform plain("/nowhere");
    CHECK_FALSE(plain.has_vtpm());
    REQUIRE_ERRC(Errc::platform_unsupported, plain.derive_vtpm_key({}, soon()));
}

TEST_CASE("external: an answer that is no key is platform.failed", "[platform]") {
    struct Row {
        const char* name;
        std::string body;
    };
    const std::string key(kKey);
    const auto row = GENERATE_REF(values<Row>({
        {"empty", ""},
        {"not JSON", "hello"},
        {"no object", "\"" + key + "\""},
        {"array", "[\"" + key + "\"]"},
        {"other member", R"({"secret": ")" + key + R"("})"},
        {"one member more", R"({"key": ")" + key + R"(", "x": 1})"},
        {"key twice", R"({"key": ")" + key + R"(", "key": ")" + key + R"("})"},
        {"key as a name", R"({")" + key + R"(": "key"})"},
        {"bytes behind it", R"({"key": ")" + key + R"("} x)"},
        {"31 bytes", R"({"key": "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw=="})"},
        {"33 bytes", R"({"key": "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh"})"},
        {"unused bits set", R"({"key": "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB="})"},
        {"URL alphabet", R"({"key": "-_IDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="})"},
        {"mask in place of a key", R"({"key": "*******************************************="})"},
        {"all zero", R"({"key": ")" + std::string(kZeroKey) + R"("})"},
        {"too long", R"({"key": ")" + key + R"("})" + std::string(5000, ' ')},
    }));
    INFO(row.name);
    const ScriptedServer server = plug_in(answer("200 OK", row.body));
    REQUIRE_ERRC(Errc::platform_failed, ExternalPlatform(server.path()).derive_key({}, soon()));
}

TEST_CASE("external: no error about a key quotes it", "[platform]") {
    const std::string body = R"({"key": ")" + std::string(kKey) + R"(", "key2": 1})";
    const auto key = parse_key_answer(secret_of(body));
    REQUIRE_FALSE(key);
    CHECK(key.error().detail.find(kKey.substr(0, 8)) == std::string::npos);
    CHECK(
        parse_key_answer(secret_of("\n\t {\"key\"\n:\"" + std::string(kKey) + "\"}")).has_value());
}

TEST_CASE("external: a refusal keeps the plug-in's words, and 'unsupported' its meaning",
          "[platform]") {
    struct Row {
        const char* name;
        std::string text;
        Errc want;
        const char* words;
    };
    const auto row = GENERATE(values<Row>({
        {"unsupported",
         answer("501 Not Implemented",
                R"({"code": "platform.unsupported", "detail": "TDX has no such key"})"),
         Errc::platform_unsupported, "TDX has no such key"},
        {"failed",
         answer(
             "500 Oops",
             R"({"code": "platform.failed", "title": "x", "status": 500, "detail": "firmware 0x16"})"),
         Errc::platform_failed, "firmware 0x16"},
        {"a vTPM",
         answer("502 Bad Gateway", R"({"code": "vtpm.failed", "detail": "TPM2_Quote: 0x921"})"),
         Errc::vtpm_failed, "TPM2_Quote: 0x921"},
        {"a code that is ours to give",
         answer("502 Bad Gateway", R"({"code": "leaf.revoked", "detail": "no"})"),
         Errc::platform_failed, "leaf.revoked: no"},
        {"no document", answer("500 Oops", "sorry"), Errc::platform_failed, "500"},
        {"success of another kind", answer("202 Accepted", "{}"), Errc::platform_failed, "202"},
    }));
    INFO(row.name);
    const ScriptedServer server = plug_in(row.text);
    ExternalPlatform platform(server.path());
    const auto key = platform.derive_key({}, soon());
    REQUIRE_ERRC(row.want, key);
    CHECK_THAT(key.error().detail, ContainsSubstring(row.words));
    REQUIRE_ERRC(row.want, platform.collect({}, soon()));
}

TEST_CASE("external: a plug-in that is absent, slow or broken keeps the client's code",
          "[platform]") {
    TempDir dir;
    ExternalPlatform absent((dir / "nobody").string());
    REQUIRE_ERRC(Errc::unavailable, absent.collect({}, soon()));
    const ScriptedServer silent([](Peer& peer) { peer.wait_for_close(); });
    REQUIRE_ERRC(
        Errc::timed_out,
        ExternalPlatform(silent.path()).collect({}, std::chrono::steady_clock::now() + 100ms));
    const ScriptedServer broken = plug_in("garbage\r\n\r\n");
    REQUIRE_ERRC(Errc::protocol, ExternalPlatform(broken.path()).derive_key({}, soon()));
}

TEST_CASE("external: an answer that is no evidence is platform.failed", "[platform]") {
    struct Row {
        const char* name;
        std::string body;
    };
    const auto row = GENERATE(values<Row>({
        {"empty", ""},
        {"no tee", R"({"evidence": "AA=="})"},
        {"unknown tee", R"({"tee": "sgx", "evidence": "AA=="})"},
        {"no evidence", R"({"tee": "snp"})"},
        {"evidence not base64", R"({"tee": "snp", "evidence": "A"})"},
        {"evidence of another kind", R"({"tee": "snp", "evidence": "AAAA"})"},
        {"quote of another kind", R"({"tee": "tdx", "evidence": "AAAA"})"},
        {"unknown member", R"({"tee": "snp", "evidence": "AAAA", "x": 1})"},
        {"its own word on report data",
         R"({"tee": "snp", "evidence": "AAAA", "report_data": "00"})"},
        {"endorsements not a list",
         R"({"tee": "snp", "evidence": "AAAA", "endorsements": "AAAA"})"},
        {"endorsement not base64", R"({"tee": "snp", "evidence": "AAAA", "endorsements": ["*"]})"},
        {"event log not text", R"({"tee": "snp", "evidence": "AAAA", "event_log": 1})"},
    }));
    INFO(row.name);
    const ScriptedServer server = plug_in(answer("200 OK", row.body));
    REQUIRE_ERRC(Errc::platform_failed, ExternalPlatform(server.path()).collect({}, soon()));
}

TEST_CASE("external: evidence must carry the report data that was asked for", "[platform]") {
    NEED_VECTORS(vectors, "snp/cases/genoa-v3-vcek");
    static_cast<void>(vectors);
    ReportData asked{};
    asked[0] = 1;
    asked[63] = 2;
    const Bytes report = snp_report_with(asked);
    const ScriptedServer server = plug_in(answer(
        "200 OK",
        evidence_answer("snp", report, R"(, "endorsements": ["AQI="], "event_log": "Aw==")")));
    ExternalPlatform platform(server.path());
    const auto evidence = platform.collect(asked, soon());
    REQUIRE_OK(evidence);
    CHECK(evidence->tee == Tee::snp);
    CHECK(evidence->quote == report);
    CHECK(evidence->endorsements == std::vector<Bytes>{{1, 2}});
    CHECK(evidence->event_log == Bytes{3});
    CHECK(evidence->interface == "external");

    for (std::size_t at : {std::size_t{0}, std::size_t{31}, std::size_t{63}}) {
        ReportData other = asked;
        other[at] ^= 0x80;
        REQUIRE_ERRC(Errc::platform_wrong_echo, platform.collect(other, soon()));
    }
}

TEST_CASE("external: a report of an SVSM's carries report data and manifest together",
          "[platform]") {
    const ReportData asked = sample_report_data();
    const Bytes manifest{1, 2};
    const std::string with_manifest = R"(, "service_manifest": "AQI=")";
    struct Row {
        const char* name;
        std::string more;
        ReportData carried;
        bool is_good;
    };
    const auto row = GENERATE_COPY(values<Row>({
        {"bound", with_manifest, svsm_report_data(asked, manifest), true},
        {"the guest's own report", with_manifest, asked, false},
        {"another manifest", with_manifest, svsm_report_data(asked, Bytes{1, 3}), false},
        {"a manifest that is kept back", "", svsm_report_data(asked, manifest), false},
    }));
    INFO(row.name);
    const ScriptedServer server =
        plug_in(answer("200 OK", evidence_answer("snp", sample_snp_report(row.carried), row.more)));
    const auto evidence = ExternalPlatform(server.path()).collect(asked, soon());
    if (row.is_good) {
        REQUIRE_OK(evidence);
        CHECK(evidence->service_manifest == manifest);
    } else {
        REQUIRE_ERRC(Errc::platform_wrong_echo, evidence);
    }
}

TEST_CASE("evidence document: an SVSM's manifest is read back, and no TDX guest has one",
          "[platform]") {
    EvidenceDocument document{{Tee::snp, {1}, {}, {}, "configfs_tsm", {4, 5}}, "", {}};
    const auto read = parse_evidence_document(to_json(document), "test");
    REQUIRE_OK(read);
    CHECK(read->evidence.service_manifest == Bytes{4, 5});
    document.evidence.tee = Tee::tdx;
    REQUIRE_ERRC(Errc::bad_value, parse_evidence_document(to_json(document), "test"));
}

TEST_CASE("external: a report called a quote, and the reverse, is platform.failed", "[platform]") {
    NEED_VECTORS(vectors, "snp/cases/genoa-v3-vcek");
    static_cast<void>(vectors);
    const ScriptedServer server =
        plug_in(answer("200 OK", evidence_answer("tdx", snp_report_with({}))));
    REQUIRE_ERRC(Errc::platform_failed, ExternalPlatform(server.path()).collect({}, soon()));
}

namespace {

EvidenceDocument sample_document() {
    EvidenceDocument document{{Tee::tdx, {1, 2, 3}, {{4}, {5, 6}}, {7}, "external"}, "app", {}};
    document.report_data[5] = 9;
    return document;
}

}  // namespace

TEST_CASE("evidence document: what is written is read back", "[platform]") {
    const EvidenceDocument document = sample_document();
    const auto read = parse_evidence_document(to_json(document), "test");
    REQUIRE_OK(read);
    CHECK(read->evidence.tee == Tee::tdx);
    CHECK(read->evidence.interface == "external");
    CHECK(read->evidence.quote == document.evidence.quote);
    CHECK(read->evidence.endorsements == document.evidence.endorsements);
    CHECK(read->evidence.event_log == document.evidence.event_log);
    CHECK(read->workload == "app");
    CHECK(read->report_data == document.report_data);
}

TEST_CASE("evidence document: a plug-in's answer is not one, nor the reverse", "[platform]") {
    const std::string document = to_json(sample_document());
    REQUIRE_ERRC(Errc::missing_key, parse_plug_in_evidence(document, "test"));
    const std::string plug_in = R"({"tee": "snp", "evidence": "AQ=="})";
    REQUIRE_OK(parse_plug_in_evidence(plug_in, "test"));
    REQUIRE_ERRC(Errc::missing_key, parse_evidence_document(plug_in, "test"));
}

TEST_CASE("evidence: the form of a plug-in's answer is read back as it was written", "[platform]") {
    const Evidence evidence = sample_document().evidence;
    const auto read = parse_plug_in_evidence(plug_in_json(evidence), "test");
    REQUIRE_OK(read);
    CHECK(read->tee == evidence.tee);
    CHECK(read->interface.empty());
    CHECK(read->quote == evidence.quote);
    CHECK(read->endorsements == evidence.endorsements);
    CHECK(read->event_log == evidence.event_log);
}

TEST_CASE("evidence document: no truncation of it is accepted", "[platform]") {
    const std::string text = to_json(sample_document());
    for_each_truncation(as_bytes(text), [&](ByteView cut, std::size_t len) {
        INFO("length " << len);
        CHECK_FALSE(parse_evidence_document(as_text(cut), "test").has_value());
    });
}

}  // namespace attestd::test
