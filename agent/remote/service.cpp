#include "agent/remote/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "agent/log.h"
#include "quote/base/secret.h"

namespace attestd::remote {
namespace {

constexpr JsonLimits kProblemLimits{.max_len = 65536, .max_depth = 8};
constexpr std::size_t kMaxShownWords = 200;
constexpr int kMaxAnswerDepth = 16;
constexpr unsigned kThrottled = 429, kFirstServerError = 500, kFirstClientError = 400;
// Microsoft's word for evidence that its policy does not accept, whatever the status.
constexpr std::string_view kPolicyRefusal = "PolicyEvaluationError";

std::string text_or_none(JsonObject& in, std::string_view key) {
    const auto value = in.optional(key);
    return value && value->is_text() ? value->text().value_or("") : std::string();
}

struct Words {
    std::string code, text;
};

// {"error": TEXT}, {"error": {"code", "message"}}, {"Code", "Message"}, or a problem document.
std::optional<Words> words_of_json(ByteView body) {
    const auto document = JsonDocument::parse(as_text(body), "error", kProblemLimits);
    auto in = document ? document->root().object() : Result<JsonObject>(fail(Errc::bad_json, ""));
    if (!in) return std::nullopt;
    for (const std::string_view key : {"error", "Error"}) {
        const auto error = in->optional(key);
        if (!error) continue;
        if (error->is_text()) return Words{{}, error->text().value_or("")};
        if (auto inner = error->object()) in = std::move(inner);
        break;
    }
    Words out;
    for (const std::string_view key : {"code", "Code", "title"}) {
        if (out.code.empty()) out.code = text_or_none(*in, key);
    }
    for (const std::string_view key : {"message", "Message", "detail"}) {
        if (out.text.empty()) out.text = text_or_none(*in, key);
    }
    if (out.code.empty() && out.text.empty()) return std::nullopt;
    return out;
}

Errc code_of_status(unsigned status, Asked asked, std::string_view code) {
    const bool is_client_error = status >= kFirstClientError && status < kFirstServerError;
    if (is_client_error && asked == Asked::evidence && code == kPolicyRefusal)
        return Errc::remote_verifier_refused;
    if (status == 401 || status == 403) return Errc::remote_verifier_unauthorized;
    if (status == kThrottled) return Errc::remote_verifier_throttled;
    if (status >= kFirstServerError) return Errc::remote_verifier_failed;
    // Only these can speak of what was sent; all others speak of the request's form, the address,
    // the account or a proxy.
    constexpr unsigned kBadRequest = 400, kUnprocessable = 422;
    if (asked == Asked::evidence && (status == kBadRequest || status == kUnprocessable))
        return Errc::remote_verifier_refused;
    return Errc::remote_verifier_protocol;
}

std::string mending(Errc code) {
    if (code == Errc::remote_verifier_unauthorized)
        return "; if it wants an API key, is that right, and may it be used for this?";
    return {};
}

}  // namespace

Result<void> check_status(const FetchResponse& answer, std::initializer_list<unsigned> good,
                          Asked asked, std::string_view what) {
    if (std::find(good.begin(), good.end(), answer.status) != good.end()) return {};
    const auto words = words_of_json(answer.body);
    const Errc code = code_of_status(answer.status, asked, words ? words->code : "");
    std::string said = escaped(as_text(answer.body), kMaxShownWords);
    if (words) {
        said = fmt::format("{}{}{}", escaped(words->code, 64), words->code.empty() ? "" : ": ",
                           escaped(words->text, kMaxShownWords));
    }
    return fail(code, fmt::format("{}: status {}: {}{}", what, answer.status, said, mending(code)));
}

Result<JsonDocument> parse_answer(const FetchResponse& answer, std::size_t max_len,
                                  std::string_view what) {
    auto document = JsonDocument::parse(as_text(answer.body), std::string(what),
                                        {.max_len = max_len, .max_depth = kMaxAnswerDepth});
    if (!document) return protocol_error(document.error());
    if (!document->root().is_object())
        return fail(Errc::remote_verifier_protocol, fmt::format("{}: it is no object", what));
    return document;
}

Result<std::string> answer_text(JsonObject& answer, std::string_view key) {
    const auto value = answer.required(key);
    if (!value) return protocol_error(value.error());
    auto text = value->text();
    if (!text) return protocol_error(text.error());
    return text;
}

Result<std::string> token_of(FetchResponse& answer, std::string_view key) {
    ATTESTD_TRY(const auto document, parse_answer(answer, kMaxTokenAnswer, "answer"));
    ATTESTD_TRY(JsonObject in, document.root().object());
    auto text = answer_text(in, key);
    wipe_bytes(answer.body);
    return text;
}

tl::unexpected<Error> protocol_error(const Error& inner) {
    return fail(Errc::remote_verifier_protocol, inner.detail);
}

FetchRequest json_request(std::string url, std::string_view body, std::string_view accept) {
    FetchRequest request;
    request.url = std::move(url);
    request.headers.emplace_back("Accept", accept);
    if (body.empty()) return request;
    request.method = "POST";
    request.content_type = "application/json";
    request.body = to_bytes(as_bytes(body));
    return request;
}

}  // namespace attestd::remote
