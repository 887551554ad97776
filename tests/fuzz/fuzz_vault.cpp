// What Vault and OpenBao answer: envelopes, tokens, leases, errors; and JSON of which a part is
// secret.
#include <nlohmann/json.hpp>

#include "agent/hashivault/answer.h"
#include "agent/kbs/messages.h"
#include "tests/fuzz/target.h"

namespace attestd::fuzz::vault_answers {
namespace {

using namespace attestd::hashivault;
using nlohmann::json;

constexpr std::size_t kMaxInput = 8192;
constexpr std::array<std::string_view, 2> kPart{"data", "data"};
constexpr JsonLimits kSameLimits{.max_len = std::size_t{2} << 20, .max_depth = 16};

Secret secret_of(std::string_view text) { return must(Secret::copy_of(as_bytes(text))); }

std::string text_of(const Secret& secret) {
    return secret.expose([](ByteView bytes) { return std::string(as_text(bytes)); });
}

// In the place of each secret text stands its number.
bool holds_secrets(const json& value) {
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        return text.empty() || text.find_first_not_of("0123456789") != text.npos;
    }
    if (value.is_structured())
        return std::any_of(value.begin(), value.end(),
                           [](const json& v) { return holds_secrets(v); });
    return !value.is_null();
}

// What the strict parser may refuse in a secret part that is cut well: what texts stand for, and
// numbers beyond all bounds, are looked at by nobody before they are asked for.
bool may_differ(std::string_view text) {
    if (!kbs::is_utf8(text) || text.find("\\u") != text.npos) return true;
    for (std::size_t i = 1; i < text.size(); ++i) {
        const bool is_exponent = text[i] == 'e' || text[i] == 'E';
        if (is_exponent && text[i - 1] >= '0' && text[i - 1] <= '9') return true;
    }
    return false;
}

// The values of the secret part, beside the same ones as the strict parser reads them.
void check_texts(const SecretJson& cut, const JsonValue& ours, const JsonValue& plain) {
    if (plain.is_text()) {
        holds(text_of(must(cut.text_of(ours))) == must(plain.text()),
              "a secret text is the one sent");
        return;
    }
    holds(!cut.text_of(ours), "what is no text is given as none");
    holds(plain.is_object() == ours.is_object() && plain.is_array() == ours.is_array(),
          "the shape is the one sent");
    if (plain.is_array()) {
        const auto left = must(ours.array(kMaxInput)), right = must(plain.array(kMaxInput));
        holds(left.size() == right.size(), "no element is lost");
        for (std::size_t i = 0; i < left.size(); ++i) check_texts(cut, left[i], right[i]);
    }
    if (!plain.is_object()) return;
    const auto left = must(ours.object()).rest(), right = must(plain.object()).rest();
    holds(left.size() == right.size(), "no member is lost");
    for (std::size_t i = 0; i < left.size(); ++i) {
        holds(left[i].first == right[i].first, "names are the ones sent");
        check_texts(cut, left[i].second, right[i].second);
    }
}

std::optional<JsonValue> part_of(const JsonDocument& document) {
    std::optional<JsonValue> at = document.root();
    for (const std::string_view step : kPart) {
        auto in = at->object();
        at = in ? in->optional(step) : std::nullopt;
        if (!at) break;
    }
    return at;
}

void run_secret_json(ByteView input) {
    if (input.size() > kMaxInput) return;
    const std::string_view text = as_text(input);
    const auto plain = JsonDocument::parse(text, "answer", kSameLimits);
    const auto cut = SecretJson::parse(secret_of(text), kPart);
    if (!cut) return;
    holds(plain || may_differ(text), "what is cut well is JSON to the strict parser");
    if (!plain) return;
    const auto ours = part_of(cut->document()), theirs = part_of(*plain);
    holds(ours.has_value() == theirs.has_value(), "both find the secret part");
    const std::string whole = text_of(must(cut->whole()));
    if (!ours) {
        holds(whole.empty(), "there is no part where none is named");
        return;
    }
    reached();
    holds(!holds_secrets(ours->raw()), "nothing secret is in the document");
    check_texts(*cut, *ours, *theirs);
    const auto again = must(JsonDocument::parse(whole, "whole", kSameLimits));
    holds(again.root().raw() == theirs->raw(), "the whole part is the one sent");
    holds(text.find(whole) != text.npos, "and in the bytes that came");
}

Seeds secret_seeds() {
    return {
        seed(
            "kv2",
            R"({"data":{"data":{"password":"s3cr\u0065t\n","n":12,"o":{"a":["x",null,true,-1.5e3]}},)"
            R"("metadata":{"version":3}}})"),
        seed("escapes", R"({"data":{"data":{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}}})"),
        seed("text", R"({"data":{"data":"plain"}})"), seed("none", R"({"data":{}})"),
        seed("blanks", "{ \"data\" :\t{\n\"data\" : { } } }\r\n")};
}

template <class T>
void check_form(const Result<T>& result) {
    if (result) return;
    for (const char c : result.error().detail)
        holds(c >= ' ' && c <= '~', "an error's detail is printable");
}

void check_read(const ReadAnswer& answer) {
    reached();
    const auto whole = answer.field("");
    if (whole) {
        const auto document = JsonDocument::parse(text_of(*whole), "whole", kSameLimits);
        auto members = document ? document->root().object()
                                : Result<JsonObject>(tl::make_unexpected(document.error()));
        if (!members) return;
        for (const auto& [name, value] : members->rest()) {
            if (name.empty()) continue;
            const auto field = answer.field(name);
            holds(field.has_value() == value.is_text(), "texts, and they alone, are fields");
            if (field) holds(text_of(*field) == must(value.text()), "a field is the text sent");
        }
    }
    if (answer.lease)
        holds(!answer.lease->id.empty() && answer.lease->duration.count() >= 0, "lease");
}

void run_answer(ByteView input) {
    if (input.empty() || input.size() > kMaxInput) return;
    constexpr std::array<unsigned, 10> kStatuses{200, 204, 400, 403, 404, 412, 429, 500, 503, 473};
    const std::string_view text = as_text(input.subspan(1));
    if (const auto auth = parse_auth(secret_of(text), Step::login)) {
        reached();
        holds(!auth->token.empty() && auth->duration.count() >= 0, "a token is there");
    } else {
        check_form(auth);
    }
    if (const auto second = parse_kv2(secret_of(text), 3)) {
        holds(!second->version || *second->version == 3, "it is the version asked for");
        check_read(*second);
    }
    if (const auto any = parse_read(secret_of(text))) check_read(*any);
    check_form(parse_plaintext(secret_of(text)));
    check_form(parse_lease(secret_of(text)));
    SecretFetchResponse answer;
    answer.status = kStatuses[input[0] % kStatuses.size()];
    answer.body = secret_of(text);
    for (const Step step : {Step::login, Step::renew, Step::read, Step::decrypt, Step::revoke}) {
        const auto good = check_answer(answer, step);
        holds(!good || answer.status == 200, "200 alone is a success");
        check_form(good);
        if (!good) static_cast<void>(remedy_of(good.error().code));
        const Error error = error_of(answer.status, answer.body, step);
        for (const char c : error.detail) holds(c >= ' ' && c <= '~', "words are escaped");
    }
}

Seed answer_seed(std::string name, char status, const std::string& body) {
    return seed(std::move(name), std::string(1, status) + body);
}

Seeds answer_seeds() {
    const std::string rest =
        R"("request_id":"1","lease_id":"","renewable":false,"lease_duration":0,)";
    return {
        answer_seed("kv2", 0,
                    "{" + rest + R"("data":{"data":{"a":"x","b":1},"metadata":{"version":3}}})"),
        answer_seed("read", 0,
                    R"({"lease_id":"db/1","renewable":true,"lease_duration":60,"data":{"a":"x"}})"),
        answer_seed(
            "auth", 0,
            R"({"auth":{"client_token":"hvs.x","lease_duration":60,"renewable":true,"num_uses":0}})"),
        answer_seed("plaintext", 0, R"({"data":{"plaintext":"c2VjcmV0"}})"),
        answer_seed("lease", 0, R"({"lease_id":"db/1","renewable":true,"lease_duration":60})"),
        answer_seed("gone", 4,
                    R"({"data":{"data":null,"metadata":{"version":3,"deletion_time":"2030"}}})"),
        answer_seed("refused", 2, R"({"errors":["error validating token: \u0007",""]})"),
        answer_seed("missing", 4, R"({"errors":[]})")};
}

const Words kVaultWords{"\"data\":",
                        "\"metadata\":",
                        "\"version\":",
                        "\"auth\":",
                        "\"client_token\":",
                        "\"lease_id\":",
                        "\"renewable\":",
                        "true",
                        "null",
                        "\"lease_duration\":",
                        "\"num_uses\":",
                        "\"errors\":[",
                        "\"plaintext\":",
                        "\"destroyed\":",
                        "\"warnings\":[",
                        "\\u0041",
                        "\\ud83d\\ude00",
                        "1e400",
                        "-0",
                        "{}"};
const bool kSecretJson = add({"secret-json", run_secret_json, secret_seeds, kVaultWords, 4000});
const bool kAnswer = add({"vault-answer", run_answer, answer_seeds, kVaultWords, 1500});

}  // namespace
}  // namespace attestd::fuzz::vault_answers
