// The paths of the Confidential Containers' REST server (`spec/kbs.md` section 7), for clients that
// speak nothing else: on listeners of kind "coco" alone, by the same policy as every other release.
//
// Same paths, parameters and answers as there. Where it answers 500 to whatever fails, this says
// what failed, unless the listener's "coco_strict_status" asks for the same again.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/api/routes.h"
#include "agent/kbs/tee_evidence.h"
#include "quote/base/base64url.h"
#include "quote/base/json.h"
#include "quote/base/percent.h"

namespace attestd {
namespace {

constexpr std::string_view kResources = "/cdh/resource/";
constexpr std::string_view kCocoBytes = "application/octet-stream";
constexpr std::size_t kMaxReportDataLen = sizeof(ReportData);
Response coco_text(unsigned status, std::string text) {
    Response out;
    out.status = status;
    out.content_type = "text/plain";
    out.body = std::move(text);
    return out;
}

Response url_not_found() { return coco_text(404, "URL NOT FOUND"); }

// Policy's name of the secret that is called `resource` at its source: of several, the one that the
// caller may have. Where there is none, the answer is no secret's name, so that it is refused,
// recorded and counted as every other that does not exist.
std::string secret_at(const Config& policy, const std::vector<std::uint32_t>& workloads,
                      const std::string& resource) {
    std::string out = "kbs:///" + resource;
    for (const auto& [name, secret] : policy.secrets) {
        if (secret.resource != resource) continue;
        out = name;
        if (permit(policy, workloads, name)) break;
    }
    return out;
}

// {"domain", "operation", "content"} of POST /aa/aael. The event is the workload's own all the
// same: its domain is attestd's to say, and the one that is asked for goes into the content.
Result<std::pair<std::string, std::string>> parse_aael(ByteView body) {
    constexpr JsonLimits kLimits{8192, /*max_depth=*/2};
    ATTESTD_TRY(const auto document, JsonDocument::parse(as_text(body), "request", kLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    const auto text = [&](std::string_view key) -> Result<std::string> {
        ATTESTD_TRY(const JsonValue value, in.required(key));
        return value.text();
    };
    ATTESTD_TRY(const std::string domain, text("domain"));
    ATTESTD_TRY(std::string operation, text("operation"));
    ATTESTD_TRY(const std::string content, text("content"));
    ATTESTD_CHECK(in.finish());
    ATTESTD_CHECK(check_runtime_event({domain, operation, content}));
    return std::make_pair(std::move(operation), domain + " " + content);
}

// The 64 bytes, as they are and not hashed.
Result<Bytes> report_data_asked(std::string_view query) {
    const std::string_view given = query_value(query, "runtime_data");
    if (given.empty()) return fail(Errc::bad_request, "runtime_data is expected");
    const std::string_view encoding = query_value(query, "encoding");
    if (!encoding.empty() && encoding != "base64")
        return fail(Errc::bad_request, "encoding is \"base64\", or left out");
    // In a query a '+' is a blank, and a base64 that has one is not of the kind that is asked for.
    std::string plain(given);
    std::replace(plain.begin(), plain.end(), '+', ' ');
    ATTESTD_TRY(const std::string text, percent_decode(plain, "runtime_data"));
    ATTESTD_TRY(Bytes out, encoding.empty() ? Result<Bytes>(to_bytes(as_bytes(text)))
                                            : from_base64url(text, "runtime_data"));
    if (out.size() > kMaxReportDataLen) return fail(Errc::too_large, "runtime_data: over 64 bytes");
    return out;
}

}  // namespace

Response Routes::coco_failure(const Connection& connection, Errc code) {
    if (connection.listener().coco_strict_status)
        return coco_text(500, std::string(errc_meaning(code)));
    const unsigned status = coco_status_behind(code);
    // What is not granted and what is not there are one answer, to the last byte.
    if (status == 404) code = Errc::secret_unavailable;
    Response out = problem_behind(code, errc_meaning(code));
    out.status = status;
    if (status == 429 || status == 503) out.retry_after = 1;
    return out;
}

Response Routes::coco_refusal(const Connection& connection, Errc code) {
    if (connection.listener().coco_strict_status)
        return coco_text(500, std::string(errc_meaning(code)));
    return problem(code, errc_meaning(code));
}

Task<Response> Routes::handle_coco(Connection& connection, const Request& request) {
    const bool is_get = request.head.method == Method::get;
    // The original takes any method here; but an answer to HEAD would have no body.
    if (request.path.starts_with(kResources) && request.head.method != Method::other)
        co_return co_await get_coco_resource(connection, request);
    if (request.path == "/info")
        co_return is_get ? coco_info() : coco_text(405, "Method Not Allowed");
    if (request.path == "/aa/aael" && request.head.method == Method::post)
        co_return co_await post_coco_event(connection, request);
    if (!is_get) co_return url_not_found();
    if (request.path == "/aa/evidence") co_return co_await get_coco_evidence(connection, request);
    if (request.path == "/aa/additional-evidence") {
        // No device's evidence: an empty body.
        const auto asked = report_data_asked(request.query);
        if (!asked) co_return coco_text(400, "BAD REQUEST");
        Response none;
        none.content_type = kCocoBytes;
        co_return none;
    }
    if (request.path == "/aa/token") co_return co_await get_coco_token(connection, request);
    co_return url_not_found();
}

Task<Response> Routes::get_coco_resource(Connection& connection, const Request& request) {
    const std::string resource(request.path.substr(kResources.size()));
    const auto workloads = match_workloads(*agent_.policy, connection.peer().caller());
    const Asker asker = connection.asker();
    auto released = co_await release(agent_, asker, secret_at(*agent_.policy, workloads, resource),
                                     std::nullopt);
    if (!released) co_return coco_failure(connection, released.error().code);
    Response out;
    out.content_type = kCocoBytes;
    out.secret = std::move(released->secret.value);
    out.grant = std::move(released->grant);
    co_return out;
}

Task<Response> Routes::get_coco_evidence(Connection& connection, const Request& request) {
    auto asked = report_data_asked(request.query);
    if (!asked && asked.error().code == Errc::too_large)
        co_return coco_refusal(connection, asked.error().code);
    if (!asked) co_return coco_text(400, "BAD REQUEST");
    const Bytes data = *asked;
    EvidenceRequest wanted{*std::move(asked), /*raw=*/true};
    const auto given = co_await give_evidence(connection, "GET /aa/evidence", std::move(wanted));
    if (!given) co_return coco_failure(connection, given.error().code);
    const auto json = kbs::primary_evidence(given->evidence, data);
    if (!json) co_return coco_failure(connection, json.error().code);
    Response out;
    out.content_type = kCocoBytes;
    out.body = json->dump();
    co_return out;
}

Task<Response> Routes::post_coco_event(Connection& connection, const Request& request) {
    auto asked = parse_aael(request.body);
    if (!asked) co_return coco_refusal(connection, asked.error().code);
    auto [operation, content] = *std::move(asked);
    const auto measured = co_await measure_event(connection, "POST /aa/aael", std::move(operation),
                                                 std::move(content));
    if (measured) co_return json_response(R"({"success":"true"})");
    if (measured.error().code == Errc::platform_unsupported) {
        co_return json_response(
            R"({"success":"false","message": "The platform does not support runtime measurement"})");
    }
    co_return coco_failure(connection, measured.error().code);
}

Response Routes::coco_info() const {
    nlohmann::ordered_json out{{"version", ATTESTD_VERSION}};
    if (const auto kind = agent_.session.tee_kind(BootClock::now()))
        out["tee"] = kbs::tee_name_of(*kind, kbs::TeeSpelling::current);
    out["feature"] = "all";
    return json_response(out.dump());
}

}  // namespace attestd
