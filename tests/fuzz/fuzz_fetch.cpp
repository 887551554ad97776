// What attestd and attestd-fetch say to each other, in both directions, whole and in pieces.
#include "agent/fetch/answer_writer.h"
#include "agent/fetch/request_reader.h"
#include "agent/fetch/url.h"
#include "agent/network/internal/wire.h"
#include "tests/fuzz/pieces.h"

namespace attestd::fuzz::fetch_wire {
namespace {

using attestd::fetch::ProxyRequest;
using attestd::fetch::ServerAnswer;

fetch::Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(10); }

Result<ProxyRequest> request_in(ByteView input, std::size_t piece) {
    const SentBytes socket = sent(input, piece);
    return fetch::read_request(socket.ours, soon());
}

// A URL that is taken is taken again as it is sent, and means the same.
void check_url(const std::string& text) {
    const auto url = fetch::parse_url(text);
    if (!url) return;
    reached();
    const auto again = must(fetch::parse_url(url->text));
    holds(again.text == url->text && again.host == url->host && again.port == url->port &&
              again.path == url->path && again.scheme == url->scheme,
          "a URL that is sent means what was judged");
    holds(url->text.find_first_of(" \r\n") == std::string::npos, "a URL stays on its line");
}

void run_request(ByteView input) {
    const ByteView bytes = input.first(std::min<std::size_t>(input.size(), 16384));
    const auto whole = request_in(bytes, 0);
    const auto parts = request_in(bytes, 211);
    if (!agree(whole, parts)) return;
    reached();
    holds(parts->method == whole->method && parts->url == whole->url &&
              parts->fields == whole->fields && parts->body == whole->body,
          "pieces and whole say the same");
    holds(fetch::end_to_end(whole->fields) == whole->fields, "nothing of one connection is left");
    for (const auto& [name, value] : whole->fields)
        holds((name + value).find_first_of("\r\n") == std::string::npos,
              "fields stay on their lines");
    check_url(whole->url);
}

Seeds request_seeds() {
    return {seed("get", "GET https://api.example.com/a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"),
            seed("post",
                 "POST https://kbs.example.com/kbs/v0/auth HTTP/1.1\r\nHost: x\r\n"
                 "Content-Type: application/json\r\nAttestd-Fetch-Timeout: 1500\r\n"
                 "Attestd-Fetch-Max-Body: 4096\r\nContent-Length: 2\r\n\r\n{}"),
            seed("list",
                 "LIST http://169.254.169.254/metadata HTTP/1.1\r\nMetadata: true\r\n"
                 "Connection: X-Mine, close\r\nX-Mine: 1\r\n\r\n"),
            seed("vsock", "POST vsock://2:4050 HTTP/1.1\r\nContent-Length: 1\r\n\r\n\x01")};
}

Result<FetchResponse> answer_in(ByteView wire, std::size_t piece) {
    static const UnixClient client("fetch", std::size_t{1} << 16);
    SentBytes socket = sent(wire, piece);
    return attestd::fetch_wire::answer_of_proxy(
        client.exchange_on(std::move(socket.ours), {}, soon()), {.url = "https://a/"}, "fetch");
}

// The server's answer as the input says it: a status, lines of fields, an empty line, the body.
ServerAnswer server_answer(ByteView input) {
    ServerAnswer out;
    out.status = 200 + (input.empty() ? 0U : input[0] % 4U * 100U);
    std::string_view text = as_text(input.subspan(std::min<std::size_t>(1, input.size())));
    while (!text.empty() && out.fields.size() < 8) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string value(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (value.empty()) break;
        std::erase_if(value, [](char c) { return c < '!' || c > '~'; });
        out.fields.emplace_back("x-field-" + std::to_string(out.fields.size()), value);
    }
    out.body = to_bytes(as_bytes(text));
    return out;
}

// What attestd-fetch writes is what attestd reads.
void check_written(ByteView input) {
    const ServerAnswer answer = server_answer(input);
    const auto read = must(answer_in(fetch::wire_of(answer), 0));
    holds(read.status == answer.status && read.body == answer.body, "an answer arrives as it is");
    for (const auto& [name, value] : answer.fields)
        holds(read.header(name) == value, "a field arrives as it is");
    const Error error{Errc::fetch_denied,
                      std::string(as_text(input.first(std::min<std::size_t>(input.size(), 300))))};
    const auto refused = answer_in(fetch::wire_of(error), 97);
    holds(!refused && refused.error().code == Errc::fetch_denied, "an error arrives as it is");
}

void run_answer(ByteView input) {
    const ByteView bytes = input.first(std::min<std::size_t>(input.size(), 8192));
    const auto whole = answer_in(bytes, 0);
    const auto parts = answer_in(bytes, 97);
    if (agree(whole, parts)) {
        reached();
        holds(parts->status == whole->status && parts->headers == whole->headers &&
                  parts->body == whole->body,
              "pieces and whole say the same");
    } else {
        const std::string_view name = errc_name(whole.error().code);
        holds(name.starts_with("fetch.") || whole.error().code == Errc::memory_locked,
              "a failure is one of fetching");
    }
    check_written(bytes);
}

Seeds answer_seeds() {
    const ServerAnswer plain{
        200, {{"Content-Type", "application/json"}, {"X-A", "b"}}, Bytes{'{', '}'}};
    const Error error{Errc::fetch_tls, "the certificate is another's"};
    return {
        seed("plain", as_text(fetch::wire_of(plain))),
        seed("error", as_text(fetch::wire_of(error))),
        seed("reserved", "HTTP/1.1 200 OK\r\nAttestd-Other: 1\r\nContent-Length: 0\r\n\r\n"),
        seed("unknown", "HTTP/1.1 502 Bad Gateway\r\nAttestd-Fetch-Error: chain.expired\r\n\r\n"),
        seed("text", "\x01one\ntwo\n\nbody")};
}

void run_one_url(ByteView input) { check_url(std::string(as_text(input))); }

Seeds url_seeds() {
    return {
        seed("https", "https://api.trustedservices.intel.com/sgx/certification/v4/tcb?fmspc=00"),
        seed("port", "https://[::1]:8443/../a/./b%2f"), seed("http", "http://169.254.169.254/x"),
        seed("user", "https://user:pass@host/"), seed("odd", "https://0x7f.1/")};
}

const Words kWords{"Attestd-Fetch-Error: ",
                   "Attestd-Fetch-Timeout: 1\r\n",
                   "Attestd-Fetch-Max-Body: ",
                   "fetch.denied",
                   "fetch.tls",
                   "Content-Length: ",
                   "Transfer-Encoding: chunked\r\n",
                   "Connection: ",
                   "\r\n",
                   "https://",
                   "vsock://",
                   "http://169.254.169.254",
                   "LIST ",
                   "Proxy-Authorization: x\r\n",
                   "502 ",
                   "0\r\n\r\n"};
const bool kRequest = add({"fetch-request", run_request, request_seeds, kWords, 1000});
const bool kAnswer = add({"fetch-answer", run_answer, answer_seeds, kWords, 1000});
const bool kUrl =
    add({"url",
         run_one_url,
         url_seeds,
         {"https://", "http://", "%2e", "..", "@", ":443", "[::1]", "xn--", "#", "\\"},
         2000});

}  // namespace
}  // namespace attestd::fuzz::fetch_wire
