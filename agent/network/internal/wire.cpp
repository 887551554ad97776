#include "agent/network/internal/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "quote/base/json.h"
#include "quote/base/lower_case.h"

namespace attestd::fetch_wire {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxRequestBody = std::size_t{1} << 20;
constexpr std::size_t kMaxDetailLen = 1024;  // of what the process says in words
constexpr unsigned kOwnFailure = 502;
constexpr std::string_view kErrorField = "attestd-fetch-error";
constexpr std::string_view kReserved = "attestd-";
constexpr JsonLimits kProblemLimits{.max_len = 65536, .max_depth = 4};
constexpr std::array<std::string_view, 5> kMethods{"GET", "POST", "PUT", "LIST", "DELETE"};
// attestd-fetch gives up a little earlier than we do, so that its reason arrives.
constexpr milliseconds kMaxMargin{500};

Result<milliseconds> time_for(Fetcher::Deadline deadline, const FetchRequest& request) {
    const auto left = std::chrono::floor<milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= milliseconds::zero())
        return fail(Errc::fetch_timed_out, request.url + ": no time is left to fetch it");
    return std::max(milliseconds(1), left - std::min(left / 10, kMaxMargin));
}

Result<void> check(const FetchRequest& request) {
    if (std::find(kMethods.begin(), kMethods.end(), request.method) == kMethods.end())
        return fail(Errc::fetch_denied,
                    "fetch: a method other than GET, POST, PUT, LIST and DELETE was asked for");
    if (request.body.size() > kMaxRequestBody)
        return fail(Errc::fetch_denied,
                    fmt::format("fetch: a body of {} bytes is over the limit of {}",
                                request.body.size(), kMaxRequestBody));
    for (const auto& [name, value] : request.headers) {
        if (lower_case(name).starts_with(kReserved))
            return fail(Errc::fetch_denied, "fetch: headers that begin \"attestd-\" are reserved");
    }
    return {};
}

std::string printable(std::string_view text) {
    std::string out(text.substr(0, kMaxDetailLen));
    for (char& c : out) {
        if (c < ' ' || c > '~') c = '?';
    }
    return out;
}

std::string detail_of(ByteView body) {
    const auto document = JsonDocument::parse(as_text(body), "problem", kProblemLimits);
    if (!document) return {};
    auto problem = document->root().object();
    if (!problem) return {};
    const auto detail = problem->optional("detail");
    return detail ? printable(detail->text().value_or("")) : std::string();
}

// Only the codes of the network: a process that claims, say, a good signature is not listened to.
const ErrcInfo* fetch_errc(std::string_view name) noexcept {
    if (!name.starts_with("fetch.")) return nullptr;
    const auto all = all_errcs();
    const auto it =
        std::find_if(all.begin(), all.end(), [&](const ErrcInfo& e) { return e.name == name; });
    return it == all.end() ? nullptr : &*it;
}

tl::unexpected<Error> own_failure(unsigned status, ByteView body, std::string_view name,
                                  std::string_view where) {
    const ErrcInfo* const known = fetch_errc(name);
    if (known == nullptr || status != kOwnFailure) {
        return fail(Errc::fetch_process,
                    fmt::format("{}: names an error that attestd-fetch does not have", where));
    }
    std::string detail = detail_of(body);
    if (detail.empty()) detail = known->meaning;
    return fail(known->code, std::move(detail));
}

tl::unexpected<Error> failed_exchange(Error error, const FetchRequest& request) {
    switch (error.code) {
        case Errc::timed_out:
            return fail(Errc::fetch_timed_out, std::move(error.detail));
        case Errc::bad_value:
            return fail(Errc::fetch_denied,
                        fmt::format("fetch: {}: {}", printable(request.url), error.detail));
        case Errc::memory_locked:
        case Errc::stopping:
            return tl::make_unexpected(std::move(error));
        default:
            return fail(Errc::fetch_process,
                        fmt::format("{}; is attestd-fetch there and able to run?", error.detail));
    }
}

// The server's own headers; an error when the answer is no server's.
Result<HttpFields> headers_of(UnixResponseHead& head, ByteView body, std::string_view where) {
    HttpFields out;
    for (auto& [name, value] : head.fields) {
        if (name == kErrorField) return own_failure(head.status, body, value, where);
        if (name.starts_with(kReserved))
            return fail(Errc::fetch_process,
                        fmt::format("{}: passes on a header that is reserved", where));
        if (name != "connection") out.emplace_back(std::move(name), std::move(value));
    }
    return out;
}

}  // namespace

Result<UnixRequest> request_to_proxy(const FetchRequest& request, Fetcher::Deadline deadline,
                                     std::size_t max_body_len) {
    ATTESTD_CHECK(check(request));
    ATTESTD_TRY(const milliseconds time, time_for(deadline, request));
    UnixRequest out;
    out.method = request.method;
    out.target = request.url;
    out.content_type = request.content_type;
    out.body = request.body;
    out.fields = request.headers;
    out.fields.emplace_back("Attestd-Fetch-Timeout", std::to_string(time.count()));
    out.fields.emplace_back("Attestd-Fetch-Max-Body", std::to_string(max_body_len));
    return out;
}

Result<FetchResponse> answer_of_proxy(Result<UnixResponse> answer, const FetchRequest& request,
                                      std::string_view where) {
    if (!answer) return failed_exchange(std::move(answer).error(), request);
    ATTESTD_TRY(HttpFields headers, headers_of(answer->head, answer->body, where));
    return FetchResponse{answer->head.status, std::move(headers), std::move(answer->body)};
}

Result<SecretFetchResponse> secret_answer_of_proxy(Result<UnixSecretResponse> answer,
                                                   const FetchRequest& request,
                                                   std::string_view where) {
    if (!answer) return failed_exchange(std::move(answer).error(), request);
    auto headers =
        answer->body.expose([&](ByteView body) { return headers_of(answer->head, body, where); });
    if (!headers) return tl::make_unexpected(std::move(headers).error());
    return SecretFetchResponse{answer->head.status, *std::move(headers), std::move(answer->body)};
}

}  // namespace attestd::fetch_wire
