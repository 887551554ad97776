// What verifiers on the network answer: tokens, their claims, and the answers around them.
//
// Whole attempts are made, with forged evidence, a fixed nonce of ours and a scripted network. A
// token is only believed when the pinned key signed it, and then only about this attempt.
#include <fmt/format.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <nlohmann/json.hpp>

#include "agent/kbs/messages.h"
#include "agent/remote/coco_as.h"
#include "agent/remote/ita.h"
#include "agent/remote/maa.h"
#include "agent/remote/veraison.h"
#include "quote/base/base64url.h"
#include "quote/base/encoding.h"
#include "tests/fuzz/target.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"
#include "tests/support/forge/x509_forge.h"
#include "tests/support/temp_dir.h"

namespace attestd::fuzz::remote_answers {
namespace {

using namespace attestd::remote;
using nlohmann::json;

constexpr std::int64_t kSeconds = 1'800'000'000;
constexpr Time kNow{std::chrono::seconds(kSeconds)};
constexpr std::size_t kMaxInput = 8192;

enum class Service : std::uint8_t { ita, maa, veraison, coco_as };
constexpr std::size_t kNumServices = 4;

bool signs_by_rsa(Service service) { return service == Service::ita || service == Service::maa; }

// --- the pinned keys

class RsaKey {
 public:
    RsaKey() : key_(EVP_RSA_gen(2048)) { holds(key_ != nullptr, "an RSA key"); }
    Bytes spki() const {
        unsigned char* der = nullptr;
        const int len = i2d_PUBKEY(key_.get(), &der);
        holds(len > 0, "an RSA key's DER");
        const Bytes out(der, der + len);
        OPENSSL_free(der);
        return out;
    }
    /// RS256.
    Bytes sign(std::string_view text) const {
        const EvpMdCtx ctx(EVP_MD_CTX_new());
        const ByteView bytes = as_bytes(text);
        std::size_t len = 512;
        Bytes out(len);
        holds(EVP_DigestSignInit(ctx.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
                  EVP_DigestSign(ctx.get(), out.data(), &len, bytes.data(), bytes.size()) == 1,
              "an RSA signature");
        out.resize(len);
        return out;
    }

 private:
    EvpPkey key_;
};

struct Keys {
    RsaKey rsa;
    forge::SigningKey ec{KeyKind::p256};
    forge::SigningKey vcek{KeyKind::p384};
};
const Keys& keys() {
    static const Keys made;
    return made;
}

std::string token_over(Service service, std::string_view payload) {
    const bool is_rsa = signs_by_rsa(service);
    const std::string header = is_rsa ? R"({"alg":"RS256","typ":"JWT"})" : R"({"alg":"ES256"})";
    const std::string text = to_base64url(as_bytes(header)) + '.' + to_base64url(as_bytes(payload));
    const Bytes signature = is_rsa ? keys().rsa.sign(text) : keys().ec.sign_raw(as_bytes(text));
    return text + '.' + to_base64url(signature);
}

std::string_view signed_part(std::string_view token) {
    return token.substr(0, std::min(token.rfind('.'), token.size()));
}

// --- the network

FetchResponse answered(unsigned status, std::string_view body) {
    FetchResponse out;
    out.status = status;
    out.body = to_bytes(as_bytes(body));
    return out;
}

constexpr std::string_view kItaNonce = R"({"val":"AQI=","iat":"Aw==","signature":"BA=="})";

FetchResponse honest_challenge(const std::string& url) {
    constexpr std::string_view kQuery = "newSession?nonce=";
    const auto at = url.find(kQuery);
    if (at == url.npos) return answered(200, kItaNonce);
    const json body{{"nonce", url.substr(at + kQuery.size())},
                    {"accept", {"application/vnd.veraison.tsm-report+json"}}};
    FetchResponse out = answered(201, body.dump());
    out.headers.emplace_back("location", "session/1");
    return out;
}

// The first request of an attempt, where there is a challenge, and then evidence's own.
class Network final : public Fetcher {
 public:
    std::optional<FetchResponse> challenge, attest;  // empty: an honest one; an empty answer
    std::size_t polls = 0;

    Result<FetchResponse> fetch(const FetchRequest& request, Deadline) override {
        if (request.method == "DELETE") return answered(204, "");
        const bool is_challenge = request.url.ends_with("/appraisal/v2/nonce") ||
                                  request.url.find("newSession?") != request.url.npos;
        if (is_challenge) return challenge ? *challenge : honest_challenge(request.url);
        if (++polls > 3) return fail(Errc::fetch_unreachable, "enough");
        return attest ? *attest : answered(200, "");
    }
};

// --- one attempt after the other

Evidence evidence_over(Service service, const ReportData& report_data) {
    if (service == Service::veraison) {
        forge::SnpFields fields = forge::snp_fields(forge::Product::milan, 3);
        fields.report_data = report_data;
        const Bytes some{0x30, 0x00};
        return {Tee::snp,
                forge::forge_report(fields, keys().vcek),
                {forge::certificate_table({{forge::guid::kVcek, some}})},
                {},
                "fuzz"};
    }
    static const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                             forge::IntelValidity::around(kNow));
    forge::QuoteSpec spec = forge::tdx_v4();
    std::get<forge::TdBody>(spec.body).report_data = report_data;
    return {Tee::tdx, forge::forge_quote(spec, intel, intel.pck({})), {}, {}, "fuzz"};
}

class Attempts {
 public:
    explicit Attempts(Service service) : service_(service) {
        config_.remote.emplace();
        RemoteVerifierConfig& remote = *config_.remote;
        remote.url = "https://verifier.example";
        const Bytes spki = signs_by_rsa(service) ? keys().rsa.spki() : keys().ec.spki();
        remote.token_signer =
            LoadedFile{"/signer.pem", to_bytes(as_bytes(forge::to_pem("PUBLIC KEY", spki)))};
        if (service == Service::ita)
            remote.api_key_file = folder_.write("key", std::string_view("k\n"));
        if (service == Service::coco_as) remote.policies = {"default"};
        // Time passes between attempts, so that none is put off.
        kind_ = must(make({network_, [this] { return BootTime(std::chrono::hours(++hours_)); },
                           [](std::chrono::milliseconds) {}}));
        for (const std::uint8_t which : std::array<std::uint8_t, 2>{0, 1}) {
            const auto report_data = must(kind_->begin(nonce(which)));
            evidence_.push_back(evidence_over(service, report_data));
        }
    }

    static Bytes nonce(std::uint8_t which) {
        return Bytes(32, static_cast<std::uint8_t>(0x5a + which));
    }

    /// With the evidence that goes with nonce `which`.
    Result<AttestationResult> run(std::uint8_t which, std::optional<FetchResponse> challenge,
                                  std::optional<FetchResponse> attest) {
        network_->challenge = std::move(challenge);
        network_->attest = std::move(attest);
        network_->polls = 0;
        ATTESTD_TRY(const ReportData report_data, kind_->begin(nonce(which)));
        const Expectations expected{report_data};
        return kind_->appraise(evidence_.at(which), expected, kNow);
    }

    FetchResponse answer_with(const std::string& token) const {
        if (service_ == Service::coco_as) return answered(200, token);
        if (service_ == Service::veraison)
            return answered(200, json{{"status", "complete"}, {"result", token}}.dump());
        return answered(200, json{{"token", token}}.dump());
    }

    const EvidenceFacts& facts() {
        if (!facts_) facts_ = must(facts_of(evidence_.front()));
        return *facts_;
    }

 private:
    Result<std::unique_ptr<VerifierKind>> make(Surroundings around) const {
        switch (service_) {
            case Service::ita:
                return ItaKind::make(config_, std::move(around));
            case Service::maa:
                return MaaKind::make(config_, std::move(around));
            case Service::veraison:
                return VeraisonKind::make(config_, std::move(around));
            case Service::coco_as:
                break;
        }
        return CocoAsKind::make(config_, std::move(around));
    }

    Service service_;
    test::TempDir folder_;
    VerifierConfig config_;
    std::shared_ptr<Network> network_ = std::make_shared<Network>();
    int hours_ = 0;
    std::unique_ptr<VerifierKind> kind_;
    std::vector<Evidence> evidence_;
    std::optional<EvidenceFacts> facts_;
};

Attempts& attempts(Service service) {
    static std::array<Attempts, kNumServices> made{Attempts(Service::ita), Attempts(Service::maa),
                                                   Attempts(Service::veraison),
                                                   Attempts(Service::coco_as)};
    return made.at(static_cast<std::size_t>(service));
}

// --- honest claims, and what must be true of any that are believed

std::string hex_of(const EvidenceFacts& facts, std::string_view name) {
    for (const ClaimInfo& info : all_claims()) {
        if (info.name != name) continue;
        const auto& quote = std::get<IntelQuote>(facts.claims);
        return claim_text(info, info.of_td(quote));
    }
    holds(false, "a claim of this name");
    return {};
}

json td_claims(const EvidenceFacts& facts) {
    json out{{"tdx_report_data", to_hex(facts.report_data)},
             {"attester_tcb_status", "UpToDate"},
             {"tdx_is_debuggable", false}};
    for (const char* name : {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"})
        out[std::string("tdx_") + name] = hex_of(facts, name);
    return out;
}

json ear_claims(const json& annotated) {
    json submod{{"ear.status", "affirming"},
                {"ear.trustworthiness-vector", {{"hardware", 2}}},
                {"ear.appraisal-policy-id", "default"}};
    if (!annotated.is_null()) submod["ear.veraison.annotated-evidence"] = annotated;
    return {{"submods", {{"cpu0", submod}}}};
}

json honest_claims(Service service) {
    const EvidenceFacts& facts = attempts(service).facts();
    const std::string data = session_data(Attempts::nonce(0));
    json out;
    if (service == Service::ita) {
        json td = td_claims(facts);
        td["attester_type"] = "TDX";
        td["attester_held_data"] = to_base64(as_bytes(data));
        td["verifier_nonce"] = json::parse(kItaNonce);
        out["tdx"] = td;
    } else if (service == Service::maa) {
        out = td_claims(facts);
        out["x-ms-attestation-type"] = "tdxvm";
        out["x-ms-runtime"] = json::parse(data);
    } else if (service == Service::veraison) {
        out = ear_claims(nullptr);
        out["eat_profile"] = "tag:github.com,2023:veraison/ear";
        out["eat_nonce"] = to_base64url(facts.report_data);
    } else {
        out = ear_claims({{"report_data", to_hex(facts.report_data)},
                          {"runtime_data_claims", {{"nonce", to_hex(Attempts::nonce(0))}}},
                          {"tdx", {{"quote", {{"body", {{"mr_td", hex_of(facts, "mrtd")}}}}}}}});
        out["eat_profile"] = "tag:github.com,2024:confidential-containers/Trustee";
    }
    out["iat"] = kSeconds;
    out["exp"] = kSeconds + 300;
    return out;
}

// Read by another parser, on ways of its own.
void check_believed(Service service, const std::string& payload) {
    const json claims = json::parse(payload);
    const auto at = [&claims](const std::string& pointer) {
        const json::json_pointer path(pointer);
        return claims.contains(path) ? claims.at(path) : json();
    };
    holds(service == Service::veraison || claims.at("exp").is_number_integer(), "it ends");
    if (service == Service::ita || service == Service::maa) {
        const std::string below = service == Service::ita && claims.contains("tdx") ? "/tdx" : "";
        holds(at(below + "/attester_tcb_status") == "UpToDate", "its TCB is up to date");
        holds(at(below + "/tdx_is_debuggable") == false, "it cannot be debugged");
        holds(at(below + "/tdx_mrtd").is_string(), "it says what was measured");
        return;
    }
    holds(!claims.at("submods").empty(), "somebody was appraised");
    for (const json& submod : claims.at("submods")) {
        const json& status = submod.at("ear.status");
        holds(status == "affirming" || status == 2, "nothing but affirming will do");
    }
    if (service != Service::coco_as) return;
    holds(at("/submods/cpu0/ear.veraison.annotated-evidence/runtime_data_claims") ==
              json{{"nonce", to_hex(Attempts::nonce(0))}},
          "what was bound is ours and no more");
}

// --- targets

void check_words(const Result<AttestationResult>& result) {
    const auto check = [](const std::string& text) {
        for (const char c : text) holds(c >= ' ' && c <= '~', "the service's words are escaped");
    };
    if (!result) return check(result.error().detail);
    for (const Finding& finding : result->findings()) check(finding.detail);
}

bool is_accepted(const Result<AttestationResult>& result) {
    check_words(result);
    return result && result->verdict() == Verdict::accepted;
}

const std::string& good_token(Service service) {
    static std::array<std::string, kNumServices> made;
    std::string& out = made.at(static_cast<std::size_t>(service));
    if (out.empty()) out = token_over(service, honest_claims(service).dump());
    return out;
}

Service service_of(std::uint8_t byte) { return static_cast<Service>(byte % kNumServices); }

// The input is a token, and the claims of another that the service signs.
void run_token(ByteView input) {
    if (input.empty() || input.size() > kMaxInput) return;
    const Service service = service_of(input[0]);
    Attempts& with = attempts(service);
    const std::string text(as_text(input.subspan(1)));
    if (kbs::is_utf8(text) && is_accepted(with.run(0, {}, with.answer_with(text)))) {
        holds(signed_part(text) == signed_part(good_token(service)),
              "what was not signed is not believed");
        reached();
    }
    if (!json::accept(text)) return;  // a signature takes long, and claims have to be JSON
    const std::string token = token_over(service, text);
    if (!is_accepted(with.run(0, {}, with.answer_with(token)))) return;
    reached();
    check_believed(service, text);
    holds(!is_accepted(with.run(1, {}, with.answer_with(token))),
          "a token is good for one attempt");
}

Seeds token_seeds() {
    Seeds out;
    for (std::uint8_t i = 0; i < kNumServices; ++i) {
        const std::string first(1, static_cast<char>(i));
        const json claims = honest_claims(service_of(i));
        out.push_back(seed(fmt::format("claims-{}", i), first + claims.dump()));
        out.push_back(seed(fmt::format("token-{}", i), first + good_token(service_of(i))));
    }
    return out;
}

// The input is who answers, to what, with which status, a line for headers, and a body.
void run_answer(ByteView input) {
    constexpr std::array<unsigned, 10> kStatuses{200, 201, 202, 204, 301, 400, 401, 404, 429, 503};
    if (input.size() < 3 || input.size() > kMaxInput) return;
    const Service service = service_of(input[0]);
    const std::string text(as_text(input.subspan(3)));
    const std::size_t line = std::min(text.find('\n'), text.size());
    FetchResponse answer = answered(kStatuses[input[2] % kStatuses.size()],
                                    std::string_view(text).substr(std::min(line + 1, text.size())));
    for (const char* name : {"content-type", "location", "retry-after"})
        answer.headers.emplace_back(name, text.substr(0, line));
    Attempts& with = attempts(service);
    const bool is_challenge = input[1] % 2 == 0;
    const bool accepted =
        is_challenge ? is_accepted(with.run(0, answer, {})) : is_accepted(with.run(0, {}, answer));
    if (!accepted) return;
    reached();
    holds(!is_challenge, "a challenge is no judgement");
    holds(text.find(signed_part(good_token(service))) != text.npos,
          "nothing is accepted that the service did not sign");
}

Seed one_answer(std::string name, Service service, char step, char status,
                const std::string& text) {
    return seed(std::move(name), std::string{static_cast<char>(service), step, status} + text);
}

Seeds answer_seeds() {
    Seeds out;
    for (std::uint8_t i = 0; i < kNumServices; ++i) {
        const Service service = service_of(i);
        const auto good = attempts(service).answer_with(good_token(service));
        out.push_back(one_answer(fmt::format("good-{}", i), service, 1, 0,
                                 "\n" + std::string(as_text(good.body))));
    }
    out.push_back(one_answer("nonce", Service::ita, 0, 0, "\n" + std::string(kItaNonce)));
    out.push_back(one_answer("session", Service::veraison, 0, 1,
                             "session/1\n{\"nonce\":\"AAAA\",\"accept\":[]}"));
    out.push_back(
        one_answer("processing", Service::veraison, 1, 2, "\n{\"status\":\"processing\"}"));
    out.push_back(
        one_answer("refused", Service::maa, 1, 5,
                   "\n{\"error\":{\"code\":\"PolicyEvaluationError\",\"message\":\"no\\u0007\"}}"));
    out.push_back(one_answer("throttled", Service::ita, 1, 8, "30\n{\"error\":\"slow down\"}"));
    out.push_back(one_answer("html", Service::coco_as, 1, 0, "text/html\n<html>"));
    return out;
}

const Words kTokenWords{"\"exp\":",
                        "\"iat\":",
                        "\"nbf\":",
                        "\"submods\":",
                        "\"ear.status\":",
                        "\"affirming\"",
                        "\"contraindicated\"",
                        "\"warning\"",
                        "\"tdx\":",
                        "\"attester_tcb_status\":",
                        "\"UpToDate\"",
                        "\"SWHardeningNeeded\"",
                        "\"tdx_is_debuggable\":",
                        "true",
                        "false",
                        "\"verifier_nonce\":",
                        "\"x-ms-runtime\":",
                        "\"eat_nonce\":",
                        "\"runtime_data_claims\":",
                        "\"tee-pubkey\":",
                        "\"ear.trustworthiness-vector\":",
                        "\"nonce\":",
                        "1800000300",
                        "32",
                        "2"};
const Words kAnswerWords{"\"token\":",      "\"val\":",   "\"status\":",
                         "\"complete\"",    "\"failed\"", "\"result\":",
                         "\"error\":{",     "\"code\":",  "\"message\":",
                         "\"title\":",      "\"nonce\":", "\"accept\":[",
                         "session/",        "text/plain", "text/html",
                         "application/jwt", "\\u0000",    "PolicyEvaluationError"};
const bool kToken = add({"remote-token", run_token, token_seeds, kTokenWords, 1500});
const bool kAnswer = add({"remote-answer", run_answer, answer_seeds, kAnswerWords, 2000});

}  // namespace
}  // namespace attestd::fuzz::remote_answers
