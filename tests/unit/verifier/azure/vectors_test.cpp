// The recorded evidence of Azure machines: blobs with their quotes, and key brokers' evidence.
#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/vectors.h"
#include "tests/unit/verifier/azure/azure_setting.h"
#include "verifier/claims_json.h"

namespace attestd {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::Setting;

std::vector<Bytes> amd_issuers(const fs::path& vectors) {
    std::vector<Bytes> out;
    for (const auto& file : fs::directory_iterator(vectors / "snp/roots"))
        out.push_back(test::load_file(file.path()));
    return out;
}

// What a folder of snp/hcl holds.
struct Recorded {
    json want;
    AzureEvidence evidence;
    Setting setting;
};
Recorded load(const fs::path& vectors, const fs::path& folder) {
    Recorded out;
    out.want = json::parse(test::load_text(folder / "expected.json"));
    out.evidence.hcl_blob = test::load_file(folder / "hcl.bin");
    out.setting.endorsements = amd_issuers(vectors);
    if (fs::exists(folder / "vcek.der"))
        out.setting.endorsements.push_back(test::load_file(folder / "vcek.der"));
    if (fs::exists(folder / "td-quote.bin"))
        out.evidence.td_quote = test::load_file(folder / "td-quote.bin");
    if (fs::exists(folder / "tpm-quote.json")) {
        out.evidence.vtpm_quote =
            parse_vtpm_quote(test::load_text(folder / "tpm-quote.json"), "tpm-quote.json").value();
        out.setting.expected.nonce =
            from_hex(out.want["tpm_quote_nonce_hex"].get<std::string>(), "nonce").value();
    }
    out.setting.at = parse_rfc3339(out.want.value("verify_at", "2024-06-01T00:00:00Z"), "").value();
    return out;
}

// The recorded AzureEvidence of a key broker.
AzureEvidence broker_evidence(const fs::path& vectors, const char* name) {
    return parse_azure_evidence(test::load_text(vectors / "kbs" / name), name).value();
}

Setting broker_setting(const fs::path& vectors, const AzureEvidence& evidence) {
    Setting out;
    out.endorsements = amd_issuers(vectors);
    if (!evidence.vcek.empty()) out.endorsements.push_back(evidence.vcek);
    out.at = parse_rfc3339("2025-04-28T16:33:43Z", "").value();
    return out;
}

bool has_sept_finding(const Recorded& recorded) {
    return test::has_finding(test::appraise(recorded.evidence, recorded.setting),
                             "tdx.policy.sept-ve-disable");
}

const std::string kDigest =
    "982f5c6e45df0ed3f10b6f60b02f0c8390e281300f3805e2279c16168cd6ae9aa398f647caa2338748cd0fd9f5f819"
    "ef";

std::string outcome(const AzureEvidence& evidence, const Setting& setting) {
    return test::outcome_of(test::appraise(evidence, setting));
}

}  // namespace

TEST_CASE("Azure vectors: every recorded blob is judged as recorded",
          "[verifier][azure][vectors]") {
    NEED_VECTORS(snp, "snp");
    const fs::path vectors = snp.parent_path();
    const std::map<std::string, std::string> outcomes{
        {"azure-milan-v2", "accepted"},
        {"azure-milan-v3", "accepted"},
        {"azure-milan-v3-userdata", "accepted"},
        {"azure-milan-v2-short", "undecided: snp.leaf.missing snp.vtpm.missing"},
        {"azure-tdx",
         "undecided: tdx.crl.missing tdx.crl.missing tdx.tcb-info.missing tdx.qe-identity.missing "
         "tdx.vtpm.missing"},
        {"azure-tdx-b", "undecided: tdx.hcl.td-quote-missing tdx.vtpm.missing"},
    };
    for (const auto& [name, want] : outcomes) {
        INFO(name);
        Recorded recorded = load(vectors, snp / "hcl" / name);
        // TDs of Azure run under a paravisor that does without it; the baseline says so.
        CHECK(has_sept_finding(recorded) == (name == "azure-tdx"));
        recorded.setting.policy.tdx.require_sept_ve_disable = false;
        const AttestationResult result = test::appraise(recorded.evidence, recorded.setting);
        CHECK(test::outcome_of(result) == want);
        const auto claims = to_json(result)["claims"];
        REQUIRE(result.azure() != nullptr);
        if (!recorded.want.contains("fields")) continue;
        for (const auto& [key, value] : recorded.want["fields"].items()) {
            INFO(key);
            CHECK(json(claims[key]) == value);
        }
        CHECK(claims["azure"]["nonce"] == recorded.want["tpm_quote_nonce_hex"]);
        CHECK(result.valid_until().has_value());
        CHECK(result.grade() == Grade::production);
    }
}

TEST_CASE("Azure vectors: a genuine quote under another machine's blob is refused",
          "[verifier][azure][vectors]") {
    NEED_VECTORS(snp, "snp");
    const fs::path vectors = snp.parent_path();
    Recorded a = load(vectors, snp / "hcl/azure-milan-v3");
    const Recorded b = load(vectors, snp / "hcl/azure-milan-v2");
    a.evidence.vtpm_quote = b.evidence.vtpm_quote;  // the same nonce, "challenge"
    CHECK(outcome(a.evidence, a.setting) == "refused: snp.vtpm.signature");
}

TEST_CASE("Azure vectors: genuine TD quote and TDREPORT of different TDs are refused",
          "[verifier][azure][vectors]") {
    NEED_VECTORS(snp, "snp");
    const fs::path vectors = snp.parent_path();
    Recorded a = load(vectors, snp / "hcl/azure-tdx-b");
    a.evidence.td_quote = load(vectors, snp / "hcl/azure-tdx").evidence.td_quote;
    const std::string have = outcome(a.evidence, a.setting);
    CHECK_THAT(have, test::ContainsSubstring("tdx.hcl.td-quote-mismatch"));
    CHECK_THAT(have, test::ContainsSubstring("refused: "));
}

TEST_CASE("Azure vectors: key brokers' evidence of version 1 holds for its nonce and no other",
          "[verifier][azure][vectors]") {
    NEED_VECTORS(kbs, "kbs");
    const fs::path vectors = kbs.parent_path();
    const AzureEvidence evidence = broker_evidence(vectors, "az-snp-vtpm-evidence-v1.json");
    Setting setting = broker_setting(vectors, evidence);
    setting.expected.nonce = test::challenge();
    CHECK(outcome(evidence, setting) == "accepted");
    setting.expected.nonce = to_bytes(as_bytes("challeng"));
    CHECK(outcome(evidence, setting) == "refused: snp.vtpm.nonce");
    AzureEvidence relabelled = evidence;  // user-data is zero: the rule of version 2 does not hold
    relabelled.user_data = UserDataRule::nonce;
    setting.expected.nonce = test::challenge();
    CHECK(outcome(relabelled, setting) == "refused: snp.hcl.user-data");
}

TEST_CASE("Azure vectors: key brokers' evidence of version 2 has its digest in both places",
          "[verifier][azure][vectors]") {
    NEED_VECTORS(kbs, "kbs");
    const fs::path vectors = kbs.parent_path();
    AzureEvidence evidence = broker_evidence(vectors, "az-snp-vtpm-evidence-v2.json");
    Setting setting = broker_setting(vectors, evidence);
    setting.expected.nonce = from_hex(kDigest, "digest").value();
    CHECK(outcome(evidence, setting) == "accepted");
    CHECK(to_json(test::appraise(evidence, setting))["claims"]["azure"]["user_data"] ==
          kDigest + std::string(32, '0'));
    for (const std::string& other : {kDigest.substr(2), kDigest + "00", std::string("00")}) {
        setting.expected.nonce = from_hex(other, "other").value();
        CHECK(outcome(evidence, setting) == "refused: snp.vtpm.nonce");
    }
    evidence.vtpm_quote.reset();  // user-data alone
    setting.policy.snp.azure.require_vtpm_quote = false;
    setting.expected.nonce = from_hex(kDigest, "digest").value();
    CHECK(outcome(evidence, setting) == "accepted");
    setting.expected.nonce = from_hex("99" + kDigest.substr(2), "digest").value();
    CHECK(outcome(evidence, setting) == "refused: snp.hcl.user-data");
}

TEST_CASE("Azure vectors: key brokers' TDX evidence lacks nothing but collateral",
          "[verifier][azure][vectors]") {
    NEED_VECTORS(kbs, "kbs");
    const fs::path vectors = kbs.parent_path();
    const AzureEvidence evidence = broker_evidence(vectors, "az-tdx-vtpm-evidence-v1.json");
    Setting setting = broker_setting(vectors, evidence);
    setting.policy.tdx.require_sept_ve_disable = false;
    setting.expected.nonce = test::challenge();
    CHECK(outcome(evidence, setting) ==
          "undecided: tdx.crl.missing tdx.crl.missing tdx.tcb-info.missing "
          "tdx.qe-identity.missing");
    setting.expected.nonce = Bytes{1};
    CHECK_THAT(outcome(evidence, setting), test::ContainsSubstring("tdx.vtpm.nonce"));
}

}  // namespace attestd
