// What plug-ins answer: evidence, appraisals, derived keys; and attestd's own evidence document.
#include <nlohmann/json.hpp>

#include "agent/external_kind.h"
#include "agent/platform/evidence_json.h"
#include "agent/platform/internal/key_answer.h"
#include "quote/base/encoding.h"
#include "tests/fuzz/target.h"
#include "tests/support/forge/quote_forge.h"
#include "verifier/stated_result.h"

namespace attestd::fuzz::plug_in {
namespace {

constexpr Time kNow{std::chrono::seconds(1'800'000'000)};

Evidence sample() {
    Evidence out{};
    out.tee = Tee::tdx;
    const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                      forge::IntelValidity::around(kNow));
    out.quote = forge::forge_quote(forge::tdx_v4(), intel, intel.pck({}));
    out.endorsements = {Bytes{4}, Bytes{5, 6}};
    out.event_log = Bytes{7};
    return out;
}
const Evidence& genuine() {
    static const Evidence made = sample();
    return made;
}

bool same(const Evidence& a, const Evidence& b) {
    return a.tee == b.tee && a.quote == b.quote && a.endorsements == b.endorsements &&
           a.event_log == b.event_log && a.interface == b.interface &&
           a.service_manifest == b.service_manifest;
}

void run_evidence(ByteView input) {
    const std::string_view text = as_text(input);
    if (const auto evidence = parse_plug_in_evidence(text, "answer")) {
        reached();
        const auto again = must(parse_plug_in_evidence(plug_in_json(*evidence), "written"));
        holds(same(again, *evidence), "evidence is written as it was read");
        static_cast<void>(is_azure(*evidence));
    }
    if (const auto document = parse_evidence_document(text, "document")) {
        const std::string written = to_json(*document);
        const auto again = must(parse_evidence_document(written, "written"));
        holds(same(again.evidence, document->evidence) && again.workload == document->workload &&
                  again.report_data == document->report_data,
              "a document is written as it was read");
        holds(looks_like_evidence_document(written), "what is written is recognised");
    }
}

Seeds evidence_seeds() {
    EvidenceDocument document{genuine(), "app", {}};
    document.evidence.interface = "configfs_tsm";
    Evidence svsm = genuine();
    svsm.tee = Tee::snp;
    svsm.service_manifest = Bytes{8};
    return {seed("svsm", plug_in_json(svsm)), seed("plug-in", plug_in_json(genuine())),
            seed("document", to_json(document)),
            seed("least", R"({"tee": "snp", "evidence": "AAAA"})")};
}

const Words kEvidenceWords{"\"tee\":",
                           "\"tdx\"",
                           "\"snp\"",
                           "\"evidence\":",
                           "\"endorsements\":",
                           "\"event_log\":",
                           "\"service_manifest\":",
                           "\"report_data\":",
                           "\"quote\":",
                           "\"interface\":",
                           "\"workload\":",
                           "AAAA",
                           "=="};

void run_appraisal(ByteView input) {
    const auto statement = parse_statement(as_text(input), "answer");
    if (!statement) return;
    reached();
    for (const Finding& finding : statement->findings)
        for (const char c : finding.detail) holds(c >= ' ' && c <= '~', "details are printable");
    Expectations expected;
    expected.report_data = ReportData{};
    const auto result =
        result_of_statement(genuine(), *statement, expected, Grade::production, kNow);
    const bool clean = std::none_of(statement->findings.begin(), statement->findings.end(),
                                    [](const Finding& f) { return f.severity == Severity::error; });
    if (result.verdict() == Verdict::accepted) {
        holds(statement->verdict == Verdict::accepted && clean &&
                  statement->grade == Grade::production && statement->report_data == ReportData{} &&
                  statement->valid_until && *statement->valid_until > kNow,
              "what a statement does not say is a no");
    }
    expected.report_data->at(0) = 1;
    holds(result_of_statement(genuine(), *statement, expected, Grade::test, kNow).verdict() !=
              Verdict::accepted,
          "a statement about other report data accepts nothing");
}

Seeds appraisal_seeds() {
    const std::string zeros(128, '0');
    return {
        seed("yes", R"({"accepted": true, "grade": "production", "report_data": ")" + zeros +
                        R"(", "valid_until": "2030-01-01T00:00:00Z", "findings": [{"id": "tcb.low",
 "severity": "warning", "detail": "x"}]})"),
        seed("no", R"({"accepted": false, "grade": "test", "report_data": ")" + zeros + R"("})"),
        seed("undecided", R"({"accepted": null, "grade": "test", "report_data": ")" + zeros +
                              R"(", "findings": []})")};
}

const Words kAppraisalWords{"\"accepted\":",
                            "true",
                            "null",
                            "\"grade\":",
                            "\"production\"",
                            "\"test\"",
                            "\"valid_until\":",
                            "\"findings\":",
                            "\"severity\":",
                            "\"error\"",
                            "\"warning\"",
                            "2030-01-01T00:00:00Z",
                            "+01:00"};

void run_key(ByteView input) {
    const Secret body =
        must(Secret::copy_of(input.first(std::min<std::size_t>(input.size(), 4096))));
    const auto key = parse_key_answer(body);
    if (!key) return;
    reached();
    key->expose([&](ByteView bytes) {
        holds(bytes.size() == 32 && !all_zero(bytes), "a key has 32 bytes and is not zero");
        const std::string base64 = to_base64(bytes);
        body.expose([&](ByteView all) {
            holds(as_text(all).find(base64) != std::string_view::npos, "the key is the one sent");
        });
    });
}

Seeds key_seeds() {
    return {seed("key", R"({"key": "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="})"),
            seed("zeros", R"({"key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})")};
}

const bool kEvidence =
    add({"plug-in-evidence", run_evidence, evidence_seeds, kEvidenceWords, 1000});
const bool kAppraisal =
    add({"plug-in-appraisal", run_appraisal, appraisal_seeds, kAppraisalWords, 1000});
const bool kKey =
    add({"plug-in-key", run_key, key_seeds, {"\"key\":", "AAAA", "=", "\\u0041"}, 2000});

}  // namespace
}  // namespace attestd::fuzz::plug_in
