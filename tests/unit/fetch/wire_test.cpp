// What attestd-fetch reads from its client and writes back, byte by byte, and what libcurl's errors
// are called.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/fetch/answer_writer.h"
#include "agent/fetch/connection.h"
#include "agent/fetch/curl_error.h"
#include "agent/fetch/process.h"
#include "agent/fetch/request_reader.h"
#include "tests/support/catch.h"

using namespace attestd;
using namespace attestd::fetch;
using attestd::test::ContainsSubstring;
using namespace std::chrono_literals;

namespace {

struct Pair {
    Fd ours, theirs;
};

Pair socket_pair() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

enum class Then : std::uint8_t { close, wait };

// What read_request() makes of `text` and what follows.
Result<ProxyRequest> read(std::string_view text, Then then = Then::close) {
    Pair pair = socket_pair();
    std::thread client([&] {
        while (!text.empty()) {
            const ssize_t n = ::send(pair.ours.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            text.remove_prefix(static_cast<std::size_t>(n));
        }
        if (then == Then::close) ::shutdown(pair.ours.get(), SHUT_WR);
    });
    auto got = read_request(pair.theirs, std::chrono::steady_clock::now() + 300ms);
    pair.theirs.reset();  // a client that still sends is let go
    client.join();
    return got;
}

std::string text_of(const Bytes& bytes) { return std::string(as_text(bytes)); }

}  // namespace

TEST_CASE("fetch request: method, URL, headers and body are read as they stand", "[fetch]") {
    const auto got = read(
        "POST https://kbs.example.com/kbs/v0/auth?x=y HTTP/1.1\r\nHost: ignored\r\n"
        "Content-Type: application/json\r\nX-Custom:  two  words \r\nX-Custom: again\r\n"
        "Attestd-Fetch-Timeout: 1500\r\nattestd-fetch-max-body: 4096\r\n"
        "Content-Length: 4\r\n\r\n{\"\"}");
    REQUIRE_OK(got);
    CHECK(got->method == "POST");
    CHECK(got->url == "https://kbs.example.com/kbs/v0/auth?x=y");
    const Fields want{
        {"Content-Type", "application/json"}, {"X-Custom", "two  words"}, {"X-Custom", "again"}};
    CHECK(got->fields == want);
    CHECK(text_of(got->body) == "{\"\"}");
    CHECK(got->timeout == 1500ms);
    CHECK(got->max_body_len == 4096);
}

TEST_CASE("fetch request: what concerns one connection alone is not passed on", "[fetch]") {
    const auto got = read(
        "LIST https://a/ HTTP/1.1\r\nHost: a\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\n"
        "Keep-Alive: 5\r\nProxy-Authorization: Basic x\r\nProxy-Connection: close\r\n"
        "TE: trailers\r\nUpgrade: h2c\r\nExpect: 100-continue\r\nAccept-Encoding: gzip\r\n"
        "Metadata: true\r\n\r\n");
    REQUIRE_OK(got);
    CHECK(got->method == "LIST");
    CHECK(got->fields == Fields{{"Metadata", "true"}});
    CHECK(got->timeout == 0ms);
    CHECK(got->max_body_len == 0);
}

TEST_CASE("fetch request: a chunked body is put together", "[fetch]") {
    const auto got = read(
        "PUT https://a/ HTTP/1.1\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    REQUIRE_OK(got);
    CHECK(text_of(got->body) == "abcde");
    CHECK(got->fields.empty());
}

TEST_CASE("fetch request: a body of 1 MiB is read, one byte more is denied", "[fetch]") {
    const auto request = [](std::size_t len) {
        return "PUT https://a/ HTTP/1.1\r\nContent-Length: " + std::to_string(len) + "\r\n\r\n" +
               std::string(len, 'x');
    };
    CHECK(read(request(1 << 20)).value().body.size() == 1 << 20);
    REQUIRE_ERRC(Errc::fetch_denied, read(request((1 << 20) + 1)));
}

TEST_CASE("fetch request: what is not one request of the right form is denied", "[fetch]") {
    struct Row {
        const char* what;
        std::string text;
    };
    const std::string get = "GET https://a/ HTTP/1.1\r\n";
    const auto row = GENERATE_COPY(values<Row>({
        {"garbage", "\x16\x03\x01 hello, is this TLS?\r\n\r\n"},
        {"no version", "GET https://a/\r\n\r\n"},
        {"HTTP/2", "GET https://a/ HTTP/2\r\n\r\n"},
        {"control character in the URL", "GET https://a/\x01 HTTP/1.1\r\n\r\n"},
        {"header without a colon", get + "Header\r\n\r\n"},
        {"blank before the colon", get + "Header : x\r\n\r\n"},
        {"two lengths",
         "PUT https://a/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
        {"length and chunks",
         "PUT https://a/ HTTP/1.1\r\nContent-Length: 1\r\n"
         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"bad length", get + "Content-Length: -1\r\n\r\n"},
        {"body on GET", get + "Content-Length: 1\r\n\r\nx"},
        {"body on LIST", "LIST https://a/ HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"},
        {"bytes behind it", get + "\r\nGET"},
        {"two requests", get + "\r\n" + get + "\r\n"},
        {"head over 24 KiB", get + "X: " + std::string(24576, 'x') + "\r\n\r\n"},
        {"endless head", get + "X: " + std::string(200'000, 'x')},
        {"time that is no number", get + "Attestd-Fetch-Timeout: soon\r\n\r\n"},
        {"time with a sign", get + "Attestd-Fetch-Timeout: -5\r\n\r\n"},
        {"no time", get + "Attestd-Fetch-Timeout: 0\r\n\r\n"},
        {"time beyond 64 bits", get + "Attestd-Fetch-Timeout: 99999999999999999999\r\n\r\n"},
        {"empty limit", get + "Attestd-Fetch-Max-Body:\r\n\r\n"},
        {"unknown header of ours", get + "Attestd-Fetch-Insecure: 1\r\n\r\n"},
    }));
    INFO(row.what);
    REQUIRE_ERRC(Errc::fetch_denied, read(row.text, Then::wait));
}

TEST_CASE("fetch request: a time of years is taken for a long one", "[fetch]") {
    const auto got =
        read("GET https://a/ HTTP/1.1\r\nAttestd-Fetch-Timeout: 9999999999999999999\r\n\r\n");
    REQUIRE_OK(got);
    CHECK(got->timeout == 24h);
}

TEST_CASE("fetch request: a client that leaves or stalls is told apart", "[fetch]") {
    REQUIRE_ERRC(Errc::unavailable, read(""));
    REQUIRE_ERRC(Errc::unavailable, read("GET https://a/ HT"));
    REQUIRE_ERRC(Errc::fetch_timed_out, read("", Then::wait));
    REQUIRE_ERRC(Errc::fetch_timed_out, read("GET https://a/ HTTP/1.1\r\n", Then::wait));
}

TEST_CASE("fetch answer: status, headers as received, and the body with its length", "[fetch]") {
    const ServerAnswer answer{404, {{"X-Mixed-Case", "a"}}, to_bytes(as_bytes("no"))};
    CHECK(text_of(wire_of(answer)) ==
          "HTTP/1.1 404 Not Found\r\nX-Mixed-Case: a\r\nContent-Length: 2\r\n"
          "Connection: close\r\n\r\nno");
    const ServerAnswer empty{204, {}, {}};
    CHECK(text_of(wire_of(empty)) == "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

TEST_CASE("fetch answer: a failure of ours is 502 with its stable name and a problem document",
          "[fetch]") {
    const Error error{Errc::fetch_tls, "https://a:443/x: \"quoted\"\r\nInjected: y \xff"};
    const std::string wire = text_of(wire_of(error));
    CHECK_THAT(wire, ContainsSubstring("HTTP/1.1 502 Bad Gateway\r\n"));
    CHECK_THAT(wire, ContainsSubstring("Attestd-Fetch-Error: fetch.tls\r\n"));
    CHECK_THAT(wire, ContainsSubstring("Content-Type: application/problem+json\r\n"));
    const auto problem = nlohmann::json::parse(wire.substr(wire.find("\r\n\r\n") + 4));
    CHECK(problem.at("code") == "fetch.tls");
    CHECK(problem.at("status") == 502);
    CHECK(problem.at("title") == std::string(errc_meaning(Errc::fetch_tls)));
    CHECK(problem.at("detail") == "https://a:443/x: \"quoted\"??Injected: y ?");
}

TEST_CASE("fetch answer: hop-by-hop, framing and reserved headers of a server are dropped",
          "[fetch]") {
    const Fields from_server{{"Connection", "close, X-Hop"}, {"X-Hop", "1"},
                             {"Keep-Alive", "timeout=5"},    {"Transfer-Encoding", "chunked"},
                             {"Content-Length", "7"},        {"Trailer", "X-T"},
                             {"Proxy-Authenticate", "x"},    {"Attestd-Fetch-Error", "fetch.tls"},
                             {"ATTESTD-anything", "x"},      {"ETag", "\"7\""},
                             {"SGX-FMSPC", "00906ED50000"}};
    CHECK(end_to_end(from_server) == Fields{{"ETag", "\"7\""}, {"SGX-FMSPC", "00906ED50000"}});
}

TEST_CASE("fetch: with a refused configuration the answer is fetch.process and the reason",
          "[fetch]") {
    Pair pair = socket_pair();
    const std::string request = "GET https://kdsintf.amd.com/ HTTP/1.1\r\n\r\n";
    REQUIRE(::send(pair.ours.get(), request.data(), request.size(), MSG_NOSIGNAL) > 0);
    const Result<FetchConfig> refused = fail(Errc::unknown_key, "fetch.json:3: hots");
    REQUIRE_OK(serve(pair.theirs, refused));
    pair.theirs.reset();
    std::array<char, 4096> got{};
    const ssize_t n = ::recv(pair.ours.get(), got.data(), got.size(), MSG_WAITALL);
    REQUIRE(n > 0);
    const std::string answer(got.data(), static_cast<std::size_t>(n));
    CHECK_THAT(answer, ContainsSubstring("Attestd-Fetch-Error: fetch.process\r\n"));
    CHECK_THAT(answer, ContainsSubstring("fetch.json:3: hots"));
}

TEST_CASE("fetch: a descriptor that is no connection is wrong_type, with the setting that mends it",
          "[fetch]") {
    const Fd file(::memfd_create("file", MFD_CLOEXEC));
    REQUIRE_ERRC(Errc::wrong_type, check_connection(file));
    const Fd datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE_ERRC(Errc::wrong_type, check_connection(datagrams));
    const Fd internet(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (internet) REQUIRE_ERRC(Errc::wrong_type, check_connection(internet));
    const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un any{.sun_family = AF_UNIX, .sun_path = {}};  // the kernel picks a name
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(sa_family_t)) ==
            0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    const auto got = check_connection(listener);
    REQUIRE_ERRC(Errc::wrong_type, got);
    CHECK_THAT(got.error().detail, ContainsSubstring("Accept=yes"));
    REQUIRE_OK(check_connection(socket_pair().ours));
}

TEST_CASE("fetch: each failure of libcurl has its code, with step, thing and mend", "[fetch]") {
    struct Row {
        CurlFailure failure;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({
        {{.code = CURLE_URL_MALFORMAT}, Errc::fetch_denied},
        {{.code = CURLE_COULDNT_RESOLVE_HOST}, Errc::fetch_unreachable},
        {{.code = CURLE_COULDNT_RESOLVE_PROXY}, Errc::fetch_unreachable},
        {{.code = CURLE_COULDNT_CONNECT}, Errc::fetch_unreachable},
        {{.code = CURLE_RECV_ERROR, .proxy_refused = true}, Errc::fetch_unreachable},
        {{.code = CURLE_SSL_CONNECT_ERROR}, Errc::fetch_tls},
        {{.code = CURLE_SSL_CONNECT_ERROR, .words = "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in x"},
         Errc::fetch_unreachable},
        {{.code = CURLE_SSL_CONNECT_ERROR, .words = "wrong version number"}, Errc::fetch_tls},
        {{.code = CURLE_PEER_FAILED_VERIFICATION}, Errc::fetch_tls},
        {{.code = CURLE_SSL_CACERT_BADFILE}, Errc::fetch_tls},
        {{.code = CURLE_SSL_CERTPROBLEM}, Errc::fetch_tls},
        {{.code = CURLE_RECV_ERROR, .words = "tlsv13 alert certificate required"}, Errc::fetch_tls},
        {{.code = CURLE_OPERATION_TIMEDOUT}, Errc::fetch_timed_out},
        {{.code = CURLE_WRITE_ERROR, .body_too_large = true}, Errc::fetch_too_large},
        {{.code = CURLE_WRITE_ERROR, .headers_too_large = true}, Errc::fetch_too_large},
        {{.code = CURLE_FILESIZE_EXCEEDED}, Errc::fetch_too_large},
        {{.code = CURLE_OUT_OF_MEMORY, .answer_begun = true}, Errc::fetch_too_large},
        {{.code = CURLE_PARTIAL_FILE}, Errc::fetch_truncated},
        {{.code = CURLE_RECV_ERROR}, Errc::fetch_truncated},
        {{.code = CURLE_SEND_ERROR}, Errc::fetch_truncated},
        {{.code = CURLE_GOT_NOTHING}, Errc::fetch_truncated},
        {{.code = CURLE_TOO_MANY_REDIRECTS}, Errc::fetch_redirected},
        {{.code = CURLE_UNSUPPORTED_PROTOCOL}, Errc::fetch_protocol},
        {{.code = CURLE_WEIRD_SERVER_REPLY}, Errc::fetch_protocol},
        {{.code = CURLE_RECV_ERROR, .words = "Illegal or missing hexadecimal sequence in chunked"},
         Errc::fetch_protocol},
        {{.code = CURLE_BAD_FUNCTION_ARGUMENT}, Errc::fetch_process},
        {{.code = CURLE_OUT_OF_MEMORY}, Errc::fetch_process},
        {{.code = CURLE_LDAP_CANNOT_BIND}, Errc::fetch_process},
    }));
    INFO(row.failure.code << ' ' << row.failure.words);
    const Error error = describe(row.failure, "https://a:443/x");
    CHECK(errc_name(error.code) == errc_name(row.want));
    CHECK_THAT(error.detail, ContainsSubstring("https://a:443/x: "));
    CHECK_THAT(error.detail, ContainsSubstring("; "));
}
