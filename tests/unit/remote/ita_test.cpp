// A kind as the session sees it: challenge, then appraisal, and what is an outage.
#include "agent/remote/ita.h"

#include "quote/base/digest.h"
#include "tests/support/forge/report_forge.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/remote/remote_samples.h"

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

    Setting() {
        dir.write("key", std::string_view("the-api-key\n"));
        VerifierConfig config;
        config.type = VerifierType::ita;
        config.remote.emplace();
        config.remote->url = "https://api.example";
        config.remote->issuer = "https://portal.example";
        config.remote->token_keys_url = "https://portal.example/certs";
        config.remote->api_key_file = dir / "key";
        network->answers.insert_or_assign(
            "/nonce", answered(200, R"({"val":"AQI=","iat":"Aw==","signature":"BA=="})"));
        auto made = ItaKind::make(config, {network, [at = boot] { return *at; }, [](auto) {}});
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

}  // namespace attestd::remote::ita_test
