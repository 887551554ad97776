// HTTP: the head of a request as the daemon's sessions read it, and answers of services, both whole
// and in pieces.
#include "agent/api/request_parser.h"
#include "agent/http/unix_client.h"
#include "tests/fuzz/pieces.h"

namespace attestd::fuzz::http {
namespace {

bool same(const RequestHead& a, const RequestHead& b) {
    return a.method == b.method && a.target == b.target && a.accept == b.accept &&
           a.if_none_match == b.if_none_match && a.content_type == b.content_type &&
           a.content_len == b.content_len && a.is_chunked == b.is_chunked &&
           a.expects_continue == b.expects_continue && a.keep_alive == b.keep_alive &&
           a.head_len == b.head_len;
}

// A session tries again whenever more has come: no prefix may say what the whole does not.
void run_request(ByteView input) {
    const std::string_view text = as_text(input);
    const auto whole = parse_head(text);
    if (whole && *whole) {
        reached();
        holds((*whole)->head_len <= text.size(), "a head is part of what came");
        holds((*whole)->target.starts_with('/'), "a target begins with a slash");
    }
    const std::size_t step = std::max<std::size_t>(1, text.size() / 24);
    for (std::size_t len = 0; len < text.size(); len += step) {
        const auto part = parse_head(text.substr(0, len));
        if (!part) {
            holds(!whole, "what a part is refused for, the whole is");
        } else if (*part) {
            holds(whole && *whole && same(**part, **whole), "a head that is there stays the same");
        }
    }
}

Seeds request_seeds() {
    return {seed("get",
                 "GET /v1/secrets/db/password HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"),
            seed("put",
                 "PUT /v1/admin/secrets/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                 "Content-Type: application/octet-stream\r\nExpect: 100-continue\r\n\r\nhello"),
            seed("poll",
                 "GET /v1/status?wait=5 HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"7\"\r\n"
                 "Connection: close\r\n\r\n"),
            seed("chunked",
                 "POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n0\r\n\r\n")};
}

UnixClient::Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(10); }

Result<UnixResponse> answer_in(ByteView input, std::size_t piece) {
    static const UnixClient client("peer", std::size_t{1} << 16);
    SentBytes socket = sent(input, piece);
    return client.exchange_on(std::move(socket.ours), {}, soon());
}

void run_answer(ByteView input) {
    const ByteView bytes = input.first(std::min<std::size_t>(input.size(), 8192));
    const auto whole = answer_in(bytes, 0);
    for (const std::size_t piece : {std::size_t{97}, std::size_t{512}}) {
        const auto parts = answer_in(bytes, piece);
        if (!agree(whole, parts)) continue;
        reached();
        holds(parts->head.status == whole->head.status &&
                  parts->head.fields == whole->head.fields && parts->body == whole->body,
              "pieces and whole say the same");
        holds(whole->head.status >= 200, "an answer is final");
    }
}

Seeds answer_seeds() {
    return {
        seed("ok",
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
        seed("close", "HTTP/1.1 200 OK\r\nETag: \"1\"\r\n\r\nto the end"),
        seed("chunked",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: "
             "x\r\n\r\n"),
        seed("empty", "HTTP/1.1 204 No Content\r\nRetry-After: 3\r\n\r\n"),
        seed("interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")};
}

const Words kWords{"GET ",
                   "POST ",
                   "PUT ",
                   "DELETE ",
                   " HTTP/1.1\r\n",
                   " HTTP/1.0\r\n",
                   "\r\n",
                   "\r\n\r\n",
                   "Content-Length: ",
                   "Transfer-Encoding: chunked\r\n",
                   "Connection: close\r\n",
                   "Expect: 100-continue\r\n",
                   "Host: a\r\n",
                   "HTTP/1.1 200 OK\r\n",
                   "ETag: ",
                   "0\r\n\r\n",
                   "ffffffff\r\n",
                   "Upgrade: h2c\r\n",
                   "\t",
                   "%2f"};
const bool kRequest = add({"http-request", run_request, request_seeds, kWords, 4000});
const bool kAnswer = add({"http-answer", run_answer, answer_seeds, kWords, 1000});

}  // namespace
}  // namespace attestd::fuzz::http
