// All recorded vectors through the library: verdict, statuses and advisories as the manifests have
// them, and for each that is refused the reason.
#include <map>
#include <nlohmann/json.hpp>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/vectors.h"
#include "tests/unit/verifier/setting.h"
#include "verifier/claims_json.h"
#include "verifier/intel/pck_chain.h"
#include "verifier/intel/quote_verification.h"

namespace attestd {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using test::Setting;

Time at_unix(const Json& entry) {
    return Time(std::chrono::seconds(entry.at("verify_at").at("unix").get<std::int64_t>()));
}

Setting tdx_setting(const fs::path& dir, const Json& entry) {
    return {test::load_file(dir / "quote.bin"),
            {test::load_file(dir / "collateral.json")},
            {},
            {},
            {},
            at_unix(entry)};
}

std::optional<std::string> text_or_null(const Json& value) {
    return value.is_null() ? std::nullopt : std::optional(value.get<std::string>());
}

// The outcome of each genuine case that the baseline does not accept.
const std::map<std::string, std::string> kTdxRefused{
    {"v4-b0c06f-outofdate-later-collateral", "refused: tdx.tcb.status"},
    {"v4-00806f-outofdate", "refused: tdx.tcb.status"},
    {"v4-00806f-module-and-platform-outofdate", "refused: tdx.tcb.status"},
    {"v5-90c06f-td-relaunch", "refused: tdx.tcb.status"},
    {"v5-90c06f-not-supported", "refused: tdx.tcb.not-supported"},
    {"v5-90c06f-servicetd-nonzero", "refused: tdx.mrservicetd.mismatch"},
    {"v4-50806f-debug-td", "refused: tdx.policy.debug"},
    {"v4-50806f-no-sept-ve-disable", "refused: tdx.policy.sept-ve-disable"},
    {"v4-00a06d-platform-outofdate-module-ok", "refused: tdx.tcb.status"},
    {"v4-90c06f-perfmon-not-supported", "refused: tdx.tcb.not-supported"},
    {"v4-50806f-not-supported", "refused: tdx.tcb.not-supported tdx.policy.sept-ve-disable"},
    {"v4-00806f-tdx10-outofdate", "refused: tdx.tcb.status"},
    {"v3-00a067-config-sw-hardening", "refused: sgx.tcb.status"},
    {"v3-00606a-sw-hardening", "refused: sgx.tcb.status"},
    {"v3-00a067-debug-enclave", "refused: sgx.tcb.status sgx.policy.debug"},
    {"v3-00606a-tcbinfo-v2", "refused: sgx.tcb-info.version"},
};

TEST_CASE("vectors: every genuine Intel case has its status, advisories and reason",
          "[verifier][vectors]") {
    NEED_VECTORS(dir, "tdx");
    const Json manifest = Json::parse(test::load_text(dir / "manifest.json"));
    std::size_t accepted = 0;
    for (const Json& entry : manifest.at("cases")) {
        const std::string name = entry.at("name").get<std::string>();
        INFO(name);
        const AttestationResult result = test::appraise(tdx_setting(dir / "cases" / name, entry));
        const auto refused = kTdxRefused.find(name);
        CHECK(test::outcome_of(result) ==
              (refused == kTdxRefused.end() ? "accepted" : refused->second));
        const Json& want = entry.at("expected");
        CHECK((result.verdict() == Verdict::accepted) == (want.at("default_policy") == "accept"));
        if (want.at("tcb_status").is_null()) continue;
        const auto* tcb = std::get_if<IntelTcb>(&result.tcb());
        REQUIRE(tcb != nullptr);
        CHECK(tcb->status == want.at("tcb_status").get<std::string>());
        CHECK(tcb->platform == text_or_null(want.at("platform_status")));
        CHECK(tcb->tdx_module == text_or_null(want.at("tdx_module_status")));
        CHECK(tcb->qe == text_or_null(want.at("qe_status")));
        CHECK(tcb->launch == text_or_null(want.at("launch_status")));
        CHECK(tcb->current == text_or_null(want.at("current_status")));
        if (!want.at("advisory_ids").is_null())
            CHECK(tcb->advisory_ids == want.at("advisory_ids").get<std::vector<std::string>>());
        if (!want.at("tcb_date").is_null())
            CHECK(to_rfc3339(tcb->date.value()) == want.at("tcb_date").get<std::string>());
        CHECK(result.grade() == Grade::production);
        if (result.verdict() == Verdict::accepted) {
            CHECK(to_rfc3339(result.valid_until().value()) ==
                  entry.at("collateral").at("valid_until").get<std::string>());
        }
        ++accepted;
    }
    CHECK(accepted == 19);
}

const std::map<std::string, std::string> kTdxSynthetic{
    {"conv-UpToDate-mod-ok", "accepted"},
    {"conv-UpToDate-mod-outofdate", "refused: tdx.tcb.status"},
    {"conv-SWHardeningNeeded-mod-ok", "refused: tdx.tcb.status"},
    {"conv-SWHardeningNeeded-mod-outofdate", "refused: tdx.tcb.status"},
    {"conv-ConfigurationNeeded-mod-ok", "refused: tdx.tcb.status"},
    {"conv-ConfigurationNeeded-mod-outofdate", "refused: tdx.tcb.status"},
    {"conv-ConfigurationAndSWHardeningNeeded-mod-ok", "refused: tdx.tcb.status"},
    {"conv-ConfigurationAndSWHardeningNeeded-mod-outofdate", "refused: tdx.tcb.status"},
    {"conv-OutOfDate-mod-ok", "refused: tdx.tcb.status"},
    {"conv-OutOfDate-mod-outofdate", "refused: tdx.tcb.status"},
    {"conv-OutOfDateConfigurationNeeded-mod-ok", "refused: tdx.tcb.status"},
    {"conv-OutOfDateConfigurationNeeded-mod-outofdate", "refused: tdx.tcb.status"},
    {"conv-Revoked-mod-ok", "refused: tdx.tcb.status"},
    {"conv-Revoked-mod-outofdate", "refused: tdx.tcb.status"},
    {"module-revoked", "refused: tdx.tcb.status"},
    {"module-below-all", "refused: tdx.tcb.not-supported"},
    {"module-id-case", "accepted"},
    {"module-version-0-full-compare", "accepted"},
    {"module-mrsigner-mismatch", "refused: tdx.tdx-module.mismatch"},
    {"module-seamattributes-set", "refused: tdx.tdx-module.mismatch"},
    {"qe-below-all", "refused: tdx.tcb.not-supported"},
    {"qe-isvprodid-mismatch", "refused: tdx.qe-report.mismatch"},
    {"qe-debug", "refused: tdx.qe-report.mismatch"},
    {"qe-miscselect", "refused: tdx.qe-report.mismatch"},
    {"qe-auth-data-100", "accepted"},
    {"vendor-id-other-signed", "refused: tdx.quote.qe-vendor"},
    {"intermediate-revoked", "refused: tdx.crl.intermediate-revoked"},
    {"tcb-signer-revoked", "refused: tdx.crl.tcb-signer-revoked"},
    {"pck-crl-future", "refused: tdx.crl.not-yet-valid"},
    {"tcbinfo-issue-future", "refused: tdx.tcb-info.not-yet-valid"},
    {"tcbinfo-expired", "refused: tdx.tcb-info.expired"},
    {"pceid-mismatch", "refused: tdx.tcb-info.pceid"},
    {"components-15", "refused: tdx.tcb-info.malformed"},
    {"component-16-large", "refused: tdx.tcb.status"},
    {"svn-256", "refused: tdx.tcb-info.malformed"},
    {"status-unknown", "refused: tdx.tcb-info.malformed"},
    {"qeid-qe-with-tdx-quote", "refused: tdx.qe-identity.tee"},
    {"module-identities-missing", "refused: tdx.tdx-module.unknown"},
    {"v5-td15", "accepted"},
    {"v5-td15ex", "accepted"},
    {"v5-relaunch-config", "refused: tdx.tcb.status tdx.tcb.current-status"},
    {"v5-both-outofdate", "refused: tdx.tcb.status tdx.tcb.current-status"},
    {"v5-current-worse", "refused: tdx.tcb.current-status"},
    {"v5-current-unsupported", "refused: tdx.tcb.not-supported"},
    {"v5-type-5", "refused: tdx.quote.malformed"},
    {"v5-sgx-body-tdx-tee", "refused: tdx.quote.malformed"},
    {"v4-sgx", "accepted"},
    {"v3-sgx", "accepted"},
    {"attr-debug", "refused: tdx.policy.debug"},
    {"attr-perf-prof", "refused: tdx.policy.profiling"},
    {"attr-reserved-39", "refused: tdx.policy.reserved-attributes"},
    {"attr-migratable", "refused: tdx.policy.migratable"},
    {"tcbinfo-signed-by-pck-key", "refused: tdx.tcb-info.chain"},
};

TEST_CASE("vectors: every synthetic Intel case is refused for the recorded reason",
          "[verifier][vectors]") {
    NEED_VECTORS(dir, "tdx");
    const Json manifest = Json::parse(test::load_text(dir / "manifest.json")).at("synthetic");
    CHECK(manifest.at("cases").size() == kTdxSynthetic.size());
    for (const Json& entry : manifest.at("cases")) {
        const std::string name =
            entry.at("name").get<std::string>().substr(std::string_view("synthetic/").size());
        INFO(name);
        Setting setting = tdx_setting(dir / "synthetic" / name, entry);
        setting.anchors = {test::load_file(dir / "synthetic/root.der")};
        const AttestationResult result = test::appraise(setting);
        CHECK(test::outcome_of(result) == kTdxSynthetic.at(name));
        const Json& want = entry.at("expected");
        CHECK((result.verdict() == Verdict::accepted) == (want.at("default_policy") == "accept"));
        if (want.at("tcb_status").is_string())
            CHECK(std::get<IntelTcb>(result.tcb()).status ==
                  want.at("tcb_status").get<std::string>());
        if (want.at("advisory_ids").is_array()) {
            CHECK(std::get<IntelTcb>(result.tcb()).advisory_ids ==
                  want.at("advisory_ids").get<std::vector<std::string>>());
        }
        if (result.verdict() == Verdict::accepted) CHECK(result.grade() == Grade::test);
        setting.anchors.clear();
        CHECK(test::appraise(setting).verdict() == Verdict::refused);
    }
}

Time at_text(const Json& entry) {
    return parse_rfc3339(entry.at("verify_at").get<std::string>(), "verify_at").value();
}

// Their collateral is not on record: everything that the quotes themselves carry must hold.
TEST_CASE("vectors: every SGX quote of a Gramine program verifies as far as it goes",
          "[verifier][vectors]") {
    NEED_VECTORS(dir, "sgx-gramine");
    const Json manifest = Json::parse(test::load_text(dir / "manifest.json"));
    std::size_t seen = 0;
    for (const Json& entry : manifest.at("files")) {
        const auto file = entry.at("file").get<std::string>();
        if (!file.ends_with(".quote.bin")) continue;
        INFO(file);
        const Bytes quote = test::load_file(dir / file);
        CHECK(to_hex(sha256(quote)) == entry.at("sha256").get<std::string>());
        // "PCK 2023-08-28 .. 2030-08-28"
        const auto valid_at = entry.at("valid_at").get<std::string>();
        const Setting setting{
            quote, {}, {},
            {},    {}, parse_rfc3339(valid_at.substr(18, 10) + "T00:00:00Z", "").value()};
        const Setting early{
            quote, {}, {},
            {},    {}, parse_rfc3339(valid_at.substr(4, 10) + "T00:00:00Z", "").value()};
        const AttestationResult result = test::appraise(setting);
        CHECK(test::outcome_of(result) ==
              "undecided: sgx.crl.missing sgx.crl.missing sgx.tcb-info.missing "
              "sgx.qe-identity.missing");
        CHECK(test::outcome(early) == "refused: sgx.chain.not-yet-valid");
        CHECK(result.format() == "sgx-quote-v3");
        const auto& report = std::get<EnclaveReport>(std::get<IntelQuote>(result.claims()).body);
        const auto expected = entry.at("expected").get<std::string>();
        CHECK(expected.find("mrenclave " + to_hex(report.mr_enclave)) != expected.npos);
        if (expected.find("mrsigner") != expected.npos)
            CHECK(expected.find("mrsigner " + to_hex(report.mr_signer)) != expected.npos);
        // The manifest says so of the third too, whose REPORTDATA is 33 bytes long.
        CHECK(all_zero(ByteView(report.report_data).subspan(32)) == file.starts_with("raiko"));
        CHECK_FALSE(report.debug());
        Setting spoilt = setting;
        spoilt.evidence[48 + 64] ^= 1;  // MRENCLAVE
        CHECK(test::outcome(spoilt) == "refused: sgx.quote.signature");
        ++seen;
    }
    CHECK(seen == 3);
}

void add_files(Setting& setting, const fs::path& dir) {
    for (const auto& file : fs::directory_iterator(dir)) {
        if (file.path().extension() == ".der")
            setting.endorsements.push_back(test::load_file(file.path()));
    }
}

TEST_CASE("vectors: every genuine SNP case has its outcome and fields", "[verifier][vectors]") {
    NEED_VECTORS(dir, "snp");
    std::size_t seen = 0;
    for (const auto& entry : fs::directory_iterator(dir / "cases")) {
        const Json expected = Json::parse(test::load_text(entry.path() / "expected.json"));
        const std::string name = entry.path().filename().string();
        INFO(name);
        Setting setting{
            test::load_file(entry.path() / "report.bin"), {}, {}, {}, {}, at_text(expected)};
        add_files(setting, entry.path());
        add_files(setting, dir / "roots");
        const AttestationResult result = test::appraise(setting);
        CHECK(test::outcome_of(result) ==
              (name == "milan-v2-vcek-debug" ? "refused: snp.policy.debug" : "accepted"));
        CHECK(result.grade() == Grade::production);
        const Json fields = Json::parse(fields_of(std::get<SnpReport>(result.claims())).dump());
        for (const auto& [key, value] : expected.at("fields").items()) {
            INFO(key);
            CHECK(fields.at(key) == value);
        }
        ++seen;
    }
    CHECK(seen == 17);
}

const std::map<std::string, std::string> kSnpSynthetic{
    {"ok-milan-v3", "accepted"},
    {"ok-milan-v5-mit", "accepted"},
    {"ok-turin-v5-fmc3", "accepted"},
    {"ok-vlek", "accepted"},
    {"hwid-octet-wrapped", "accepted"},
    {"reported-below-committed", "accepted"},
    {"crl-ok", "accepted"},
    {"debug-policy", "refused: snp.policy.debug"},
    {"hwid-mismatch", "refused: snp.leaf.chip"},
    {"tcb-mismatch-snp", "refused: snp.leaf.tcb"},
    {"tcb-mismatch-ucode-cert-higher", "refused: snp.leaf.tcb"},
    {"signing-key-none", "refused: snp.report.unsigned"},
    {"mask-chip-key", "refused: snp.report.unsigned"},
    {"masked-chip-id", "refused: snp.leaf.chip-id-masked"},
    {"rogue-root", "refused: snp.chain.signature"},
    {"leaf-expired", "refused: snp.chain.expired"},
    {"bad-version-6", "refused: snp.report.malformed"},
    {"crl-revokes-ask", "refused: snp.crl.intermediate-revoked"},
    {"crl-expired", "refused: snp.crl.expired"},
    {"crl-wrong-signer", "refused: snp.crl.signature"},
};

TEST_CASE("vectors: every synthetic SNP case is refused for the recorded reason",
          "[verifier][vectors]") {
    NEED_VECTORS(dir, "snp/synthetic");
    const Json manifest = Json::parse(test::load_text(dir / "manifest.json"));
    CHECK(manifest.at("cases").size() == kSnpSynthetic.size());
    for (const Json& entry : manifest.at("cases")) {
        const std::string name = entry.at("case").get<std::string>();
        INFO(name);
        const Bytes root = test::load_file(dir / entry.at("pinned_root").get<std::string>());
        Setting setting{
            test::load_file(dir / name / "report.bin"), {root}, {root}, {}, {}, at_text(entry)};
        add_files(setting, dir / name);
        const AttestationResult result = test::appraise(setting);
        CHECK(test::outcome_of(result) == kSnpSynthetic.at(name));
        CHECK((result.verdict() == Verdict::accepted) == (entry.at("outcome") == "accept"));
        if (name == "masked-chip-id") {
            setting.policy.snp.allow_masked_chip_id = true;
            CHECK(test::outcome(setting) == "accepted");
        }
    }
}

TEST_CASE("vectors: damaged and foreign quotes are refused for the recorded reason",
          "[verifier][vectors]") {
    NEED_VECTORS(dir, "tdx/parse");
    struct Row {
        const char* file;
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        // Of 2020, with the root before the authority: an order that the specification does not
        // have.
        {"v3-good-of-corrupted.bin", "refused: sgx.chain.name"},
        {"v4-c0806f.bin",
         "undecided: tdx.crl.missing tdx.crl.missing tdx.tcb-info.missing tdx.qe-identity.missing"},
        {"v4-trailing-text.bin", "refused: tdx.quote.malformed"},
        {"v3-encrypted-ppid.bin", "undecided: sgx.chain.missing"},
        {"qvl-sample-v4-test-root.bin", "refused: tdx.chain.malformed"},
    }));
    INFO(row.file);
    const Time at = make_time(2026, 1, 1, 0, 0, 0, "at").value();
    CHECK(test::outcome({test::load_file(dir / row.file), {}, {}, {}, {}, at}) == row.want);
}

TEST_CASE("vectors: both signatures of the good quote hold, not both of its damaged copy",
          "[verifier][vectors]") {
    NEED_VECTORS(dir, "tdx/parse");
    const auto holds = [&](const char* file) {
        const Bytes bytes = test::load_file(dir / file);
        const auto quote = parse_intel_quote(bytes);
        REQUIRE_OK(quote);
        const auto own_key = attestation_key_of(*quote);
        // That leaf signed this QE report is what makes it the chain of a quote that carries none.
        Endorsements given;
        REQUIRE_OK(given.add(as_bytes(quote->pck_chain()), "chain"));
        ParsedQuote without = *quote;
        without.cert_data_type = 3;
        return own_key && verify_quote_signature(*quote, *own_key) &&
               find_pck_chain(without, given);
    };
    CHECK(holds("v3-good-of-corrupted.bin"));
    CHECK_FALSE(holds("v3-corrupted.bin"));
}

TEST_CASE("vectors: the evidence with its table that hosts handed over verifies",
          "[verifier][vectors]") {
    NEED_VECTORS(dir, "snp");
    const auto verdict = [&](const char* blob, const char* at) {
        const Bytes extended = test::load_file(dir / "tsm" / blob);
        Setting setting{to_bytes(ByteView(extended).first(1184)), {extended}, {}, {}, {},
                        parse_rfc3339(at, "at").value()};
        add_files(setting, dir / "roots");
        return test::outcome(setting);
    };
    const Json gcp = Json::parse(test::load_text(dir / "cases/milan-v5-vcek-gcp/expected.json"));
    const Json aws = Json::parse(test::load_text(dir / "cases/milan-v5-vlek-aws/expected.json"));
    CHECK(verdict("ext-report-gcp.bin", gcp.at("verify_at").get<std::string>().c_str()) ==
          "accepted");
    CHECK(verdict("ext-report-aws.bin", aws.at("verify_at").get<std::string>().c_str()) ==
          "accepted");
}

}  // namespace
}  // namespace attestd
