// What a verifier remembers never changes a verdict: after it was warmed, it says of every other
// input what a verifier that remembers nothing says.
#include "tests/support/catch.h"
#include "tests/support/mutations.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::ByteRange;
using test::intel;
using test::IntelCase;
using test::Setting;
using test::SnpCase;

// Two verifiers of the same anchors over the same endorsements: one warmed, one new for each
// question.
class Pair {
 public:
    explicit Pair(const Setting& setting)
        : setting_(setting),
          endorsements_(test::endorsements_of(setting)),
          warm_(test::anchors_of(setting)) {
        const AttestationResult first = appraise(warm_, setting.evidence);
        REQUIRE(test::outcome_of(first) == "accepted");
    }

    AttestationResult warm(ByteView evidence) { return appraise(warm_, evidence); }
    AttestationResult cold(ByteView evidence) const {
        LocalVerifier verifier(test::anchors_of(setting_));
        return appraise(verifier, evidence);
    }
    /// Whether both say the same, in the same findings.
    bool agree(ByteView evidence) {
        return test::all_ids(warm(evidence)) == test::all_ids(cold(evidence));
    }

 private:
    AttestationResult appraise(LocalVerifier& verifier, ByteView evidence) const {
        return verifier.appraise(evidence, endorsements_, setting_.policy, setting_.expected,
                                 setting_.at);
    }
    Setting setting_;
    Endorsements endorsements_;
    LocalVerifier warm_;
};

forge::QuoteSpec (*const kSpecs[])() = {[] { return forge::tdx_v4(); },
                                        [] { return forge::tdx_v5(forge::BodyType::td15); },
                                        forge::sgx_v3};

TEST_CASE(
    "cache: no flipped bit of an accepted quote is accepted by the verifier that remembers it",
    "[verifier][cache]") {
    const auto make = GENERATE(from_range(std::begin(kSpecs), std::end(kSpecs)));
    const Setting setting = IntelCase(make()).setting();
    Pair pair(setting);
    const auto parsed = parse_intel_quote(setting.evidence);
    REQUIRE_OK(parsed);
    const std::size_t platform = setting.evidence.size() - parsed->platform_part.size();
    const std::size_t chain = setting.evidence.size() - parsed->cert_data.size();
    std::vector<std::size_t> accepted, undecided;
    const auto check = [&](ByteView mutant, std::size_t bit) {
        const Verdict verdict = pair.warm(mutant).verdict();
        if (verdict == Verdict::accepted) accepted.push_back(bit);
        if (verdict == Verdict::undecided) undecided.push_back(bit);
    };
    // Every bit that is judged by what is remembered; of the others, each of which is another key,
    // a part.
    test::for_each_bit_flip(setting.evidence, {0, platform}, 1, check);
    test::for_each_bit_flip(setting.evidence, {platform, chain - 6 - platform}, 5, check);
    test::for_each_bit_flip(setting.evidence, {chain - 6, 6}, 1, check);
    test::for_each_bit_flip(setting.evidence, {chain, parsed->cert_data.size()}, 31, check);
    CHECK(accepted == std::vector<std::size_t>{});
    CHECK(undecided.size() ==
          2);  // the certification data's type becomes 1 or 4: the chain is absent
    CHECK(test::outcome_of(pair.warm(setting.evidence)) == "accepted");
}

TEST_CASE("cache: flipped bits of a quote give the findings that a cold verifier gives",
          "[verifier][cache]") {
    const auto make = GENERATE(from_range(std::begin(kSpecs), std::end(kSpecs)));
    const Setting setting = IntelCase(make()).setting();
    Pair pair(setting);
    std::vector<std::size_t> different;
    test::for_each_bit_flip(setting.evidence, {0, setting.evidence.size()}, 37,
                            [&](ByteView mutant, std::size_t bit) {
                                if (!pair.agree(mutant)) different.push_back(bit);
                            });
    CHECK(different == std::vector<std::size_t>{});
}

TEST_CASE("cache: parts of one good quote in another are refused as a cold verifier refuses them",
          "[verifier][cache]") {
    const IntelCase c;
    Pair pair(c.setting());
    const forge::QuoteParts good = c.parts();
    struct Row {
        const char* name;
        void (*spoil)(forge::QuoteParts&);
    };
    const Row row = GENERATE(values<Row>({
        {"another body, not signed", [](auto& p) { p.signed_part[200] ^= 1; }},
        {"another attestation key that signs",
         [](auto& p) {
             const forge::SigningKey other(KeyKind::p256);
             p.attestation_key = other.point();
             p.sign(other);
         }},
        {"another attestation key, bound but by no QE",
         [](auto& p) {
             const forge::SigningKey other(KeyKind::p256);
             p.attestation_key = other.point();
             p.sign(other);
             p.rebind_qe();
             p.sign_qe(other);
         }},
        {"longer authentication data", [](auto& p) { p.auth_data.push_back(0); }},
        {"another PCK chain",
         [](auto& p) {
             const forge::IntelHierarchy other(forge::IntelKeys{},
                                               forge::IntelValidity::around(test::now()));
             p.certification_data = forge::pck_chain_data(other.pck_chain(other.pck({})));
         }},
        {"another vendor id, signed",
         [](auto& p) {
             p.signed_part[12] ^= 1;
             p.sign(intel().keys.attestation);
         }},
        {"the other TEE's header",
         [](auto& p) {
             p.signed_part[4] = 0;
             p.signed_part.resize(48 + 384);
             p.sign(intel().keys.attestation);
         }},
        {"version 3 around the same platform",
         [](auto& p) {
             p.signed_part[0] = 3;
             p.signed_part[4] = 0;
             p.signed_part.resize(48 + 384);
             p.sign(intel().keys.attestation);
         }},
    }));
    INFO(row.name);
    forge::QuoteParts parts = good;
    row.spoil(parts);
    const Bytes quote = forge::assemble(parts);
    CHECK(pair.agree(quote));
    CHECK(pair.warm(quote).verdict() == Verdict::refused);
}

TEST_CASE("cache: another quote of the same platform is judged by its own claims",
          "[verifier][cache]") {
    IntelCase c;
    LocalVerifier verifier(test::anchors_of(c.setting()));
    const Setting first = c.setting();
    REQUIRE(test::outcome_of(test::appraise_by(verifier, first)) == "accepted");
    Setting second = first;
    forge::QuoteParts parts = c.parts();
    parts.signed_part[48 + 120] |= 1;  // TDATTRIBUTES.DEBUG
    parts.sign(intel().keys.attestation);
    second.evidence = forge::assemble(parts);
    CHECK(test::outcome_of(test::appraise_by(verifier, second)).starts_with("refused:"));
    second = first;
    second.expected.report_data = ReportData{1};
    CHECK(test::outcome_of(test::appraise_by(verifier, second)) ==
          "refused: tdx.report-data.mismatch");
    second = first;
    second.policy.tdx.mrtd.kind = ReferenceValues<48>::Kind::listed;
    CHECK(test::outcome_of(test::appraise_by(verifier, second)) == "refused: tdx.mrtd.mismatch");
    CHECK(test::outcome_of(test::appraise_by(verifier, first)) == "accepted");
}

// Asks the same verifier about `warmed` first, then about `then`.
void same_as_cold(const Setting& warmed, const Setting& then) {
    LocalVerifier verifier(test::anchors_of(warmed));
    REQUIRE(test::outcome_of(test::appraise_by(verifier, warmed)) == "accepted");
    CHECK(test::all_ids(test::appraise_by(verifier, then)) == test::all_ids(test::appraise(then)));
}

TEST_CASE("cache: outside of its window nothing remembered is used", "[verifier][cache]") {
    const auto setting =
        GENERATE(as<Setting>{}, IntelCase().setting(), SnpCase(forge::Product::turin, 5).setting());
    for (const auto by :
         {std::chrono::hours(-100000), std::chrono::hours(-2), std::chrono::hours(-1),
          std::chrono::hours(0), std::chrono::hours(24 * 30), std::chrono::hours(24 * 30 + 1),
          std::chrono::hours(200000)}) {
        Setting later = setting;
        later.at += by;
        INFO("hours " << by.count());
        same_as_cold(setting, later);
    }
    Setting second_after = setting;
    second_after.at = test::fresh().until + std::chrono::seconds(1);
    same_as_cold(setting, second_after);
}

TEST_CASE("cache: other endorsements are other questions", "[verifier][cache]") {
    const Setting good = IntelCase().setting();
    const auto spoil = GENERATE(
        as<void (*)(forge::CollateralSpec&)>{},
        [](auto& s) {
            s.pck_crl.revoked = {{intel().pck_spec({}).serial, test::now()}};
        },
        [](auto& s) { s.tcb_info.levels[0].status = "Revoked"; },
        [](auto& s) { s.qe_identity.next_update = test::now() - std::chrono::seconds(1); });
    IntelCase c;
    spoil(c.collateral);
    Setting bad = good;
    bad.endorsements = c.setting().endorsements;
    same_as_cold(good, bad);
    Setting none = good;
    none.endorsements.clear();
    same_as_cold(good, none);
    Setting both = good;
    both.endorsements.push_back(bad.endorsements[0]);
    same_as_cold(good, both);
}

// A list or a document that comes into force later is then heeded, whatever was remembered before:
// the clock that warmed the verifier may have been behind.
TEST_CASE("cache: a revocation list that comes into force ends what was remembered",
          "[verifier][cache]") {
    IntelCase c;
    Setting setting = c.setting();
    forge::CrlSpec later = c.collateral.pck_crl;
    later.validity.from = test::now() + std::chrono::hours(5);
    later.revoked = {{intel().pck_spec({}).serial, test::now()}};
    setting.endorsements.push_back(forge::issue(later, intel().pck_issuer()));
    Setting then = setting;
    then.at = later.validity.from;
    CHECK(test::outcome(then) == "refused: tdx.crl.leaf-revoked");
    same_as_cold(setting, then);
    then.at -= std::chrono::seconds(1);
    CHECK(test::outcome(then) == "accepted");
    same_as_cold(setting, then);
}

TEST_CASE("cache: a revocation list of AMD that comes into force ends what was remembered",
          "[verifier][cache]") {
    SnpCase c;
    c.crl = forge::crl_spec(test::fresh(), c.amd().keys().ark);
    Setting setting = c.setting();
    c.crl->validity.from = test::now() + std::chrono::hours(5);
    c.crl->revoked = {{c.intermediate.serial, test::now()}};
    setting.endorsements.push_back(c.endorsements().back());
    Setting then = setting;
    then.at = c.crl->validity.from;
    CHECK(test::outcome(then) == "refused: snp.crl.intermediate-revoked");
    same_as_cold(setting, then);
}

TEST_CASE("cache: newer TCB info or identity that comes into force ends what was remembered",
          "[verifier][cache]") {
    const bool tcb_info = GENERATE(true, false);
    IntelCase c;
    Setting setting = c.setting();
    IntelCase next;
    (tcb_info ? next.collateral.tcb_info.issue_date : next.collateral.qe_identity.issue_date) =
        test::now() + std::chrono::hours(5);
    (tcb_info ? next.collateral.tcb_info.tcb_evaluation_data_number
              : next.collateral.qe_identity.tcb_evaluation_data_number) = 20;
    if (tcb_info)
        next.collateral.tcb_info.levels[0].status = "OutOfDate";
    else
        next.collateral.qe_identity.levels[0].status = "OutOfDate";
    setting.endorsements.push_back(
        test::taken_apart(next.signed_collateral(), intel())[tcb_info ? 0 : 1]);
    setting.endorsements.push_back(intel().tcb_signing);
    Setting then = setting;
    then.at = test::now() + std::chrono::hours(5);
    CHECK(test::outcome(then) == "refused: tdx.tcb.status");
    same_as_cold(setting, then);
}

TEST_CASE("cache: at an earlier time than it was filled nothing remembered is used",
          "[verifier][cache]") {
    IntelCase c, old;
    // Stricter TCB info whose time is over now, but was not an hour ago.
    old.collateral.tcb_info.next_update = test::now() - std::chrono::minutes(30);
    old.collateral.tcb_info.tcb_evaluation_data_number = 20;
    old.collateral.tcb_info.levels[0].status = "OutOfDate";
    Setting setting = c.setting();
    setting.endorsements.push_back(test::taken_apart(old.signed_collateral(), intel())[0]);
    setting.endorsements.push_back(intel().tcb_signing);
    Setting then = setting;
    then.at -= std::chrono::minutes(40);
    CHECK(test::outcome(then) == "refused: tdx.tcb.status");
    same_as_cold(setting, then);
}

TEST_CASE("cache: flipped bits of an SNP report give the findings that a cold verifier gives",
          "[verifier][cache]") {
    const auto make = GENERATE(
        as<SnpCase (*)()>{}, [] { return SnpCase(forge::Product::turin, 5); },
        [] { return SnpCase(forge::Product::milan, 2); },
        [] { return SnpCase(forge::Product::milan, 3, forge::ReportKey::vlek); });
    const Setting setting = make().setting();
    Pair pair(setting);
    std::vector<std::size_t> different, accepted;
    const auto check = [&](ByteView mutant, std::size_t bit) {
        if (!pair.agree(mutant)) different.push_back(bit);
        if (pair.warm(mutant).verdict() == Verdict::accepted) accepted.push_back(bit);
    };
    test::for_each_bit_flip(setting.evidence, {0, setting.evidence.size()}, 29, check);
    // All bits on which the choice of a leaf depends: version, key information, REPORTED_TCB,
    // CPUID, CHIP_ID's begin.
    for (const ByteRange range : {ByteRange{0, 4}, {0x48, 4}, {0x180, 11}, {0x1a0, 9}}) {
        test::for_each_bit_flip(setting.evidence, range, 1, check);
    }
    CHECK(different == std::vector<std::size_t>{});
    CHECK(accepted == std::vector<std::size_t>{});
    CHECK(test::outcome_of(pair.warm(setting.evidence)) == "accepted");
}

TEST_CASE("cache: SNP options that judge the leaf are part of what is remembered",
          "[verifier][cache]") {
    SnpCase c;
    c.fields.chip_id = {};
    Setting allowed = c.setting();
    allowed.policy.snp.allow_masked_chip_id = true;
    Setting strict = c.setting();
    same_as_cold(allowed, strict);
    const Setting good = SnpCase().setting();
    Setting demanding = good;
    demanding.policy.snp.require_crl = true;
    same_as_cold(good, demanding);
}

}  // namespace
}  // namespace attestd
