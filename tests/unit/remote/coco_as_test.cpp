// Trustee's attestation service as the session sees it: what is bound, and what is sent.
#include "agent/remote/coco_as.h"

#include "quote/base/digest.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/unit/remote/azure_sample.h"
#include "tests/unit/remote/remote_samples.h"

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

TEST_CASE("attestation service: below a paravisor the vTPM's quote carries the digest, unpadded",
          "[remote]") {
    Setting s;
    const auto report_data = s.kind->begin(kNonce);
    REQUIRE_OK(report_data);
    const AzureSnpMachine machine(*report_data);
    json said{{"runtime_data_claims", {{"nonce", to_hex(kNonce)}}},
              {"az-snp-vtpm", {{"measurement", to_hex(machine.fields.measurement)}}}};
    const auto judge = [&] {
        const json cpu{{"ear.status", "affirming"},
                       {"ear.appraisal-policy-id", "default"},
                       {"ear.veraison.annotated-evidence", said}};
        const json claims{{"eat_profile", "tag:github.com,2024:confidential-containers/Trustee"},
                          {"iat", kSeconds},
                          {"exp", kSeconds + 300},
                          {"submods", {{"cpu0", cpu}}}};
        s.network->answers.insert_or_assign("/jwks.json", answered(200, key_set({s.signer.jwk()})));
        s.network->answers.insert_or_assign("/attestation",
                                            answered(200, s.signer.sign("ES256", claims.dump())));
        REQUIRE_OK(s.kind->begin(kNonce));
        const Expectations asked{*report_data};
        const auto result = s.kind->appraise(machine.evidence(), asked, kNow);
        REQUIRE_OK(result);
        return result->verdict();
    };
    CHECK(judge() == Verdict::accepted);
    CHECK(s.kind->take_token() != nullptr);
    const json body = json::parse(as_text(s.network->asked[0].body));
    CHECK(body["verification_requests"].at(0)["tee"] == "az-snp-vtpm");
    said["az-snp-vtpm"]["measurement"] = std::string(96, '0');
    CHECK(judge() == Verdict::refused);
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

}  // namespace attestd::remote::coco_as_test
