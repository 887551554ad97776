// Azure Attestation asked about a machine below a paravisor: its JSON is the runtime data.
#include "agent/remote/maa.h"

#include "quote/x509/pem.h"
#include "tests/unit/remote/azure_machine.h"

namespace attestd::remote::maa_test {
namespace {

using namespace remote_test;
using nlohmann::json;

const Bytes kNonce(32, 0x5a);

json claims_of(const AzureMachine& machine) {
    json out{{"iss", "https://m.attest.example"},
             {"iat", kSeconds},
             {"exp", kSeconds + 28800},
             {"x-ms-runtime", json::parse(machine.runtime)}};
    if (machine.tee == Tee::tdx) {
        out.update(machine.td_claims());
        out["x-ms-attestation-type"] = "tdxvm";
        return out;
    }
    out.update(json{{"x-ms-attestation-type", "sevsnpvm"},
                    {"x-ms-compliance-status", "azure-compliant-cvm"},
                    {"x-ms-sevsnpvm-is-debuggable", false},
                    {"x-ms-sevsnpvm-migration-allowed", false},
                    {"x-ms-sevsnpvm-reportdata", to_hex(machine.fields.report_data)},
                    {"x-ms-sevsnpvm-launchmeasurement", to_hex(machine.fields.measurement)},
                    {"x-ms-sevsnpvm-hostdata", to_hex(machine.fields.host_data)},
                    {"x-ms-sevsnpvm-reportid", to_hex(machine.fields.report_id)}});
    return out;
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
    AttestationResult judge(const AzureMachine& machine, const json& claims,
                            const ReportData& report_data) {
        const json answer{{"token", key.sign("RS256", claims.dump())}};
        const std::string path = machine.tee == Tee::snp ? "SevSnpVm" : "TdxVm";
        network->answers.insert_or_assign(path + "?api-version=2025-06-01",
                                          answered(200, answer.dump()));
        const auto result = kind->appraise(machine.evidence(), Expectations{report_data}, kNow);
        REQUIRE_OK(result);
        return *result;
    }
};

}  // namespace

TEST_CASE("Azure Attestation: below a paravisor its JSON is sent, and must hold our report data",
          "[remote]") {
    const Tee tee = GENERATE(Tee::snp, Tee::tdx);
    Setting s;
    auto report_data = s.kind->begin(kNonce);
    REQUIRE_OK(report_data);
    CHECK(
        std::all_of(report_data->begin() + 32, report_data->end(), [](auto b) { return b == 0; }));
    const AzureMachine machine(tee, *report_data);
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
    if (tee == Tee::tdx) {
        CHECK(body["quote"] == to_base64url(machine.azure.td_quote, Base64Padding::full));
        return;
    }
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
    const AzureMachine machine(Tee::snp, report_data);
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
    AzureMachine changed(Tee::snp, report_data);
    changed.flip = 1;
    changed.make();
    const auto unbound = s.judge(changed, claims_of(changed), begin());
    CHECK(unbound.verdict() == Verdict::refused);
    CHECK(unbound.findings().at(0).id == "snp.stated.hcl.binding");
}

TEST_CASE("Azure Attestation: a TD below a paravisor, whose JSON holds other report data",
          "[remote]") {
    Setting s;
    const auto report_data = s.kind->begin(kNonce);
    REQUIRE_OK(report_data);
    const AzureMachine machine(Tee::tdx, *report_data);
    json claims = claims_of(machine);
    claims["x-ms-runtime"]["user-data"] = std::string(128, '0');
    const auto refused = s.judge(machine, claims, *report_data);
    CHECK(refused.findings().at(0).id == "tdx.stated.token.nonce");
}

}  // namespace attestd::remote::maa_test
