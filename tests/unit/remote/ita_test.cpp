// A kind as the session sees it: challenge, then appraisal, and what is an outage.
#include "agent/remote/ita.h"

#include "quote/base/digest.h"
#include "quote/x509/pem.h"
#include "tests/support/forge/report_forge.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/remote/azure_machine.h"

namespace attestd::remote::ita_test {
namespace {

using namespace remote_test;
using nlohmann::json;
using test::ContainsSubstring;

struct Setting {
    test::TempDir dir;
    std::shared_ptr<ScriptedNetwork> network = std::make_shared<ScriptedNetwork>();
    std::shared_ptr<BootTime> boot = std::make_shared<BootTime>(std::chrono::hours(1));
    std::unique_ptr<VerifierKind> kind;

    [[nodiscard]] VerifierConfig config() const {
        VerifierConfig out;
        out.type = VerifierType::ita;
        out.remote.emplace();
        out.remote->url = "https://api.example";
        out.remote->issuer = "https://portal.example";
        out.remote->token_keys_url = "https://portal.example/certs";
        out.remote->api_key_file = dir / "key";
        return out;
    }
    Setting() {
        dir.write("key", std::string_view("the-api-key\n"));
        network->answers.insert_or_assign(
            "/nonce", answered(200, R"({"val":"AQI=","iat":"Aw==","signature":"BA=="})"));
        auto made = ItaKind::make(config(), {network, [at = boot] { return *at; }, [](auto) {}});
        REQUIRE_OK(made);
        kind = *std::move(made);
    }
};

const Bytes kNonce(32, 0x5a);

}  // namespace

TEST_CASE("Intel Trust Authority: the challenge binds its nonce and ours", "[remote]") {
    Setting s;
    const auto report_data = s.kind->begin(kNonce);
    REQUIRE_OK(report_data);
    const std::string data = R"({"attestd-session":")" + to_hex(kNonce) + "\"}";
    const Bytes theirs{1, 2, 3};
    CHECK(*report_data == sha512({ByteView(theirs), as_bytes(data)}));
    // No workload's report data has this form: theirs ends in a length and at most 64 bytes.
    CHECK(data.size() > 64);
    REQUIRE(s.network->asked.size() == 1);
    const auto& headers = s.network->asked[0].headers;
    CHECK(std::find(headers.begin(), headers.end(),
                    std::pair<std::string, std::string>("x-api-key", "the-api-key")) !=
          headers.end());
}

TEST_CASE("Intel Trust Authority: nothing is appraised without a challenge of its own",
          "[remote]") {
    Setting s;
    static const forge::SigningKey key(KeyKind::p384);
    const auto report = forge::forge_report(forge::snp_fields(forge::Product::milan, 3), key);
    const Evidence evidence{Tee::snp, report, {}, {}, "test"};
    const Expectations expected{ReportData{}};
    REQUIRE_ERRC(Errc::internal, s.kind->appraise(evidence, expected, kNow));
    REQUIRE_OK(s.kind->begin(kNonce));
    // SEV-SNP is not asked about: an outage, and the challenge is spent.
    REQUIRE_ERRC(Errc::platform_unsupported, s.kind->appraise(evidence, expected, kNow));
    REQUIRE_ERRC(Errc::internal, s.kind->appraise(evidence, expected, kNow));
    CHECK(s.kind->take_token() == nullptr);
    // Evidence that is none is a refusal, as it is of every verifier.
    REQUIRE_OK(s.kind->begin(kNonce));
    const Evidence junk{Tee::tdx, Bytes(100), {}, {}, "test"};
    const auto refused = s.kind->appraise(junk, expected, kNow);
    REQUIRE_OK(refused);
    CHECK(refused->verdict() == Verdict::refused);
}

TEST_CASE("Intel Trust Authority: it is left alone for as long as it asks to be", "[remote]") {
    Setting s;
    FetchResponse later = answered(429, R"({"error":"slow down"})");
    later.headers.emplace_back("retry-after", "30");
    s.network->answers.insert_or_assign("/nonce", later);
    REQUIRE_ERRC(Errc::remote_verifier_throttled, s.kind->begin(kNonce));
    const auto held = s.kind->begin(kNonce);
    REQUIRE_ERRC(Errc::remote_verifier_throttled, held);
    CHECK_THAT(held.error().detail, ContainsSubstring("30 s"));
    CHECK(s.network->asked.size() == 1);
    *s.boot += std::chrono::seconds(30);
    REQUIRE_ERRC(Errc::remote_verifier_throttled, s.kind->begin(kNonce));
    CHECK(s.network->asked.size() == 2);
}

TEST_CASE("Intel Trust Authority: an API key's file that is absent or odd is an outage by name",
          "[remote]") {
    Setting s;
    s.dir.write("key", std::string_view("two words\n"));
    const auto odd = s.kind->begin(kNonce);
    REQUIRE_ERRC(Errc::bad_value, odd);
    CHECK_THAT(odd.error().detail, !ContainsSubstring("two words"));
    std::filesystem::remove(s.dir / "key");
    REQUIRE_ERRC(Errc::not_found, s.kind->begin(kNonce));
    CHECK(s.network->asked.empty());
}

TEST_CASE("Intel Trust Authority: below a paravisor our data is the user's, its JSON the runtime's",
          "[remote]") {
    Setting s;
    const test::JwsForge key{"RSA"};
    VerifierConfig config = s.config();
    config.remote->token_keys_url.clear();
    config.remote->token_signer =
        LoadedFile{"/key.pem", to_bytes(as_bytes(to_pem("PUBLIC KEY", key.spki())))};
    const auto kind = ItaKind::make(config, {s.network, [] { return BootTime(); }, [](auto) {}});
    REQUIRE_OK(kind);
    const auto report_data = (*kind)->begin(kNonce);
    REQUIRE_OK(report_data);
    const AzureMachine machine(Tee::tdx, *report_data);
    json claims = machine.td_claims();
    claims.update(json{{"attester_type", "AZTDX"},
                       {"verifier_nonce", {{"val", "AQI="}, {"iat", "Aw=="}}},
                       {"attester_user_data", {{"attestd-session", to_hex(kNonce)}}}});
    // What is bound below a paravisor, one by one.
    struct Row {
        const char* id;
        void (*change)(json&);
    };
    const auto row = GENERATE(values<Row>({
        {nullptr, [](json&) {}},
        {"tdx.stated.token.nonce",
         [](json& c) { c["attester_user_data"]["attestd-session"] = std::string(64, '0'); }},
        {"tdx.stated.token.nonce",
         [](json& c) {
             c["attester_runtime_data"] = c["attester_user_data"];
             c.erase("attester_user_data");
         }},
        {"tdx.stated.token.evidence",
         [](json& c) { c["tdx_report_data"] = std::string(128, '0'); }},
    }));
    row.change(claims);
    const json token{{"iss", "https://portal.example"},
                     {"iat", kSeconds},
                     {"exp", kSeconds + 300},
                     {"tdx", claims}};
    s.network->answers.insert_or_assign(
        "/appraisal/v2/attest/azure",
        answered(200, json{{"token", key.sign("PS384", token.dump())}}.dump()));
    const auto result = (*kind)->appraise(machine.evidence(), Expectations{*report_data}, kNow);
    REQUIRE_OK(result);
    if (row.id != nullptr) {
        CHECK(result->findings().at(0).id == row.id);
        return;
    }
    INFO((result->findings().empty() ? std::string()
                                     : result->findings()[0].id + result->findings()[0].detail));
    CHECK(result->verdict() == Verdict::accepted);
    const json sent = json::parse(as_text(s.network->asked.back().body)).at("tdx");
    const std::string ours = R"({"attestd-session":")" + to_hex(kNonce) + "\"}";
    CHECK(sent["user_data"] == to_base64(as_bytes(ours)));
    CHECK(sent["runtime_data"] == to_base64(as_bytes(machine.runtime)));
    CHECK(sent["quote"] == to_base64(machine.azure.td_quote));
}

}  // namespace attestd::remote::ita_test
