// Tokens about this machine, and their keys: POST /v1/token and GET /aa/token. What is given, and
// to whom, release_token() decides; here it becomes an answer, in memory for secrets alone.
#include <algorithm>

#include "agent/api/routes.h"
#include "agent/release/release.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr JsonLimits kTokenRequestLimits{.max_len = 4096, .max_depth = 2};

// {"audience": TEXT}
Result<std::string> parse_token_request(ByteView body) {
    ATTESTD_TRY(const auto document,
                JsonDocument::parse(as_text(body), "request", kTokenRequestLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue value, in.required("audience"));
    ATTESTD_TRY(std::string audience, value.text());
    ATTESTD_CHECK(in.finish());
    if (audience.empty()) return value.fail_here(Errc::bad_value, "who is the token for?");
    return audience;
}

// Whether it is a JSON text as it stands, but for line ends. Tokens and PEM are.
bool is_plain(const Secret& text) {
    return text.expose([](ByteView bytes) {
        return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t c) {
            return (c >= ' ' && c <= '~' && c != '"' && c != '\\') || c == '\n';
        });
    });
}

std::size_t escaped_len(const Secret& text) {
    return text.expose([](ByteView bytes) {
        const auto num_ends = std::count(bytes.begin(), bytes.end(), '\n');
        return bytes.size() + static_cast<std::size_t>(num_ends);
    });
}

void put_text(std::span<std::uint8_t>& to, ByteView text) {
    std::copy(text.begin(), text.end(), to.begin());
    to = to.subspan(text.size());
}

void put_escaped(std::span<std::uint8_t>& to, const Secret& text) {
    text.expose([&](ByteView bytes) {
        for (const std::uint8_t c : bytes) {
            const std::uint8_t alone[]{c};
            put_text(to, c == '\n' ? as_bytes("\\n") : ByteView(alone));
        }
    });
}

// {"token":"...","tee_keypair":"..."}, or with `tail` in the place of the key.
Result<std::shared_ptr<const Secret>> token_json(const GivenToken& given, std::string_view tail) {
    constexpr std::string_view kBegin = R"({"token":")", kKey = R"(","tee_keypair":")",
                               kEnd = R"("})";
    const bool good = is_plain(given.text) && (!given.key_pem || is_plain(*given.key_pem));
    if (!good) return fail(Errc::token_malformed, "a token that is none");
    const std::size_t key_len =
        given.key_pem ? kKey.size() + escaped_len(*given.key_pem) + kEnd.size() : tail.size();
    ATTESTD_TRY(Secret out, Secret::zeroed(kBegin.size() + escaped_len(given.text) + key_len));
    out.fill([&](std::span<std::uint8_t> to) {
        put_text(to, as_bytes(kBegin));
        put_escaped(to, given.text);
        if (!given.key_pem) return put_text(to, as_bytes(tail));
        put_text(to, as_bytes(kKey));
        put_escaped(to, *given.key_pem);
        put_text(to, as_bytes(kEnd));
    });
    return std::make_shared<const Secret>(std::move(out));
}

Response refused_token(Errc code) {
    Response out = problem_behind(code, errc_meaning(code));
    if (out.status == 429 || out.status == 503) out.retry_after = 1;
    return out;
}

std::int64_t seconds_left(const GivenToken& given) {
    if (!given.expires) return 0;
    const auto left = *given.expires - BootClock::now();
    return std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(left).count());
}

// The broker whose tokens are "kbs" on this listener. Where none is named, the only one there is;
// where there is none, a name that is no source's.
std::string coco_issuer(const Config& policy, const ListenerConfig& listener) {
    if (!listener.coco_token_source.empty()) return listener.coco_token_source;
    return policy.brokers.size() == 1 ? policy.brokers.begin()->first : "kbs:none";
}

}  // namespace

Task<Response> Routes::post_token(Connection& connection, const Request& request) {
    auto audience = parse_token_request(request.body);
    if (!audience) co_return problem(audience.error());
    Asker asker = connection.asker();
    asker.method = "POST /v1/token";
    TokenWish wish{*std::move(audience)};
    auto released = co_await release_token(agent_, asker, std::move(wish), KeyExport::no);
    if (!released) co_return refused_token(released.error().code);
    const std::string tail = fmt::format(R"(","expires_in":{}}})", seconds_left(released->given));
    auto json = token_json(released->given, tail);
    if (!json) co_return refused_token(json.error().code);
    Response out;
    out.secret = *std::move(json);
    out.grant = std::move(released->grant);
    co_return out;
}

Task<Response> Routes::get_coco_token(Connection& connection, const Request& request) {
    const std::string_view type = query_value(request.query, "token_type");
    Response out;
    if (type != "kbs" && type != "coco_as") {
        out.status = 400;
        out.content_type = "text/plain";
        out.body = "BAD REQUEST";
        co_return out;
    }
    const bool is_kbs = type == "kbs";
    Asker asker = connection.asker();
    asker.method = "GET /aa/token";
    TokenWish wish{};
    // Without such a verifier nothing is granted under this name.
    if (is_kbs || !is_coco_service(agent_.policy->verifier.type))
        wish.issuer = is_kbs ? coco_issuer(*agent_.policy, connection.listener()) : "coco_as:none";
    wish.prefers_key = is_kbs;
    const KeyExport key = is_kbs ? KeyExport::yes : KeyExport::no;
    auto released = co_await release_token(agent_, asker, std::move(wish), key);
    if (!released) co_return coco_failure(connection, released.error().code);
    if (is_kbs) {
        auto json = token_json(released->given, R"("})");
        if (!json) co_return coco_failure(connection, json.error().code);
        out.secret = *std::move(json);
    } else {
        out.secret = std::make_shared<const Secret>(std::move(released->given.text));
    }
    out.content_type = "application/octet-stream";
    out.grant = std::move(released->grant);
    co_return out;
}

}  // namespace attestd
