// Trustee's attestation service as the session sees it: what is bound, and what is sent.
#include "agent/remote/coco_as.h"

#include "quote/base/digest.h"
#include "quote/x509/pem.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/unit/remote/azure_machine.h"

namespace attestd::remote::coco_as_test {
namespace {

using namespace remote_test;
using nlohmann::json;
using test::ContainsSubstring;

const Bytes kNonce(32, 0x5a);

std::string runtime_text() { return R"({"nonce":")" + to_hex(kNonce) + "\"}"; }

struct Setting {
    test::JwsForge signer{"P-256"};
    std::shared_ptr<ScriptedNetwork> network = std::make_shared<ScriptedNetwork>();
    std::unique_ptr<VerifierKind> kind;
    Expectations expected{ReportData{}};

    explicit Setting(std::optional<LoadedFile> init_data = std::nullopt) {
        auto made = CocoAsKind::make(config(std::move(init_data)),
                                     {network, [] { return BootTime(); }, [](auto) {}});
        REQUIRE_OK(made);
        kind = *std::move(made);
    }
    VerifierConfig config(std::optional<LoadedFile> init_data) const {
        VerifierConfig out;
        out.type = VerifierType::coco_as;
        out.remote.emplace();
        out.remote->url = "https://as.example";
        out.remote->token_keys_url = "https://as.example/.well-known/jwks.json";
        out.remote->policies = {"default"};
        out.remote->init_data = std::move(init_data);
        return out;
    }
    /// Evidence of a TD that carries what begin() says.
    Evidence evidence() {
        const auto report_data = kind->begin(kNonce);
        REQUIRE_OK(report_data);
        expected.report_data = *report_data;
        forge::QuoteSpec spec = forge::tdx_v4();
        std::get<forge::TdBody>(spec.body).report_data = *report_data;
        const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                          forge::IntelValidity::around(kNow));
        return {Tee::tdx, forge::forge_quote(spec, intel, intel.pck({})), {}, {}, "test"};
    }
    Result<AttestationResult> answered_with(FetchResponse answer) {
        network->answers.insert_or_assign("/attestation", std::move(answer));
        const Evidence given = evidence();
        return kind->appraise(given, expected, kNow);
    }
};

FetchResponse of_type(const char* type, std::string_view body) {
    FetchResponse out = answered(200, body);
    out.headers.emplace_back("content-type", type);
    return out;
}

}  // namespace

TEST_CASE("attestation service: what is bound is the digest of our nonce, for a vTPM to quote, too",
          "[remote]") {
    Setting s;
    const auto report_data = s.kind->begin(kNonce);
    REQUIRE_OK(report_data);
    const Sha384 digest = sha384(as_bytes(runtime_text()));
    CHECK(equal(ByteView(*report_data).first(48), digest));
    CHECK(all_zero(ByteView(*report_data).subspan(48)));
    CHECK(s.network->asked.empty());
}

TEST_CASE(
    "attestation service: runtime data goes along always, policies and init-data as configured",
    "[remote]") {
    Setting s(LoadedFile{"/init.toml", to_bytes(as_bytes("version = \"0.1.0\""))});
    REQUIRE_ERRC(Errc::remote_verifier_failed, s.answered_with(answered(500, "down")));
    REQUIRE(s.network->asked.size() == 1);
    const json body = json::parse(as_text(s.network->asked[0].body));
    CHECK(body["policy_ids"] == json{"default"});
    const json& request = body["verification_requests"].at(0);
    CHECK(request["tee"] == "tdx");
    CHECK(request["runtime_data"]["structured"].dump() == runtime_text());
    CHECK(request["runtime_data_hash_algorithm"] == "sha384");
    CHECK(request["init_data"]["init_data_toml"] == "version = \"0.1.0\"");
}

TEST_CASE("attestation service: an answer that is no token as text is an outage", "[remote]") {
    const auto answer = GENERATE_COPY(values<FetchResponse>(
        {of_type("text/html", "a.b.c"), of_type("application/json", R"({"token":"a.b.c"})"),
         answered(200, ""), answered(200, "a.b"), answered(200, "a.b.c d"),
         answered(200, "\"a.b.c\"")}));
    Setting s;
    REQUIRE_ERRC(Errc::remote_verifier_protocol, s.answered_with(answer));
}

TEST_CASE("attestation service: a token by its form that is none refuses", "[remote]") {
    Setting s;
    const auto refused = s.answered_with(of_type("text/plain; charset=utf-8", "a.b.c\n"));
    REQUIRE_OK(refused);
    CHECK(refused->verdict() == Verdict::refused);
    CHECK(s.kind->take_token() == nullptr);
}

TEST_CASE("attestation service: init-data that is no text is refused at the start", "[remote]") {
    const Setting s;
    REQUIRE_ERRC(Errc::bad_value,
                 CocoAsKind::make(s.config(LoadedFile{"/init.toml", Bytes{0xff}}),
                                  {s.network, [] { return BootTime(); }, [](auto) {}}));
}

TEST_CASE("attestation service: a paravisor's evidence goes in its form, and is found again",
          "[remote]") {
    // Services before Trustee v0.16 have another name for it.
    const auto [name, id] = GENERATE(table<const char*, const char*>(
        {{"az-snp-vtpm", nullptr}, {"azsnpvtpm", nullptr}, {"snp", "snp.stated.token.malformed"}}));
    Setting s;
    VerifierConfig config = s.config({});
    config.remote->token_keys_url.clear();
    config.remote->token_signer =
        LoadedFile{"/key.pem", to_bytes(as_bytes(to_pem("PUBLIC KEY", s.signer.spki())))};
    const auto kind = CocoAsKind::make(config, {s.network, [] { return BootTime(); }, [](auto) {}});
    REQUIRE_OK(kind);
    const auto report_data = (*kind)->begin(kNonce);
    REQUIRE_OK(report_data);
    const AzureMachine machine(Tee::snp, *report_data);
    const json annotated{{name, {{"measurement", to_hex(machine.fields.measurement)}}},
                         {"runtime_data_claims", {{"nonce", to_hex(kNonce)}}}};
    const json claims{{"eat_profile", "tag:github.com,2024:confidential-containers/Trustee"},
                      {"iat", kSeconds},
                      {"exp", kSeconds + 300},
                      {"submods",
                       {{"cpu0",
                         {{"ear.status", "affirming"},
                          {"ear.appraisal-policy-id", "default"},
                          {"ear.trustworthiness-vector", {{"hardware", 2}}},
                          {"ear.veraison.annotated-evidence", annotated}}}}}};
    s.network->answers.insert_or_assign("/attestation",
                                        answered(200, s.signer.sign("ES256", claims.dump())));
    const auto result = (*kind)->appraise(machine.evidence(), Expectations{*report_data}, kNow);
    REQUIRE_OK(result);
    const json sent = json::parse(as_text(s.network->asked.back().body));
    CHECK(sent["verification_requests"].at(0)["tee"] == "az-snp-vtpm");
    INFO((result->findings().empty() ? std::string()
                                     : result->findings()[0].id + result->findings()[0].detail));
    if (id == nullptr)
        CHECK(result->verdict() == Verdict::accepted);
    else
        CHECK(result->findings().at(0).id == id);
}

}  // namespace attestd::remote::coco_as_test
