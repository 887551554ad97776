// Another verifier's word: accepted only when it is whole and speaks of this evidence.
#include "verifier/stated_result.h"

#include "quote/azure/bound_data.h"
#include "tests/support/catch.h"
#include "tests/unit/verifier/azure/azure_setting.h"

namespace attestd::stated_test {

using test::ContainsSubstring;
using test::IntelCase;
using test::outcome_of;
using test::SnpCase;

namespace {

constexpr ReportData kAsked{0x11, 0x22, 0x33};

// Evidence made for kAsked, and a statement that accepts it.
struct Word {
    explicit Word(Tee tee) {
        evidence.tee = tee;
        if (tee == Tee::snp) {
            SnpCase c;
            c.fields.report_data = kAsked;
            evidence.quote = c.report();
        } else {
            IntelCase c;
            test::td(c).report_data = kAsked;
            evidence.quote = c.setting().evidence;
        }
        statement.verdict = Verdict::accepted;
        statement.grade = Grade::production;
        statement.report_data = kAsked;
        statement.valid_until = test::now() + std::chrono::hours(1);
        expected.report_data = kAsked;
    }
    [[nodiscard]] AttestationResult result() const {
        return result_of_statement(evidence, statement, expected, grade, test::now());
    }

    Evidence evidence{};
    VerifierStatement statement;
    Expectations expected{};
    Grade grade = Grade::production;
};

}  // namespace

TEST_CASE("stated result: a whole acceptance of this evidence opens, until its end",
          "[verifier][stated]") {
    const Tee tee = GENERATE(Tee::snp, Tee::tdx);
    Word word(tee);
    word.statement.findings = {{"tcb.aging", Severity::warning, "soon"}};
    const AttestationResult result = word.result();
    REQUIRE(outcome_of(result) == "accepted");
    CHECK(result.tee() == tee);
    CHECK(result.grade() == Grade::production);
    CHECK(result.valid_until() == word.statement.valid_until);
    CHECK(test::has_finding(result, std::string(tee_name(tee)) + ".stated.tcb.aging"));
    CHECK(std::holds_alternative<SnpReport>(result.claims()) == (tee == Tee::snp));
    REQUIRE_OK(result.affirming());
}

TEST_CASE("stated result: what is not said, or not of this evidence, is a no",
          "[verifier][stated]") {
    struct Row {
        const char* outcome;
        void (*change)(Word&);
    };
    const auto row = GENERATE(values<Row>({
        {"refused: snp.stated.refused", [](Word& w) { w.statement.verdict = Verdict::refused; }},
        {"refused: snp.stated.tcb.old",
         [](Word& w) {
             w.statement.verdict = Verdict::refused;
             w.statement.findings = {{"tcb.old", Severity::error, ""}};
         }},
        {"refused: snp.stated.tcb.old",
         [](Word& w) {
             w.statement.findings = {{"tcb.old", Severity::error, ""}};
         }},
        {"undecided:", [](Word& w) { w.statement.verdict = Verdict::undecided; }},
        {"refused: snp.stated.report-data",
         [](Word& w) {
             w.statement.verdict = Verdict::undecided;
             (*w.statement.report_data)[63] = 1;
         }},
        {"refused: snp.stated.report-data", [](Word& w) { (*w.statement.report_data)[63] = 1; }},
        {"refused: snp.stated.report-data", [](Word& w) { w.statement.report_data.reset(); }},
        {"refused: snp.report-data.mismatch snp.stated.report-data",
         [](Word& w) { (*w.expected.report_data)[0] = 0; }},
        {"refused: snp.stated.unbound",
         [](Word& w) {
             w.expected.report_data.reset();
             w.statement.report_data.reset();
         }},
        {"refused: snp.stated.unlimited", [](Word& w) { w.statement.valid_until.reset(); }},
        {"refused: snp.stated.expired", [](Word& w) { w.statement.valid_until = test::now(); }},
        {"refused: snp.stated.grade", [](Word& w) { w.statement.grade = Grade::test; }},
        {"refused: snp.parse.bad-length", [](Word& w) { w.evidence.quote.pop_back(); }},
        {"refused: tdx.parse.unsupported-type", [](Word& w) { w.evidence.tee = Tee::tdx; }},
    }));
    Word word(Tee::snp);
    row.change(word);
    const AttestationResult result = word.result();
    CHECK(outcome_of(result) == row.outcome);
    REQUIRE_ERRC(Errc::not_affirming, result.affirming());
}

TEST_CASE("stated result: a debuggable machine is refused whoever accepts it",
          "[verifier][stated]") {
    Word snp(Tee::snp);
    SnpCase guest;
    guest.fields.report_data = kAsked;
    guest.fields.policy |= std::uint64_t{1} << 19;
    snp.evidence.quote = guest.report();
    snp.grade = GENERATE(Grade::production, Grade::test);
    CHECK(outcome_of(snp.result()) == "refused: snp.policy.debug");

    Word tdx(Tee::tdx);
    IntelCase debuggable;
    test::td(debuggable).report_data = kAsked;
    test::td(debuggable).td_attributes |= 1;
    tdx.evidence.quote = debuggable.setting().evidence;
    CHECK(outcome_of(tdx.result()) == "refused: tdx.policy.debug");
}

TEST_CASE("stated result: where test grade is expected, every result is", "[verifier][stated]") {
    Word word(Tee::snp);
    word.grade = Grade::test;
    word.statement.grade = GENERATE(Grade::production, Grade::test);
    CHECK(outcome_of(word.result()) == "accepted");
    CHECK(word.result().grade() == Grade::test);
}

TEST_CASE("stated result: a quote of an enclave is no TD's", "[verifier][stated]") {
    Word word(Tee::tdx);
    word.evidence.tee = Tee::sgx;
    CHECK(outcome_of(word.result()) == "refused: sgx.stated.tee");
}

TEST_CASE("stated result: a report that an SVSM made binds its manifest", "[verifier][stated]") {
    Word word(Tee::snp);
    word.expected.service_manifest = Bytes{1};
    CHECK(outcome_of(word.result()) == "refused: snp.report-data.mismatch");
}

TEST_CASE(
    "stated result: of a paravisor's evidence user-data and the vTPM's quote bind what was asked",
    "[verifier][stated][azure]") {
    const auto tee = GENERATE(test::AzureTee::snp, test::AzureTee::tdx);
    test::AzureCase c(tee);
    c.runtime.user_data = "11" + std::string(126, '0');
    c.quote.nonce = Bytes(48);
    c.quote.nonce[0] = 0x11;
    c.spoil = [](AzureEvidence& e) { e.user_data = UserDataRule::nonce; };
    AzureEvidence azure = c.evidence();
    const auto bound =
        bound_data_of(azure, tee == test::AzureTee::snp ? HclReportType::snp : HclReportType::tdx);
    REQUIRE_OK(bound);
    Word word(tee == test::AzureTee::snp ? Tee::snp : Tee::tdx);
    const auto take = [&] {
        const std::string text = write_azure_evidence(azure);
        word.evidence.quote = Bytes(text.begin(), text.end());
    };
    take();
    word.expected.report_data = word.statement.report_data = *bound;
    CHECK(outcome_of(word.result()) == "accepted");
    word.expected.report_data = word.statement.report_data = kAsked;
    CHECK(outcome_of(word.result()) == "refused: " + test::of(c, "report-data.mismatch"));
    word.expected.report_data = word.statement.report_data = *bound;
    azure.vtpm_quote.reset();
    take();
    CHECK(outcome_of(word.result()) == "refused: " + test::of(c, "vtpm.missing"));
}

}  // namespace attestd::stated_test
