// Azure Attestation asked about a machine below a paravisor: its JSON is the runtime data.
#include "agent/remote/maa.h"

#include "quote/base/digest.h"
#include "quote/x509/pem.h"
#include "tests/unit/remote/azure_sample.h"
#include "tests/unit/remote/remote_samples.h"

namespace attestd::remote::maa_test {
namespace {

using namespace remote_test;
using nlohmann::json;

const Bytes kNonce(32, 0x5a);

using Machine = AzureSnpMachine;

json claims_of(const Machine& m) {
    return {{"iss", "https://m.attest.example"},
            {"iat", kSeconds},
            {"exp", kSeconds + 28800},
            {"x-ms-attestation-type", "sevsnpvm"},
            {"x-ms-compliance-status", "azure-compliant-cvm"},
            {"x-ms-sevsnpvm-is-debuggable", false},
            {"x-ms-sevsnpvm-reportdata", to_hex(m.fields.report_data)},
            {"x-ms-sevsnpvm-launchmeasurement", to_hex(m.fields.measurement)},
            {"x-ms-sevsnpvm-hostdata", to_hex(m.fields.host_data)},
            {"x-ms-sevsnpvm-reportid", to_hex(m.fields.report_id)},
            {"x-ms-runtime", json::parse(m.runtime)}};
}

struct Setting {
    test::JwsForge key{"RSA"};
    std::shared_ptr<ScriptedNetwork> network = std::make_shared<ScriptedNetwork>();
    std::unique_ptr<VerifierKind> kind;

    Setting() {
        VerifierConfig config;
        config.type = VerifierType::maa;
        config.remote.emplace();
        config.remote->url = config.remote->issuer = "https://m.attest.example";
        config.remote->api_version = "2025-06-01";
        config.remote->token_signer =
            LoadedFile{"/key.pem", to_bytes(as_bytes(to_pem("PUBLIC KEY", key.spki())))};
        auto made = MaaKind::make(config, {network, [] { return BootTime(); }, [](auto) {}});
        REQUIRE_OK(made);
        kind = *std::move(made);
    }
    AttestationResult judge(const Machine& machine, const json& claims,
                            const ReportData& report_data) {
        const json answer{{"token", key.sign("RS256", claims.dump())}};
        network->answers.insert_or_assign("SevSnpVm?api-version=2025-06-01",
                                          answered(200, answer.dump()));
        const auto result = kind->appraise(machine.evidence(), Expectations{report_data}, kNow);
        REQUIRE_OK(result);
        return *result;
    }
};

}  // namespace

TEST_CASE("Azure Attestation: below a paravisor its JSON is sent, and must hold our report data",
          "[remote]") {
    Setting s;
    auto report_data = s.kind->begin(kNonce);
    REQUIRE_OK(report_data);
    CHECK(
        std::all_of(report_data->begin() + 32, report_data->end(), [](auto b) { return b == 0; }));
    const Machine machine(*report_data);
    const auto good = s.judge(machine, claims_of(machine), *report_data);
    INFO((good.findings().empty() ? std::string()
                                  : good.findings()[0].id + good.findings()[0].detail));
    CHECK(good.verdict() == Verdict::accepted);
    const auto token = s.kind->take_token();
    REQUIRE(token != nullptr);
    CHECK(token->expires == kNow + std::chrono::seconds(28800));
    CHECK(s.kind->take_token() == nullptr);

    const json body = json::parse(s.network->asked.back().body);
    CHECK(body["runtimeData"]["dataType"] == "JSON");
    CHECK(body["runtimeData"]["data"] ==
          to_base64url(as_bytes(machine.runtime), Base64Padding::full));
    const auto report =
        from_base64url(body["report"].get<std::string>(), "report", Base64Padding::full);
    REQUIRE_OK(report);
    const json inner = json::parse(*report);
    CHECK(inner["SnpReport"] ==
          to_base64url(forge::report_bytes(machine.fields), Base64Padding::full));
}

TEST_CASE("Azure Attestation: another attempt's runtime data, or another report's, is refused",
          "[remote]") {
    Setting s;
    const auto begin = [&] {
        auto data = s.kind->begin(kNonce);
        REQUIRE_OK(data);
        return *data;
    };
    const ReportData report_data = begin();
    const Machine machine(report_data);
    json claims = claims_of(machine);
    claims["x-ms-runtime"]["user-data"] = std::string(128, '0');
    const auto other = s.judge(machine, claims, report_data);
    CHECK(other.verdict() == Verdict::refused);
    CHECK(other.findings().at(0).id == "snp.stated.token.nonce");
    CHECK(s.kind->take_token() == nullptr);

    claims = claims_of(machine);
    claims["x-ms-sevsnpvm-reportid"] = std::string(64, '0');
    const auto foreign = s.judge(machine, claims, begin());
    CHECK(foreign.findings().at(0).id == "snp.stated.token.evidence");

    // The host changes the JSON under the hardware's digest of it.
    Machine changed(report_data);
    changed.fields.report_data[0] ^= 1;
    forge::HclSpec blob;
    blob.runtime = changed.runtime;
    blob.hardware_report = forge::report_bytes(changed.fields);
    changed.azure.hcl_blob = forge::hcl_blob(blob);
    const auto unbound = s.judge(changed, claims_of(changed), begin());
    CHECK(unbound.verdict() == Verdict::refused);
    CHECK(unbound.findings().at(0).id == "snp.stated.hcl.binding");
}

}  // namespace attestd::remote::maa_test
