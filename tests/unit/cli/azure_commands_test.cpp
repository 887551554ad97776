// attestctl verify, inspect and bundle on evidence of Azure confidential VMs and of SVSMs.
#include <nlohmann/json.hpp>

#include "quote/amd/service_manifest.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"
#include "tests/unit/cli/run_attestctl.h"
#include "tests/unit/verifier/azure/azure_setting.h"

namespace attestd::test {
namespace {

using nlohmann::json;
using Args = std::vector<std::string>;

const std::string kNonce = "6368616c6c656e6765";  // "challenge"

std::string quote_json(const VtpmQuote& quote) {
    AzureEvidence around;
    around.hcl_blob = Bytes(1);
    around.vtpm_quote = quote;
    return json::parse(write_azure_evidence(around))["tpm_quote"].dump();
}

// A case as files: blob, vTPM quote, TD quote, the JSON around all, endorsements.
class Files {
 public:
    explicit Files(const AzureCase& c) : c_(c) {
        const AzureEvidence evidence = c.evidence();
        const Setting setting = c.setting();
        dir_.write("hcl.bin", evidence.hcl_blob);
        dir_.write("tpm-quote.json", quote_json(*evidence.vtpm_quote));
        dir_.write("td-quote.bin", evidence.td_quote);
        dir_.write("evidence.json", write_azure_evidence(evidence));
        for (std::size_t i = 0; i < setting.endorsements.size(); ++i)
            dir_.write("endorsements/" + std::to_string(i), setting.endorsements[i]);
        dir_.write("anchor", setting.anchors.at(0));
    }

    std::string path(const std::string& name) const { return (dir_ / name).string(); }
    void write(const std::string& name, std::string_view text) const { dir_.write(name, text); }

    CliRun verify(const std::string& file, Args more = {}) const {
        Args args{"verify", path(file), "--json"};
        return with(std::move(args), std::move(more));
    }
    CliRun with(Args args, Args more = {}) const {
        args.insert(args.end(), more.begin(), more.end());
        args.insert(args.end(), {"--endorsements", path("endorsements"), "--trust-anchor",
                                 path("anchor"), "--at", to_rfc3339(now())});
        return attestctl(args);
    }
    // The quotes that belong to the blob.
    Args quotes() const {
        Args out{"--tpm-quote", path("tpm-quote.json")};
        if (c_.tee == AzureTee::tdx) out.insert(out.end(), {"--td-quote", path("td-quote.bin")});
        return out;
    }

 private:
    AzureCase c_;
    TempDir dir_;
};

Args operator+(Args a, const Args& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

bool finds(const CliRun& run, const std::string& id) {
    const json findings = json::parse(run.out).at("findings");
    return std::any_of(findings.begin(), findings.end(),
                       [&](const json& f) { return f.at("id") == id; });
}

AzureTee both() { return GENERATE(AzureTee::snp, AzureTee::tdx); }

}  // namespace

TEST_CASE("verify: a paravisor's blob with its quotes beside it", "[cli][azure]") {
    const AzureCase c(both());
    const Files files(c);
    const CliRun good = files.verify("hcl.bin", files.quotes() + Args{"--report-data", kNonce});
    INFO(good.out << good.err);
    CHECK(good.status == 0);
    const json result = json::parse(good.out);
    CHECK(result["accepted"] == true);
    CHECK(result["claims"]["azure"]["nonce"] == kNonce);
    CHECK(files.verify("hcl.bin", files.quotes() + Args{"--report-data", kNonce + "00"}).status ==
          1);
    const CliRun unjudged = files.verify("hcl.bin", files.quotes());
    CHECK(unjudged.status == 0);
    CHECK(finds(unjudged, of(c, "hcl.freshness")));
    CHECK(files.with({"verify", files.path("hcl.bin")}, files.quotes()).status == 0);  // for people
}

TEST_CASE("verify: a blob alone is undecided, with what is absent by name", "[cli][azure]") {
    const AzureCase c(both());
    const Files files(c);
    const CliRun run = files.verify("hcl.bin");
    CHECK(run.status == 3);
    CHECK(json::parse(run.out)["accepted"].is_null());
    CHECK(finds(run, of(c, "vtpm.missing")));
    CHECK(finds(run, "tdx.hcl.td-quote-missing") == (c.tee == AzureTee::tdx));
}

TEST_CASE("verify: a key broker's JSON holds all that belongs together", "[cli][azure]") {
    AzureCase c(both());
    const Files files(c);
    CHECK(files.verify("evidence.json", {"--report-data", kNonce}).status == 0);
    CHECK(files.verify("evidence.json", {"--report-data", "00"}).status == 1);
    CHECK(files.verify("evidence.json", files.quotes()).status == 2);  // twice the same thing
    std::string text = load_text(files.path("evidence.json"));
    text.insert(1, R"("ak":"AAAA",)");
    files.write("more.json", text);
    const CliRun unknown = files.verify("more.json");
    CHECK(unknown.status == 2);
    CHECK_THAT(unknown.err, ContainsSubstring("more.json:1: ak"));
}

TEST_CASE("verify: a policy's azure member judges the blob", "[cli][azure]") {
    AzureCase c(AzureTee::snp);
    c.runtime.console_enabled = true;
    const Files files(c);
    const std::string pcr = to_hex(c.quote.pcrs[4]);
    files.write(
        "policy.json",
        R"({"snp": {"azure": {"require_secure_boot": true, "pcrs": {"4": [")" + pcr + R"("]}}}})");
    const Args policy{"--policy", files.path("policy.json"), "--report-data", kNonce};
    const CliRun unpinned = files.verify("evidence.json", policy);
    CHECK(unpinned.status == 1);
    CHECK(finds(unpinned, "snp.hcl.paravisor-unpinned"));
    const std::string measurement = to_hex(c.snp.fields.measurement);
    files.write("policy.json",
                R"({"snp": {"measurement": [")" + measurement +
                    R"("], "azure": {"require_secure_boot": true, "pcrs": {"4": [")" + pcr +
                    R"("]}}}})");
    CHECK(files.verify("evidence.json", policy).status == 0);
    files.write("policy.json", R"({"snp": {"azure": {"allow_console": false, "pcrs": "any"}}})");
    const CliRun console = files.verify("evidence.json", policy);
    CHECK(console.status == 1);
    CHECK(finds(console, "snp.hcl.console"));
}

TEST_CASE("verify: a damaged blob is evidence to refuse, a damaged quote's file is no input",
          "[cli][azure]") {
    const AzureCase c(AzureTee::snp);
    const Files files(c);
    Bytes blob = load_file(files.path("hcl.bin"));
    blob[0x10] = 1;
    files.write("bad.bin", as_text(blob));
    const CliRun damaged = files.verify("bad.bin");
    CHECK(damaged.status == 1);
    CHECK(finds(damaged, "snp.hcl.malformed"));
    files.write("bad.json", "{}");
    CHECK(files.verify("hcl.bin", {"--tpm-quote", files.path("bad.json")}).status == 2);
    CHECK(files.verify("hcl.bin", {"--tpm-quote", files.path("nowhere")}).status == 2);
    files.write("report.bin", as_text(c.snp.report()));
    const CliRun bare = files.verify("report.bin", files.quotes());
    CHECK(bare.status == 2);
    CHECK_THAT(bare.err, ContainsSubstring("paravisor's blob"));
}

TEST_CASE("bundle: Azure evidence with its quotes in one file, which verify takes",
          "[cli][azure]") {
    const AzureCase c(both());
    const Files files(c);
    const CliRun made =
        files.with({"bundle", files.path("hcl.bin"), "-o", files.path("bundle")}, files.quotes());
    INFO(made.err);
    CHECK(made.status == 0);
    const CliRun run =
        attestctl({"verify", files.path("bundle"), "--trust-anchor", files.path("anchor"), "--at",
                   to_rfc3339(now()), "--report-data", kNonce});
    INFO(run.out << run.err);
    CHECK(run.status == 0);
    const CliRun lacking =
        files.with({"bundle", files.path("hcl.bin"), "-o", files.path("second")});
    CHECK(lacking.status == 3);
}

TEST_CASE("policy init: no policy is drafted from a paravisor's blob as if it were bare",
          "[cli][azure]") {
    const Files files{AzureCase(AzureTee::snp)};
    const CliRun run =
        files.with({"policy", "init", "--from-evidence", files.path("evidence.json")});
    CHECK(run.status == 2);
    CHECK_THAT(run.err, ContainsSubstring("azure"));
}

TEST_CASE("inspect: a blob, a broker's JSON and a vTPM's quote are shown part by part",
          "[cli][azure]") {
    const AzureCase c(both());
    const Files files(c);
    const auto inspect = [&](const std::string& name) {
        const CliRun run = attestctl({"inspect", files.path(name), "--json"});
        REQUIRE(run.status == 0);
        return json::parse(run.out);
    };
    const json blob = inspect("hcl.bin");
    CHECK(blob["format"] == "hcl-blob");
    CHECK(blob["fields"]["binding_ok"] == true);
    CHECK(blob["fields"]["vm_configuration"]["secure_boot"] == true);
    CHECK(blob["hardware_report"]["format"] ==
          (c.tee == AzureTee::snp ? "snp-report-v3" : "tdreport"));
    const json quote = inspect("tpm-quote.json");
    CHECK(quote["format"] == "tpm-quote");
    CHECK(quote["fields"]["nonce"] == kNonce);
    CHECK(quote["fields"]["pcr_selection"][0]["mask"] == "ffffff");
    const json whole = inspect("evidence.json");
    CHECK(whole["format"] == "azure-evidence");
    CHECK(whole["fields"]["version"] == 1);
    CHECK(whole["hcl_report"]["fields"] == blob["fields"]);
    CHECK(whole["tpm_quote"]["fields"] == quote["fields"]);
    CHECK(whole.contains("td_quote") == (c.tee == AzureTee::tdx));
    CHECK(attestctl({"inspect", files.path("hcl.bin")}).status == 0);
}

TEST_CASE("inspect: a blob whose binding does not hold says so", "[cli][azure]") {
    const Files files{AzureCase(AzureTee::snp)};
    Bytes blob = load_file(files.path("hcl.bin"));
    blob[0x4d4 + 30] ^= 1;
    files.write("bad.bin", as_text(blob));
    const CliRun run = attestctl({"inspect", files.path("bad.bin"), "--json"});
    CHECK(run.status == 0);
    CHECK(json::parse(run.out)["fields"]["binding_ok"] == false);
}

TEST_CASE("Azure vectors: attestctl inspect shows every recorded blob as recorded",
          "[cli][azure][vectors]") {
    NEED_VECTORS(dir, "snp/hcl");
    for (const auto& folder : std::filesystem::directory_iterator(dir)) {
        INFO(folder.path());
        const json want = json::parse(load_text(folder.path() / "expected.json"));
        const CliRun run = attestctl({"inspect", (folder.path() / "hcl.bin").string(), "--json"});
        REQUIRE(run.status == 0);
        const json fields = json::parse(run.out)["fields"];
        for (const char* key :
             {"hcl_version", "report_size", "request_type", "status", "data_size", "data_version",
              "report_type", "hash_type", "variable_data_size", "var_data_sha256", "binding_ok"}) {
            INFO(key);
            CHECK(fields[key] == want[key]);
        }
    }
}

TEST_CASE("verify: a report that an SVSM made binds nonce and manifest", "[cli][svsm]") {
    const ReportData nonce{1, 2, 3};
    const Bytes manifest = from_hex(
                               "bb9e8463923d7046a1ff58f9c94b87bb"  // all services
                               "3200000001000000"                  // 50 bytes, one service
                               "ebf176c42301a5459641b4e7dde5bfe3"  // the vTPM
                               "3000000002000000"                  // two bytes at 48
                               "abcd",
                               "manifest")
                               .value();
    AzureCase c(AzureTee::snp);
    c.snp.fields.report_data = svsm_report_data(nonce, manifest);
    const Files files(c);
    files.write("report.bin", as_text(c.snp.report()));
    files.write("manifest.bin", as_text(manifest));
    files.write("other.bin", as_text(ByteView(manifest).first(49)));
    const Args given{"--service-manifest", files.path("manifest.bin")};
    const Args expected{"--report-data", to_hex(nonce)};
    const CliRun good = files.verify("report.bin", given + expected);
    INFO(good.out << good.err);
    CHECK(good.status == 0);
    CHECK(finds(good, "snp.svsm.manifest"));
    CHECK(files.verify("report.bin", expected).status == 1);
    CHECK(files.verify("report.bin", expected + Args{"--service-manifest", files.path("other.bin")})
              .status == 1);
    const CliRun alone = files.verify("report.bin", given);
    CHECK(alone.status == 2);
    CHECK_THAT(alone.err, ContainsSubstring("--report-data"));

    const CliRun shown = attestctl({"inspect", files.path("manifest.bin"), "--json"});
    REQUIRE(shown.status == 0);
    const json services = json::parse(shown.out)["fields"]["services"];
    REQUIRE(services.size() == 1);
    CHECK(services[0]["name"] == "vtpm");
    CHECK(services[0]["data"] == "abcd");
    CHECK(attestctl({"inspect", files.path("other.bin")}).status == 2);
}

}  // namespace attestd::test
