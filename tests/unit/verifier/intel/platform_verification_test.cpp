// Verified collateral is remembered for platforms alike, and no change of anything that it was
// verified from hides behind that: a verifier which knows the collateral says of every new platform
// what one says that knows nothing.
#include "verifier/intel/platform_verification.h"

#include "tests/support/catch.h"
#include "tests/support/mutations.h"
#include "tests/unit/verifier/setting.h"

namespace attestd::platform_verification_test {
namespace {

using test::intel;
using test::IntelCase;
using test::Setting;

// Another machine of the same model: its PCK certificate is new, all else is the same.
forge::PckFields machine(std::uint8_t number) {
    forge::PckFields fields;
    fields.ppid[0] = number;
    return fields;
}

IntelCase case_of(std::uint8_t number) {
    IntelCase c;
    c.machine = machine(number);
    return c;
}

Bytes quote_of(std::uint8_t number) { return forge::assemble(case_of(number).parts()); }

// A verifier that has seen one machine under these endorsements.
class Warmed {
 public:
    explicit Warmed(const Setting& setting)
        : setting_(setting), verifier_(test::anchors_of(setting)) {
        setting_.evidence = quote_of(0);
        REQUIRE(test::outcome_of(test::appraise_by(verifier_, setting_)) == "accepted");
    }

    std::string outcome(const Setting& setting) {
        return test::outcome_of(test::appraise_by(verifier_, setting));
    }
    /// The outcome, which must be a cold verifier's too, in the same findings.
    std::string outcome_as_cold(const Setting& setting) {
        const AttestationResult warm = test::appraise_by(verifier_, setting);
        CHECK(test::all_ids(warm) == test::all_ids(test::appraise(setting)));
        return test::outcome_of(warm);
    }
    /// The same endorsements and time, another quote.
    Setting with(Bytes quote) const {
        Setting setting = setting_;
        setting.evidence = std::move(quote);
        return setting;
    }

 private:
    Setting setting_;
    LocalVerifier verifier_;
};

PlatformOutcome verify(const Bytes& quote, const Setting& setting, CollateralMemory& memory) {
    const auto parsed = parse_intel_quote(quote);
    REQUIRE_OK(parsed);
    return verify_platform(*parsed, test::endorsements_of(setting), test::anchors_of(setting),
                           memory, setting.at);
}

TEST_CASE("collateral: machines of one model share what was verified and decoded once",
          "[verifier][tdx][cache]") {
    const Setting setting = IntelCase().setting();
    CollateralMemory memory(4);
    const PlatformOutcome first = verify(quote_of(1), setting, memory);
    const PlatformOutcome second = verify(quote_of(2), setting, memory);
    REQUIRE(first.platform);
    REQUIRE(second.platform);
    CHECK(memory.size() == 1);
    CHECK(second.platform->facts.tcb_info == first.platform->facts.tcb_info);
    CHECK(second.platform->facts.qe_identity == first.platform->facts.qe_identity);
    CHECK(second.platform->facts.pck.ppid != first.platform->facts.pck.ppid);
    CHECK(second.platform->validity.from == first.platform->validity.from);
    CHECK(second.platform->validity.until == first.platform->validity.until);
}

TEST_CASE("collateral: only what held in full is remembered", "[verifier][tdx][cache]") {
    CollateralMemory memory(4);
    const auto remembered_after = [&](IntelCase& c) {
        static_cast<void>(verify(forge::assemble(c.parts()), c.setting(), memory));
        return memory.size();
    };
    IntelCase c;
    c.collateral.pck_crl.revoked = {{intel().pck_spec({}).serial, test::now()}};
    CHECK(remembered_after(c) == 0);
    c = IntelCase();
    c.collateral.qe_identity.next_update = test::now() - std::chrono::seconds(1);
    CHECK(remembered_after(c) == 0);
    c = IntelCase();
    c.spoil_collateral = [](auto& parts) { parts.pck_crl.clear(); };
    CHECK(remembered_after(c) == 0);
    c = IntelCase();
    c.spoil_quote = [](auto& parts) { parts.certification_data[900] ^= 1; };
    CHECK(remembered_after(c) == 0);
    // The quoting enclave's report is the platform's own: the collateral was good.
    c = IntelCase();
    c.spoil_quote = [](auto& parts) { parts.qe_report_signature[3] ^= 1; };
    CHECK(remembered_after(c) == 1);
}

TEST_CASE("collateral: every byte of every endorsement makes another question",
          "[verifier][tdx][cache]") {
    for (const Bytes& whole : test::taken_apart(IntelCase().signed_collateral(), intel())) {
        Endorsements given;
        REQUIRE_OK(given.add(whole, "whole"));
        std::vector<std::size_t> same;
        test::for_each_bit_flip(whole, {0, whole.size()}, 7, [&](ByteView mutant, std::size_t bit) {
            Endorsements other;
            if (other.add(mutant, "mutant") && other.digest() == given.digest())
                same.push_back(bit);
        });
        CHECK(same == std::vector<std::size_t>{});
    }
}

TEST_CASE("collateral: flipped bits of an endorsement do not hide behind what was verified",
          "[verifier][tdx][cache]") {
    Setting setting = IntelCase().setting();
    setting.endorsements = test::taken_apart(IntelCase().signed_collateral(), intel());
    Warmed warmed(setting);
    std::vector<std::string> accepted;
    constexpr std::size_t kNumNeeded = 4;  // the documents and lists; certificates come twice
    for (std::size_t i = 0; i < kNumNeeded; ++i) {
        const Bytes whole = setting.endorsements[i];
        test::for_each_bit_flip(whole, {0, whole.size()}, 61, [&](ByteView mutant, std::size_t at) {
            Setting spoilt = warmed.with(quote_of(1));
            spoilt.endorsements[i] = to_bytes(mutant);
            Endorsements given;
            if (!given.add(mutant, "mutant")) return;
            if (warmed.outcome(spoilt) == "accepted" && test::outcome(spoilt) != "accepted")
                accepted.push_back(std::to_string(i) + ':' + std::to_string(at));
        });
    }
    CHECK(accepted == std::vector<std::string>{});
}

TEST_CASE("collateral: no flipped byte of the chain's issuers hides behind what was verified",
          "[verifier][tdx][cache]") {
    Warmed warmed(IntelCase().setting());
    const std::string leaf = forge::certificate_pem(intel().pck(machine(1)));
    const std::string ca = forge::certificate_pem(intel().pck_ca);
    const std::string root = forge::certificate_pem(intel().root);
    const forge::QuoteParts good = case_of(1).parts();
    std::size_t num_accepted = 0, num_different = 0;
    const auto try_chain = [&](const std::string& chain) {
        forge::QuoteParts parts = good;
        parts.certification_data = forge::pck_chain_data(chain);
        const Setting setting = warmed.with(forge::assemble(parts));
        const std::string warm = warmed.outcome(setting);
        if (warm == "accepted") ++num_accepted;
        if (warm != test::outcome(setting)) ++num_different;
    };
    test::for_each_bit_flip(intel().pck_ca, {0, intel().pck_ca.size()}, 9, [&](ByteView der, auto) {
        try_chain(leaf + forge::certificate_pem(der) + root);
    });
    test::for_each_bit_flip(intel().root, {0, intel().root.size()}, 9, [&](ByteView der, auto) {
        try_chain(leaf + ca + forge::certificate_pem(der));
    });
    CHECK(num_accepted == 0);
    CHECK(num_different == 0);
    try_chain(leaf + ca + root);
    CHECK(num_accepted == 1);
}

TEST_CASE("collateral: the chain's form is judged although its certificates are known",
          "[verifier][tdx][cache]") {
    Warmed warmed(IntelCase().setting());
    const std::string leaf = forge::certificate_pem(intel().pck(machine(1)));
    const std::string ca = forge::certificate_pem(intel().pck_ca);
    const std::string root = forge::certificate_pem(intel().root);
    const std::string chain =
        GENERATE_COPY(as<std::string>{}, leaf + ca, leaf + ca + root + root, leaf + root + ca,
                      ca + leaf + root, leaf + ca + ca, leaf + ca + root + " ");
    forge::QuoteParts parts = case_of(1).parts();
    parts.certification_data = forge::pck_chain_data(chain);
    CHECK(warmed.outcome_as_cold(warmed.with(forge::assemble(parts))).starts_with("refused: "));
}

TEST_CASE("collateral: what a new machine gets wrong itself is refused as by a cold verifier",
          "[verifier][tdx][cache]") {
    struct Row {
        const char* name;
        void (*spoil)(forge::CertificateSpec&);
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing", [](auto&) {}, "accepted"},
        {"expired", [](auto& s) { s.validity.until = test::now() - std::chrono::seconds(1); },
         "refused: tdx.chain.expired"},
        {"not yet valid", [](auto& s) { s.validity.from = test::now() + std::chrono::seconds(1); },
         "refused: tdx.chain.not-yet-valid"},
        {"another name", [](auto& s) { forge::common_name(s.subject) = "Intel SGX PCK"; },
         "refused: tdx.chain.name"},
        {"an authority",
         [](auto& s) {
             forge::find_extension(s.extensions, forge::oid::kBasicConstraints) =
                 forge::basic_constraints({.ca = true, .path_len = {}});
         },
         "refused: tdx.chain.constraints"},
        {"no SGX extension",
         [](auto& s) { forge::remove_extension(s.extensions, forge::kSgxExtensionOid); },
         "refused: tdx.chain.extension"},
        {"another key", [](auto& s) { s.spki = intel().keys.tcb_signing.spki(); },
         "refused: tdx.qe-report.signature"},
    }));
    INFO(row.name);
    Warmed warmed(IntelCase().setting());
    forge::CertificateSpec spec = intel().pck_spec(machine(1));
    row.spoil(spec);
    forge::QuoteParts parts = case_of(1).parts();
    parts.certification_data =
        forge::pck_chain_data(intel().pck_chain(forge::issue(spec, intel().pck_issuer())));
    CHECK(warmed.outcome_as_cold(warmed.with(forge::assemble(parts))) == row.want);
    // The same certificate, signed by somebody else in the authority's name.
    forge::Issuer impostor = intel().pck_issuer();
    impostor.key = intel().keys.root;
    parts.certification_data =
        forge::pck_chain_data(intel().pck_chain(forge::issue(spec, impostor)));
    CHECK(warmed.outcome_as_cold(warmed.with(forge::assemble(parts)))
              .starts_with("refused: tdx.chain."));
}

TEST_CASE("collateral: a revoked machine is refused by the list that was verified before",
          "[verifier][tdx][cache]") {
    IntelCase c;
    c.collateral.pck_crl.revoked = {{intel().pck_spec(machine(2)).serial, test::now()}};
    Warmed warmed(c.setting());
    CHECK(warmed.outcome_as_cold(warmed.with(quote_of(1))) == "accepted");
    CHECK(warmed.outcome_as_cold(warmed.with(quote_of(2))) == "refused: tdx.crl.leaf-revoked");
    CHECK(warmed.outcome_as_cold(warmed.with(quote_of(1))) == "accepted");
}

TEST_CASE("collateral: another model, authority or TEE is not judged by what is known of this one",
          "[verifier][tdx][cache]") {
    Warmed warmed(IntelCase().setting());
    IntelCase other = case_of(1);
    other.machine.fmspc[0] ^= 1;
    CHECK(warmed.outcome_as_cold(warmed.with(forge::assemble(other.parts()))) ==
          "refused: tdx.tcb-info.fmspc");
    other = case_of(1);
    other.machine.pceid[1] ^= 1;
    CHECK(warmed.outcome_as_cold(warmed.with(forge::assemble(other.parts()))) ==
          "refused: tdx.tcb-info.pceid");
    IntelCase sgx(forge::sgx_v4());
    sgx.machine = machine(1);
    CHECK(warmed.outcome_as_cold(warmed.with(forge::assemble(sgx.parts()))) ==
          "refused: sgx.tcb-info.tee");
    // The other authority's certificate is as good; its revocation list is not the one given.
    const forge::IntelHierarchy& processor = intel(forge::PckCa::processor);
    forge::QuoteParts parts = case_of(1).parts();
    forge::PckFields fields = forge::processor_fields();
    fields.ppid = machine(1).ppid;
    parts.certification_data = forge::pck_chain_data(processor.pck_chain(processor.pck(fields)));
    CHECK(warmed.outcome_as_cold(warmed.with(forge::assemble(parts))).starts_with("refused: "));
}

TEST_CASE("collateral: outside of its window a new machine is judged as by a cold verifier",
          "[verifier][tdx][cache]") {
    const Time end = test::fresh().until;
    Warmed warmed(IntelCase().setting());
    for (const auto& [at, want] :
         {std::pair{test::now() - std::chrono::hours(2), "refused: tdx.crl.not-yet-valid"},
          std::pair{test::now() - std::chrono::seconds(1), "accepted"},
          std::pair{test::now(), "accepted"}, std::pair{end, "accepted"},
          std::pair{end + std::chrono::seconds(1), "refused: tdx.crl.expired"}}) {
        Setting then = warmed.with(quote_of(1));
        then.at = at;
        INFO(to_rfc3339(at));
        CHECK(warmed.outcome_as_cold(then) == want);
    }
}

// Each part that can end first, ending an hour after now() and everything else later.
TEST_CASE("collateral: it lasts until the first of its parts ends", "[verifier][tdx][cache]") {
    const Time end = test::now() + std::chrono::hours(1);
    const auto shorten = GENERATE(
        as<void (*)(IntelCase&, Time)>{},
        [](IntelCase& c, Time t) { c.collateral.root_crl.validity.until = t; },
        [](IntelCase& c, Time t) { c.collateral.pck_crl.validity.until = t; },
        [](IntelCase& c, Time t) { c.collateral.tcb_info.next_update = t; },
        [](IntelCase& c, Time t) { c.collateral.qe_identity.next_update = t; },
        [](IntelCase& c, Time t) {
            forge::CertificateSpec root = intel().root_spec();
            root.validity.until = t;
            const Bytes der = forge::issue(root, intel().root_issuer());
            c.spoil_collateral = [der](forge::Collateral& out) {
                out.pck_crl_issuer_chain =
                    forge::certificate_pem(intel().pck_ca) + forge::certificate_pem(der);
            };
        },
        [](IntelCase& c, Time t) {
            forge::CertificateSpec signer = intel().tcb_signing_spec();
            signer.validity.until = t;
            const Bytes der = forge::issue(signer, intel().root_issuer());
            c.spoil_collateral = [der](forge::Collateral& out) {
                out.tcb_info_issuer_chain =
                    forge::certificate_pem(der) + forge::certificate_pem(intel().root);
            };
        });
    IntelCase c;
    shorten(c, end);
    Warmed warmed(c.setting());
    Setting then = warmed.with(quote_of(1));
    then.at = end;
    CHECK(warmed.outcome_as_cold(then) == "accepted");
    then.at = end + std::chrono::seconds(1);
    CHECK(warmed.outcome_as_cold(then).starts_with("refused: "));
}

TEST_CASE("collateral: a document that comes into force is heeded for new machines too",
          "[verifier][tdx][cache]") {
    const Time from = test::now() + std::chrono::hours(5);
    IntelCase c, next;
    next.collateral.pck_crl.validity.from = from;
    next.collateral.pck_crl.revoked = {{intel().pck_spec(machine(1)).serial, test::now()}};
    next.collateral.tcb_info.issue_date = from;
    next.collateral.tcb_info.tcb_evaluation_data_number = 20;
    next.collateral.tcb_info.levels[0].status = "OutOfDate";
    Setting setting = c.setting();
    const auto later = test::taken_apart(next.signed_collateral(), intel());
    const bool crl = GENERATE(true, false);
    setting.endorsements.push_back(later[crl ? 3 : 0]);
    setting.endorsements.push_back(intel().tcb_signing);
    Warmed warmed(setting);
    Setting then = warmed.with(quote_of(1));
    then.at = from - std::chrono::seconds(1);
    CHECK(warmed.outcome_as_cold(then) == "accepted");
    then.at = from;
    CHECK(warmed.outcome_as_cold(then) ==
          (crl ? "refused: tdx.crl.leaf-revoked" : "refused: tdx.tcb.status"));
}

}  // namespace
}  // namespace attestd::platform_verification_test
