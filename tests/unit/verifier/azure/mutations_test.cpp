// Every bit of Azure evidence: refused for the reason that its region has, or listed here by name
// as bound by nothing, and then without effect on any claim.
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/support/mutations.h"
#include "tests/unit/verifier/azure/azure_setting.h"
#include "verifier/claims_json.h"

namespace attestd {
namespace {

using test::AzureCase;
using test::AzureTee;
using test::ByteRange;

// One case with its endorsements decoded once and its platform remembered: a flip costs what its
// own checks cost.
class Subject {
 public:
    explicit Subject(AzureTee tee)
        : c(tee),
          setting(c.setting()),
          evidence(c.evidence()),
          endorsements_(test::endorsements_of(setting)),
          verifier_(test::anchors_of(setting)) {}

    AttestationResult judge(const AzureEvidence& mutant) {
        return verifier_.appraise(mutant, endorsements_, setting.policy, setting.expected,
                                  setting.at);
    }
    std::string outcome(const AzureEvidence& mutant) { return test::outcome_of(judge(mutant)); }
    std::string bare_outcome(ByteView report) {
        return test::outcome_of(
            verifier_.appraise(report, endorsements_, setting.policy, {}, setting.at));
    }

    AzureCase c;
    test::Setting setting;
    AzureEvidence evidence;

 private:
    Endorsements endorsements_;
    LocalVerifier verifier_;
};

// The first region that contains a bit is the bit's.
struct Region {
    const char* name;
    ByteRange range;
    const char* want;          // the id without its TEE; null: bound by nothing
    std::uint8_t bits = 0xff;  // of each byte
};

const char* reason_of(const std::vector<Region>& regions, std::size_t bit) {
    for (const Region& region : regions) {
        if (region.range.contains(bit / 8) && (region.bits >> (bit % 8) & 1) != 0)
            return region.want;
    }
    return "in no region";
}

// Flips bits of `part` within the evidence and demands each region's outcome; returns how many
// flips nothing binds. Those must not change one claim.
std::size_t flip_all(Subject& subject, Bytes& part, std::size_t step,
                     const std::vector<Region>& regions) {
    const std::string sound = to_json(subject.judge(subject.evidence))["claims"].dump();
    const Bytes original = part;
    std::size_t unbound = 0;
    const auto flip = [&](ByteView mutant, std::size_t bit) {
        part = to_bytes(mutant);
        const char* const want = reason_of(regions, bit);
        const AttestationResult result = subject.judge(subject.evidence);
        const std::string have = test::outcome_of(result);
        const std::string expected =
            want == nullptr ? "accepted" : "refused: " + test::of(subject.c, want);
        const bool same_claims = want != nullptr || to_json(result)["claims"].dump() == sound;
        unbound += want == nullptr ? 1 : 0;
        if (have == expected && same_claims) return;
        INFO("bit " << bit);
        CHECK(have == expected);
        CHECK(same_claims);
    };
    test::for_each_bit_flip(original, {0, original.size()}, step, flip);
    part = original;
    return unbound;
}

constexpr ByteRange kHeader{0, 0x20}, kReport{0x20, 0x4a0}, kDataHeader{0x4c0, 20};

// All but the hardware report.
std::vector<Region> blob_regions(const Subject& subject) {
    const std::size_t json_len = forge::runtime_json(subject.c.runtime).size();
    return {
        {"header", kHeader, "hcl.malformed"},
        {"SHA-512 in place of SHA-256", {0x4cc, 1}, "hcl.binding", 0x02},
        {"data header", kDataHeader, "hcl.malformed"},
        {"runtime data", {0x4d4, json_len}, "hcl.binding"},
        {"padding", {0x4d4 + json_len, 4096}, "hcl.malformed"},
    };
}

}  // namespace

TEST_CASE("Azure mutations: SNP, every bit of the blob is bound", "[verifier][azure][mutation]") {
    Subject subject(AzureTee::snp);
    Bytes& blob = subject.evidence.hcl_blob;
    const Bytes original = blob;
    const auto regions = blob_regions(subject);
    std::size_t wrong = 0, tried = 0;
    const auto flip = [&](ByteView mutant, std::size_t bit) {
        blob = to_bytes(mutant);
        const std::string have = subject.outcome(subject.evidence);
        std::string want = std::string("refused: snp.") + reason_of(regions, bit);
        if (kReport.contains(bit / 8)) {
            // Whatever the report alone is refused for; alone, it may not even look like one.
            want = subject.bare_outcome(mutant.subspan(0x20, 1184));
            if (want.starts_with("refused: sgx.")) want = "refused: snp.report.malformed";
        }
        const bool good = have == want && !have.starts_with("accepted");
        if (!good) UNSCOPED_INFO("bit " << bit << ": " << have << ", want " << want);
        wrong += good ? 0 : 1;
        ++tried;
    };
    test::for_each_bit_flip(original, kHeader, 1, flip);
    test::for_each_bit_flip(original, kReport, 11, flip);
    test::for_each_bit_flip(original, kDataHeader, 1, flip);
    test::for_each_bit_flip(original, {0x4d4, original.size() - 0x4d4}, 3, flip);
    CHECK(wrong == 0);
    CHECK(tried > 4000);
}

TEST_CASE("Azure mutations: TDX, what binds each bit of the blob, and what nothing binds",
          "[verifier][azure][mutation]") {
    Subject subject(AzureTee::tdx);
    const auto at = [](std::size_t offset, std::size_t len) {
        return ByteRange{0x20 + offset, len};
    };
    // Only its own machine can check a TDREPORT: what no hash in it covers and the TD quote does
    // not repeat is bound by nothing, and no claim is made of it. (Version 1 adds fields; a quote
    // of TDX 1.0 does not repeat them.)
    auto regions = blob_regions(subject);
    regions.insert(regions.end(), {
                                      {"TDREPORT version", at(2, 1), nullptr, 0x01},
                                      {"TDREPORT type, version", at(0, 3), "hcl.malformed"},
                                      {"TDREPORT reserved", at(3, 13), "hcl.malformed"},
                                      {"TDREPORT CPUSVN", at(16, 16), nullptr},
                                      {"TDREPORT hashes", at(32, 96), "hcl.malformed"},
                                      {"TDREPORT REPORTDATA", at(128, 64), "hcl.td-quote-mismatch"},
                                      {"TDREPORT reserved", at(192, 32), "hcl.malformed"},
                                      {"TDREPORT MAC", at(224, 32), nullptr},
                                      {"TEE_TCB_INFO, TDINFO, what pads them", at(256, 0x4a0 - 256),
                                       "hcl.malformed"},
                                  });
    const std::size_t unbound = flip_all(subject, subject.evidence.hcl_blob, 1, regions);
    CHECK(unbound == 1 + (16 + 32) * 8);
}

TEST_CASE("Azure mutations: every bit of the vTPM's quote has its reason",
          "[verifier][azure][mutation]") {
    Subject subject(AzureTee::tdx);
    VtpmQuote& quote = *subject.evidence.vtpm_quote;
    REQUIRE(quote.message.size() == 122);
    CHECK(flip_all(subject, quote.message, 1,
                   {
                       {"magic, type, length of the name", {0, 8}, "vtpm.malformed"},
                       {"qualified signer", {8, 34}, "vtpm.signature"},
                       {"length of the nonce", {42, 2}, "vtpm.malformed"},
                       {"nonce", {44, 9}, "vtpm.nonce"},
                       {"clock", {53, 16}, "vtpm.signature"},
                       {"number of banks", {78, 4}, "vtpm.malformed"},
                       {"bank", {82, 2}, "vtpm.selection"},
                       {"length of the mask", {84, 1}, "vtpm.malformed"},
                       {"mask", {85, 3}, "vtpm.selection"},
                       {"length of the digest", {88, 2}, "vtpm.malformed"},
                       {"digest", {90, 32}, "vtpm.digest"},
                       {"firmware", {70, 8}, "vtpm.signature"},
                       {"safe flag", {69, 1}, "vtpm.signature", 0x01},
                       {"safe flag, other bits", {69, 1}, "vtpm.malformed"},
                   }) == 0);
}

TEST_CASE("Azure mutations: every bit of the vTPM's signature and values is refused",
          "[verifier][azure][mutation]") {
    Subject subject(GENERATE(AzureTee::snp, AzureTee::tdx));
    VtpmQuote& quote = *subject.evidence.vtpm_quote;
    const std::size_t step = subject.c.tee == AzureTee::snp ? 7 : 1;
    CHECK(flip_all(subject, quote.signature, step, {{"signature", {0, 256}, "vtpm.signature"}}) ==
          0);
    const auto original = quote.pcrs;
    for (std::size_t i = 0; i < kNumPcrs; ++i) {
        for (const std::size_t byte : {0U, 17U, 31U}) {
            quote.pcrs.at(i).at(byte) ^= 0x10;
            CHECK(subject.outcome(subject.evidence) ==
                  "refused: " + test::of(subject.c, "vtpm.digest"));
            quote.pcrs = original;
        }
    }
}

TEST_CASE("Azure mutations: cut or longer, no part is accepted", "[verifier][azure][mutation]") {
    Subject subject(AzureTee::tdx);
    std::size_t accepted = 0;
    const auto each = [&](Bytes& part, std::size_t step) {
        const Bytes original = part;
        const auto count = [&](ByteView mutant, std::size_t) {
            part = to_bytes(mutant);
            accepted += subject.outcome(subject.evidence) == "accepted" ? 1 : 0;
        };
        test::for_each_truncation(original, step, count);
        test::for_each_extra_byte(original, count);
        part = original;
    };
    each(subject.evidence.vtpm_quote->message, 1);
    each(subject.evidence.vtpm_quote->signature, 5);
    CHECK(accepted == 0);
    // Of the blob, its zero padding may be cut and be longer.
    const std::size_t used = 0x4d4 + forge::runtime_json(subject.c.runtime).size();
    subject.evidence.hcl_blob.resize(used);
    each(subject.evidence.hcl_blob, 13);
    CHECK(accepted == 1);  // a zero byte behind
}

}  // namespace attestd
