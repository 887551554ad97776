// The client as a machine of states: what it asks, in which order, and when it stops asking.
#include "agent/kbs/client.h"

#include <deque>

#include "agent/kbs/source.h"
#include "quote/x509/pem.h"
#include "tests/support/forge/report_forge.h"
#include "tests/support/jws_forge.h"

namespace attestd::kbs::client_test {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::int64_t kSeconds = 1'700'000'000;
const std::string kPath = "resource/default/db/password";

std::string named(std::string_view name, std::string_view detail = "") {
    return std::string(R"({"type":"https://example/errors/)")
        .append(name)
        .append(R"(","detail":")")
        .append(detail)
        .append("\"}");
}

// A broker that answers at once and well, but for what a test puts before.
class ScriptedBroker final : public Fetcher {
 public:
    test::JwsForge signer{"P-256"};
    std::vector<std::string> calls;          // "auth", "attest", "GET", "GET bearer"
    std::vector<std::string> keys;           // of the handshakes
    std::deque<Result<FetchResponse>> next;  // answers before the good ones
    std::string value = "secret";
    std::int64_t token_life = 300;
    std::function<std::int64_t()> now = [] { return kSeconds; };
    std::function<void()> while_reading = [] {};

    Result<FetchResponse> fetch(const FetchRequest& request, Deadline) override {
        calls.push_back(name_of(request));
        if (request.method == "GET") while_reading();
        if (!next.empty()) {
            auto answer = std::move(next.front());
            next.pop_front();
            if (!is_to_pass(answer)) return answer;
        }
        if (request.url.ends_with("/auth")) return challenge();
        if (request.url.ends_with("/attest")) return token(request);
        return secret();
    }

    // In `next`: the good answer comes.
    static Result<FetchResponse> pass() { return FetchResponse{}; }
    static FetchResponse error(unsigned status, std::string_view body) {
        FetchResponse out;
        out.status = status;
        out.body = to_bytes(as_bytes(body));
        return out;
    }

 private:
    static bool is_to_pass(const Result<FetchResponse>& answer) {
        return answer && answer->status == 0;
    }
    static std::string name_of(const FetchRequest& request) {
        if (request.method == "POST") return request.url.substr(request.url.rfind('/') + 1);
        for (const auto& [name, text] : request.headers) {
            if (name == "Authorization") return "GET bearer";
        }
        return "GET";
    }
    static FetchResponse good(const std::string& body) {
        FetchResponse out = error(200, body);
        out.headers.emplace_back("content-type", "application/json");
        return out;
    }
    Result<FetchResponse> challenge() {
        FetchResponse out =
            good(json{{"nonce", "n" + std::to_string(++num_)}, {"extra-params", ""}}.dump());
        out.headers.emplace_back("set-cookie", "kbs-session-id=0a" + std::to_string(num_));
        return out;
    }
    Result<FetchResponse> token(const FetchRequest& request) {
        const json runtime = json::parse(request.body).at("runtime-data");
        keys.push_back(runtime.at("tee-pubkey").dump());
        const json claims{
            {"iat", now()},
            {"exp", now() + token_life},
            {"submods",
             {{"cpu0",
               {{"ear.status", "affirming"},
                {"ear.veraison.annotated-evidence", {{"runtime_data_claims", runtime}}}}}}}};
        return good(json{{"token", signer.sign("ES256", claims.dump())}}.dump());
    }
    Result<FetchResponse> secret() {
        const auto document = JsonDocument::parse(keys.back(), "jwk").value();
        const auto key = JosePublicKey::from_jwk(document.root()).value();
        const Secret plain = Secret::copy_of(as_bytes(value)).value();
        return good(encrypt_jwe(key, {}, plain, JweForm::flattened).value());
    }
    int num_ = 0;
};

class ScriptedMachine final : public Attester {
 public:
    Result<TeeKind> kind() override {
        if (!is_affirmed) return fail(Errc::not_affirming, "not yet");
        return TeeKind{Tee::snp};
    }
    Result<Evidence> collect(const ReportData& report_data, Fetcher::Deadline) override {
        static const forge::SigningKey key(KeyKind::p384);
        forge::SnpFields fields = forge::snp_fields(forge::Product::milan, 3);
        fields.report_data = report_data;
        ++num_collected;
        return Evidence{Tee::snp, forge::forge_report(fields, key), {}, {}, "test"};
    }
    int num_collected = 0;
    bool is_affirmed = true;
};

struct Setting {
    std::shared_ptr<ScriptedBroker> broker = std::make_shared<ScriptedBroker>();
    std::shared_ptr<ScriptedMachine> machine = std::make_shared<ScriptedMachine>();
    std::shared_ptr<BootTime> boot = std::make_shared<BootTime>(std::chrono::seconds(1000));
    std::shared_ptr<std::vector<milliseconds>> slept =
        std::make_shared<std::vector<milliseconds>>();

    KbsSourceConfig config() const {
        KbsSourceConfig out;
        out.url = "https://kbs.example:8080";
        out.token_signer = LoadedFile{
            "/signer.pem", to_bytes(as_bytes(to_pem("PUBLIC KEY", broker->signer.spki())))};
        return out;
    }
    Clocks clocks() const {
        return {[boot = boot] {
                    return Time(std::chrono::seconds(kSeconds)) +
                           std::chrono::floor<std::chrono::seconds>(
                               *boot - BootTime(std::chrono::seconds(1000)));
                },
                [boot = boot] { return *boot; },
                [slept = slept](milliseconds time) { slept->push_back(time); }};
    }
    KbsClient client() const {
        auto made = KbsClient::make(config(), broker, machine, clocks());
        REQUIRE_OK(made);
        return *std::move(made);
    }
    void pass_time(std::chrono::seconds time) const {
        *boot += time;
        broker->now = [at = kSeconds + (*boot - BootTime(std::chrono::seconds(1000))).count() /
                                           1'000'000'000] { return at; };
    }
};

using Calls = std::vector<std::string>;

bool is_value(const Result<Secret>& secret, std::string_view value) {
    return secret && secret->expose([&](ByteView bytes) { return as_text(bytes) == value; });
}

}  // namespace

TEST_CASE("key broker client: one handshake serves many reads", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    CHECK_FALSE(client.expires().has_value());
    for (int i = 0; i < 3; ++i) REQUIRE(is_value(client.read(kPath), "secret"));
    CHECK(setting.broker->calls == Calls{"auth", "attest", "GET", "GET", "GET"});
    CHECK(setting.machine->num_collected == 1);
    CHECK(client.expires() == *setting.boot + std::chrono::seconds(300));
    CHECK(client.counters().num_handshakes == 1);
    CHECK(client.counters().num_reads == 3);
}

TEST_CASE("key broker client: each handshake has a key of its own", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    REQUIRE(is_value(client.read(kPath), "secret"));
    setting.pass_time(std::chrono::seconds(300));
    REQUIRE(is_value(client.read(kPath), "secret"));
    client.forget();
    REQUIRE(is_value(client.read(kPath), "secret"));
    const auto& keys = setting.broker->keys;
    REQUIRE(keys.size() == 3);
    CHECK((keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]));
    CHECK(setting.broker->calls ==
          Calls{"auth", "attest", "GET", "auth", "attest", "GET", "auth", "attest", "GET"});
}

TEST_CASE("key broker client: a token that claims to live for more than a day is refused",
          "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    setting.broker->token_life = 86400;
    REQUIRE(is_value(client.read(kPath), "secret"));
    CHECK(client.expires() == *setting.boot + std::chrono::hours(24));
    const Setting other;
    KbsClient refusing = other.client();
    other.broker->token_life = GENERATE(86401, 253402300799 - kSeconds);  // or the year 9999
    REQUIRE_ERRC(Errc::token_malformed, refusing.read(kPath));
    CHECK_FALSE(refusing.expires().has_value());
}

TEST_CASE("key broker client: a lost session is renewed once, and then told", "[kbs]") {
    const auto lost = [] { return ScriptedBroker::error(401, named("TokenNotFound", "gone")); };
    SECTION("the token itself is taken") {
        const Setting setting;
        KbsClient client = setting.client();
        REQUIRE(is_value(client.read(kPath), "secret"));
        setting.broker->next = {lost()};
        REQUIRE(is_value(client.read(kPath), "secret"));
        CHECK(setting.broker->calls == Calls{"auth", "attest", "GET", "GET", "GET bearer"});
        REQUIRE(is_value(client.read(kPath), "secret"));
        CHECK(setting.broker->calls.back() == "GET bearer");
    }
    SECTION("a new handshake helps") {
        const Setting setting;
        KbsClient client = setting.client();
        REQUIRE(is_value(client.read(kPath), "secret"));
        setting.broker->next = {lost(), lost()};
        REQUIRE(is_value(client.read(kPath), "secret"));
        CHECK(setting.broker->calls ==
              Calls{"auth", "attest", "GET", "GET", "GET bearer", "auth", "attest", "GET"});
    }
    SECTION("nothing helps") {
        const Setting setting;
        KbsClient client = setting.client();
        REQUIRE(is_value(client.read(kPath), "secret"));
        setting.broker->next = {lost(), lost(), ScriptedBroker::pass(), ScriptedBroker::pass(),
                                lost()};
        REQUIRE_ERRC(Errc::kbs_unauthorized, client.read(kPath));
        CHECK(setting.broker->calls.size() == 8);
        CHECK_FALSE(client.expires().has_value());
        // Not at once again.
        REQUIRE_ERRC(Errc::kbs_unauthorized, client.read(kPath));
        CHECK(setting.broker->calls.size() == 8);
    }
    SECTION("between auth and attest") {
        const Setting setting;
        KbsClient client = setting.client();
        setting.broker->next = {
            ScriptedBroker::pass(),
            ScriptedBroker::error(401, named("AttestationError", "no session"))};
        REQUIRE(is_value(client.read(kPath), "secret"));
        CHECK(setting.broker->calls == Calls{"auth", "attest", "auth", "attest", "GET"});
    }
}

TEST_CASE("key broker client: what is refused for good is asked once", "[kbs]") {
    struct Row {
        const char* name;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({{"PolicyDeny", Errc::kbs_denied},
                                           {"PluginInternalError", Errc::kbs_missing},
                                           {"JweError", Errc::kbs_key}}));
    INFO(row.name);
    const Setting setting;
    KbsClient client = setting.client();
    REQUIRE(is_value(client.read(kPath), "secret"));
    setting.broker->next = {ScriptedBroker::error(401, named(row.name))};
    REQUIRE_ERRC(row.want, client.read(kPath));
    CHECK(setting.broker->calls == Calls{"auth", "attest", "GET", "GET"});
    CHECK(setting.slept->empty());
    // The session is as good as before.
    REQUIRE(is_value(client.read(kPath), "secret"));
    CHECK(setting.broker->calls.size() == 5);
}

TEST_CASE("key broker client: refused evidence is not shown again before its pause is over",
          "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    setting.broker->next = {ScriptedBroker::pass(),
                            ScriptedBroker::error(401, named("AttestationError", "Attest failed"))};
    const auto refused = client.read(kPath);
    REQUIRE_ERRC(Errc::kbs_refused, refused);
    CHECK_THAT(refused.error().detail, test::ContainsSubstring("Attest failed (session 0a1)"));
    for (int i = 0; i < 10; ++i) {
        const auto again = client.read(kPath);
        REQUIRE_ERRC(Errc::kbs_refused, again);
        CHECK_THAT(again.error().detail, test::ContainsSubstring("not asked again yet"));
    }
    CHECK(setting.broker->calls == Calls{"auth", "attest"});
    setting.pass_time(std::chrono::seconds(5));
    REQUIRE(is_value(client.read(kPath), "secret"));
}

TEST_CASE("key broker client: an expired session whose successor is refused is not tried in a loop",
          "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    REQUIRE(is_value(client.read(kPath), "secret"));
    setting.pass_time(std::chrono::seconds(301));
    setting.broker->next = {ScriptedBroker::error(401, named("AttestationError", "Auth failed"))};
    REQUIRE_ERRC(Errc::kbs_refused, client.read(kPath));
    REQUIRE_ERRC(Errc::kbs_refused, client.read(kPath));
    CHECK(setting.broker->calls == Calls{"auth", "attest", "GET", "auth"});
}

TEST_CASE("key broker client: a broker that does not answer is asked three times, with pauses",
          "[kbs]") {
    const auto broken = [] { return ScriptedBroker::error(503, "busy"); };
    const Setting setting;
    KbsClient client = setting.client();
    setting.broker->next = {broken(), fail(Errc::fetch_unreachable, "no route")};
    REQUIRE(is_value(client.read(kPath), "secret"));
    CHECK(setting.broker->calls == Calls{"auth", "auth", "auth", "attest", "GET"});
    REQUIRE(setting.slept->size() == 2);
    for (const milliseconds time : *setting.slept)
        CHECK((time >= milliseconds(100) && time <= milliseconds(1000)));

    setting.broker->next = {broken(), broken(), broken()};
    REQUIRE_ERRC(Errc::kbs_failed, client.read(kPath));
    CHECK(setting.broker->calls.size() == 8);
    REQUIRE_ERRC(Errc::kbs_failed, client.read(kPath));  // not asked
    CHECK(setting.broker->calls.size() == 8);
    setting.pass_time(std::chrono::seconds(2));
    REQUIRE(is_value(client.read(kPath), "secret"));
}

TEST_CASE("key broker client: a broker that fails at one secret is asked for others", "[kbs]") {
    const auto broken = [] { return ScriptedBroker::error(500, "of this one"); };
    const Setting setting;
    KbsClient client = setting.client();
    REQUIRE(is_value(client.read(kPath), "secret"));
    setting.broker->next = {broken(), broken(), broken()};
    REQUIRE_ERRC(Errc::kbs_failed, client.read("resource/default/db/other"));
    REQUIRE_ERRC(Errc::kbs_failed, client.read("resource/default/db/other"));  // not asked
    CHECK(setting.broker->calls.size() == 6);
    REQUIRE(is_value(client.read(kPath), "secret"));
    REQUIRE_ERRC(Errc::kbs_failed, client.read("resource/default/db/other"));  // still not
    CHECK(setting.broker->calls.size() == 7);
    setting.pass_time(std::chrono::seconds(2));
    REQUIRE(is_value(client.read("resource/default/db/other"), "secret"));
}

TEST_CASE("key broker client: what comes after the token's end is read again", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    setting.broker->token_life = 10;
    int num_slow = 1;
    setting.broker->while_reading = [&] {
        if (num_slow-- > 0) setting.pass_time(std::chrono::seconds(11));
    };
    REQUIRE(is_value(client.read(kPath), "secret"));
    CHECK(setting.broker->calls == Calls{"auth", "attest", "GET", "auth", "attest", "GET"});
    client.forget();
    num_slow = 10;
    REQUIRE_ERRC(Errc::token_expired, client.read(kPath));
    CHECK_FALSE(client.expires().has_value());
}

TEST_CASE("key broker client: a machine without a result of its own has not asked", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    setting.machine->is_affirmed = false;
    for (int i = 0; i < 3; ++i) REQUIRE_ERRC(Errc::not_affirming, client.read(kPath));
    CHECK(setting.broker->calls.empty());
    setting.machine->is_affirmed = true;
    REQUIRE(is_value(client.read(kPath), "secret"));
}

TEST_CASE("key broker client: a broker that asks for a pause gets it", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    FetchResponse later = ScriptedBroker::error(429, "slow down");
    later.headers.emplace_back("retry-after", "60");
    setting.broker->next = {later};
    REQUIRE_ERRC(Errc::kbs_throttled, client.read(kPath));
    setting.pass_time(std::chrono::seconds(59));
    REQUIRE_ERRC(Errc::kbs_throttled, client.read(kPath));
    CHECK(setting.broker->calls.size() == 1);
    setting.pass_time(std::chrono::seconds(1));
    REQUIRE(is_value(client.read(kPath), "secret"));
}

TEST_CASE("key broker client: secrets that are empty or over 1 MiB are refused", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    setting.broker->value = "";
    REQUIRE_ERRC(Errc::kbs_protocol, client.read(kPath));
    setting.broker->value = std::string((std::size_t{1} << 20) + 1, 'x');
    REQUIRE_ERRC(Errc::secret_too_large, client.read(kPath));
    setting.broker->value.pop_back();
    REQUIRE_OK(client.read(kPath));
}

TEST_CASE("key broker client: a configuration that cannot work is refused when it is made",
          "[kbs]") {
    const Setting setting;
    KbsSourceConfig config = setting.config();
    config.init_data = LoadedFile{"/init.toml", {0xe4}};
    REQUIRE_ERRC(Errc::bad_config,
                 KbsClient::make(config, setting.broker, setting.machine, setting.clocks()));
    config = setting.config();
    config.token_algorithm = "RS384";
    REQUIRE_ERRC(Errc::token_algorithm,
                 KbsClient::make(config, setting.broker, setting.machine, setting.clocks()));
}

TEST_CASE("key broker source: a version changes with the value, and never goes back", "[kbs]") {
    const Setting setting;
    auto made =
        KbsSource::make(setting.config(), setting.broker, setting.machine, setting.clocks());
    REQUIRE_OK(made);
    KbsSource& source = **made;
    const std::string resource = "default/db/password";
    const auto first = source.get_resource(resource);
    REQUIRE_OK(first);
    CHECK(first->expires == *setting.boot + std::chrono::seconds(300));
    CHECK(source.get_resource(resource).value().version == first->version);
    setting.broker->value = "other";
    const auto second = source.get_resource(resource);
    REQUIRE_OK(second);
    CHECK(second->version > first->version);
    setting.broker->value = "secret";
    CHECK(source.get_resource(resource).value().version > second->version);
    REQUIRE_ERRC(Errc::bad_name, source.get_resource("../etc"));
    const RemoteStatus status = source.status();
    REQUIRE(status.counts.size() == 4);
    CHECK(status.counts[2].name == "reads");
    CHECK(status.counts[2].value == 4);
    CHECK(status.login_expires == *setting.boot + std::chrono::seconds(300));
    CHECK_FALSE(status.next_try.has_value());
    CHECK_FALSE(status.upkeep_at.has_value());
}

TEST_CASE("key broker client: its token serves for logging in elsewhere", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    const auto text_of = [](const IdentityToken& token) {
        return token.text.expose([](ByteView text) { return std::string(as_text(text)); });
    };
    const auto first = client.token(TokenAge::any, deadline);
    REQUIRE_OK(first);
    CHECK(first->expires == *setting.boot + std::chrono::seconds(300));
    const auto same = client.token(TokenAge::any, deadline);
    REQUIRE_OK(same);
    CHECK(text_of(*same) == text_of(*first));
    const auto other = client.token(TokenAge::fresh, deadline);
    REQUIRE_OK(other);
    CHECK(text_of(*other) != text_of(*first));
    CHECK(setting.broker->calls == Calls{"auth", "attest", "auth", "attest"});
    REQUIRE(is_value(client.read(kPath), "secret"));
}

TEST_CASE("key broker client: a key that is given away is of a handshake of its own, and not kept",
          "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    const auto give = [&](KeyExport key) {
        auto out = client.give_token(key, deadline);
        REQUIRE_OK(out);
        CHECK(out->key_pem.has_value() == (key == KeyExport::yes));
        return *std::move(out);
    };
    const GivenToken first = give(KeyExport::no);
    CHECK(give(KeyExport::no).text == first.text);
    CHECK(setting.broker->keys.size() == 1);
    const GivenToken exported = give(KeyExport::yes);
    CHECK_FALSE(exported.text == first.text);
    CHECK_FALSE(client.expires().has_value());
    const GivenToken other = give(KeyExport::yes);
    CHECK_FALSE(*other.key_pem == *exported.key_pem);
    CHECK(setting.broker->keys.size() == 3);
}

TEST_CASE("key broker client: a token that ends before long is not given away", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    const auto first = client.give_token(KeyExport::no, deadline);
    REQUIRE_OK(first);
    setting.pass_time(std::chrono::seconds(241));
    const auto next = client.give_token(KeyExport::no, deadline);
    REQUIRE_OK(next);
    CHECK_FALSE(next->text == first->text);
}

TEST_CASE("key broker client: a session stays until there is a fresh one", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    REQUIRE(is_value(client.read(kPath), "secret"));
    const auto expires = client.expires();
    setting.broker->next = {ScriptedBroker::error(503, named("Busy", "later"))};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    REQUIRE_ERRC(Errc::kbs_failed, client.token(TokenAge::fresh, deadline));
    setting.broker->calls.clear();
    REQUIRE_ERRC(Errc::kbs_failed, client.token(TokenAge::fresh, deadline));
    CHECK(setting.broker->calls.empty());
    CHECK(client.expires() == expires);
    CHECK_FALSE(client.next_try().has_value());
    REQUIRE_OK(client.token(TokenAge::any, deadline));
    REQUIRE(is_value(client.read(kPath), "secret"));
    setting.pass_time(std::chrono::seconds(2));
    REQUIRE_OK(client.token(TokenAge::fresh, deadline));
}

TEST_CASE("key broker client: who gets no token leaves the broker alone for a while", "[kbs]") {
    const Setting setting;
    KbsClient client = setting.client();
    setting.broker->next = {ScriptedBroker::error(503, named("Busy", "later"))};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    REQUIRE_ERRC(Errc::kbs_failed, client.token(TokenAge::any, deadline));
    CHECK(client.next_try().has_value());
    REQUIRE_ERRC(Errc::kbs_failed, client.token(TokenAge::any, deadline));
    CHECK(setting.broker->calls == Calls{"auth"});
    setting.pass_time(std::chrono::seconds(2));
    REQUIRE_OK(client.token(TokenAge::any, deadline));
    CHECK_FALSE(client.next_try().has_value());
}

}  // namespace attestd::kbs::client_test
