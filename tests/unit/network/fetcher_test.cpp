// The fetchers against a fetch process that answers well, lies, dies or says nothing.
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "agent/network/socket_fetcher.h"
#include "agent/network/spawning_fetcher.h"
#include "tests/unit/http/scripted_server.h"

namespace attestd::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSmall = 1000;  // the body limit in these tests
constexpr const char* kUrl = "https://kdsintf.amd.com/vcek/v1/Milan/crl?x=y";

Fetcher::Deadline in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

FetchRequest get() { return {.url = kUrl}; }

ScriptedServer answering(std::string text) {
    return ScriptedServer([text = std::move(text)](Peer& peer) {
        peer.read_request();
        peer.send(text);
    });
}

std::string failure(std::string_view name, std::string_view body,
                    std::string_view status = "502 Bad Gateway") {
    return answer(status, body,
                  "Content-Type: application/problem+json\r\nAttestd-Fetch-Error: " +
                      std::string(name) + "\r\n");
}

SpawningFetcher spawning(const char* how) {
    return SpawningFetcher({.program = ATTESTD_SCRIPTED_FETCH, .config = how}, kSmall);
}

}  // namespace

TEST_CASE("fetcher: the server's status, headers and body arrive, names in lower case",
          "[network]") {
    const ScriptedServer server =
        answering(answer("200 OK", "list",
                         "TCB-Info-Issuer-Chain: -----BEGIN%20C\r\nX-Two: a\r\nx-two: b\r\n"
                         "Connection: close\r\n"));
    const auto got = SocketFetcher(server.path()).fetch(get(), in(5s));
    REQUIRE_OK(got);
    CHECK(got->status == 200);
    CHECK(as_text(got->body) == "list");
    CHECK(got->header("tcb-info-issuer-chain") == "-----BEGIN%20C");
    CHECK(got->header("x-two") == "a");
    CHECK(got->header("connection").empty());
    CHECK(got->headers.size() == 4);  // with the length
}

TEST_CASE("fetcher: an answer that holds a secret comes in memory for secrets", "[network]") {
    const auto is_text = [](const Secret& body, std::string_view text) {
        return body.expose([&](ByteView bytes) { return as_text(bytes) == text; });
    };
    {
        const ScriptedServer server = answering(answer("403 Forbidden", "why", "X-Two: a\r\n"));
        const auto got = SocketFetcher(server.path()).fetch_secret(get(), in(5s));
        REQUIRE_OK(got);
        CHECK(got->status == 403);
        CHECK(got->header("x-two") == "a");
        CHECK(is_text(got->body, "why"));
    }
    {
        const ScriptedServer server = answering(failure("fetch.tls", R"({"detail":"expired"})"));
        const auto got = SocketFetcher(server.path()).fetch_secret(get(), in(5s));
        REQUIRE_ERRC(Errc::fetch_tls, got);
        CHECK(got.error().detail == "expired");
    }
    const ScriptedServer server = answering(answer("200 OK", std::string(kSmall + 1, 'x')));
    REQUIRE_ERRC(Errc::fetch_process,
                 SocketFetcher(server.path(), kSmall).fetch_secret(get(), in(5s)));
    REQUIRE_ERRC(Errc::fetch_process, SocketFetcher("/nowhere/at.all").fetch_secret(get(), in(5s)));
}

TEST_CASE("fetcher: a secret answer of a fetcher that knows no such memory is brought there",
          "[network]") {
    class Plain final : public Fetcher {
     public:
        Result<FetchResponse> fetch(const FetchRequest&, Deadline) override {
            return FetchResponse{200, {{"a", "b"}}, {'x', 'y'}};
        }
    };
    const auto got = Plain().fetch_secret(get(), in(5s));
    REQUIRE_OK(got);
    CHECK(got->header("a") == "b");
    CHECK(got->body.expose([](ByteView bytes) { return as_text(bytes) == "xy"; }));
}

TEST_CASE("fetcher: a status of the server is an answer, 502 too", "[network]") {
    const std::string status = GENERATE("204 No Content", "304 Not Modified", "404 Not Found",
                                        "410 Gone", "429 Too Many Requests", "502 Bad Gateway");
    const bool bodiless = status[0] == '2' || status[0] == '3';
    const ScriptedServer server =
        answering(bodiless ? "HTTP/1.1 " + status + "\r\nRetry-After: 7\r\n\r\n"
                           : answer(status, "why", "Retry-After: 7\r\n"));
    const auto got = SocketFetcher(server.path()).fetch(get(), in(5s));
    REQUIRE_OK(got);
    CHECK(std::to_string(got->status) == status.substr(0, 3));
    CHECK(got->header("retry-after") == "7");
}

TEST_CASE("fetcher: what is sent is one request with its limits, and the body byte for byte",
          "[network]") {
    std::string seen;
    {
        const ScriptedServer server([&](Peer& peer) {
            seen = peer.read_request();
            peer.send(answer("200 OK", ""));
            peer.wait_for_close();
        });
        FetchRequest request = get();
        request.method = "POST";
        request.headers = {{"Metadata", "true"}, {"X-Empty", ""}};
        request.content_type = "application/json";
        request.body = {'{', 0, '}'};
        REQUIRE_OK(SocketFetcher(server.path(), kSmall).fetch(request, in(5s)));
    }
    const auto number_at = seen.find("Attestd-Fetch-Timeout: ") + 23;
    const int ms = std::atoi(seen.c_str() + number_at);
    CHECK(ms > 3000);
    CHECK(ms <= 4500);  // below our own deadline, so that its reason arrives first
    seen.replace(number_at, std::to_string(ms).size(), "T");
    CHECK(seen ==
          "POST https://kdsintf.amd.com/vcek/v1/Milan/crl?x=y HTTP/1.1\r\n"
          "Host: localhost\r\nConnection: close\r\nMetadata: true\r\n"
          "X-Empty: \r\nAttestd-Fetch-Timeout: T\r\n"
          "Attestd-Fetch-Max-Body: 1000\r\nContent-Type: application/json\r\n"
          "Content-Length: 3\r\n\r\n" +
              std::string("{\0}", 3));
}

TEST_CASE("fetcher: each error that attestd-fetch names comes back under its code", "[network]") {
    struct Row {
        const char* name;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({{"fetch.denied", Errc::fetch_denied},
                                           {"fetch.unreachable", Errc::fetch_unreachable},
                                           {"fetch.tls", Errc::fetch_tls},
                                           {"fetch.timed-out", Errc::fetch_timed_out},
                                           {"fetch.too-large", Errc::fetch_too_large},
                                           {"fetch.truncated", Errc::fetch_truncated},
                                           {"fetch.redirected", Errc::fetch_redirected},
                                           {"fetch.protocol", Errc::fetch_protocol},
                                           {"fetch.process", Errc::fetch_process}}));
    INFO(row.name);
    const ScriptedServer server =
        answering(failure(row.name, R"({"detail": "the step, the thing and the mend"})"));
    const auto got = SocketFetcher(server.path()).fetch(get(), in(5s));
    REQUIRE_ERRC(row.want, got);
    CHECK(got.error().detail == "the step, the thing and the mend");
}

TEST_CASE("fetcher: an error without a usable detail is explained by its code", "[network]") {
    const std::string body =
        GENERATE("", "no JSON", "[]", "{}", R"({"detail": 7})", R"({"detail": ""})",
                 "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", R"({"detail": "a", "detail": "b"})");
    const ScriptedServer server = answering(failure("fetch.tls", body));
    const auto got = SocketFetcher(server.path()).fetch(get(), in(5s));
    REQUIRE_ERRC(Errc::fetch_tls, got);
    CHECK(got.error().detail == errc_meaning(Errc::fetch_tls));
}

TEST_CASE("fetcher: a detail is cut and made harmless", "[network]") {
    const ScriptedServer server = answering(
        failure("fetch.tls", R"({"detail": "a\u001b[31m\nb)" + std::string(5000, 'x') + "\"}"));
    const auto got = SocketFetcher(server.path()).fetch(get(), in(5s));
    REQUIRE_ERRC(Errc::fetch_tls, got);
    CHECK(got.error().detail.starts_with("a?[31m?bxxx"));
    CHECK(got.error().detail.size() == 1024);
}

TEST_CASE("fetcher: a fetch process that lies, babbles or breaks off is fetch_process",
          "[network]") {
    struct Row {
        const char* what;
        std::string text;
    };
    const auto row = GENERATE(values<Row>({
        {"nothing", ""},
        {"garbage", "\x16\x03\x01 hello\r\n\r\n"},
        {"head cut", "HTTP/1.1 200 OK\r\nContent-Le"},
        {"body cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"},
        {"bytes behind it", answer("200 OK", "hello") + "more"},
        {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
        {"an interim answer", "HTTP/1.1 100 Continue\r\n\r\n"},
        {"a body over the limit that it was told", answer("200 OK", std::string(kSmall + 1, 'x'))},
        {"an endless body", "HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x')},
        {"a head over the limit", answer("200 OK", "", "X: " + std::string(20'000, 'x') + "\r\n")},
        {"many headers",
         [] {
             std::string fields;
             for (int i = 0; i < 5000; ++i) fields += "X: y\r\n";
             return answer("200 OK", "", fields);
         }()},
        {"another module's error", failure("chain.expired", "{}")},
        {"a success as an error", failure("fetch.fine", "{}")},
        {"an empty error", failure("", "{}")},
        {"an error's prefix", failure("fetch.", "{}")},
        {"an error in capitals", failure("FETCH.TLS", "{}")},
        {"an error with status 200", failure("fetch.tls", "{}", "200 OK")},
        {"an error with status 404", failure("fetch.tls", "{}", "404 Not Found")},
        {"a reserved header", answer("200 OK", "x", "Attestd-Fetch-Verified: yes\r\n")},
    }));
    INFO(row.what);
    const ScriptedServer server = answering(row.text);
    const auto got = SocketFetcher(server.path(), kSmall).fetch(get(), in(5s));
    REQUIRE_ERRC(Errc::fetch_process, got);
    CHECK_THAT(got.error().detail, ContainsSubstring(server.path()));
}

TEST_CASE("fetcher: a silent or dripping process ends at the deadline", "[network]") {
    struct Row {
        const char* what;
        std::function<void(Peer&)> script;
    };
    const auto row = GENERATE(values<Row>({
        {"silent", [](Peer& peer) { peer.wait_for_close(); }},
        {"drips",
         [](Peer& peer) {
             if (!peer.send("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")) return;
             while (peer.send("x")) std::this_thread::sleep_for(10ms);
         }},
        {"drips headers",
         [](Peer& peer) {
             if (!peer.send("HTTP/1.1 200 OK\r\n")) return;
             while (peer.send("X: y\r\n")) std::this_thread::sleep_for(10ms);
         }},
    }));
    INFO(row.what);
    const ScriptedServer server(row.script);
    const auto start = std::chrono::steady_clock::now();
    REQUIRE_ERRC(Errc::fetch_timed_out,
                 SocketFetcher(server.path(), kSmall).fetch(get(), in(200ms)));
    CHECK(std::chrono::steady_clock::now() - start < 3s);
}

TEST_CASE("fetcher: a stop ends what is not part of it", "[network]") {
    const ScriptedServer server = answering(answer("204 No Content", ""));
    StopSignal stop;
    SocketFetcher fetcher(server.path(), kSmall, stop);
    REQUIRE_OK(fetcher.fetch(get(), in(5s)));
    stop.raise();
    REQUIRE_ERRC(Errc::stopping, fetcher.fetch(get(), in(5s)));
    REQUIRE_ERRC(Errc::stopping, fetcher.fetch_secret(get(), in(5s)));
    FetchRequest last = get();
    last.at_stop = AtStop::go_on;
    REQUIRE_OK(fetcher.fetch(last, in(5s)));
    REQUIRE_OK(fetcher.fetch_secret(last, in(5s)));
}

TEST_CASE("fetcher: a deadline that has passed is fetch_timed_out without a request", "[network]") {
    REQUIRE_ERRC(Errc::fetch_timed_out, SocketFetcher("/nowhere").fetch(get(), in(-1ms)));
}

TEST_CASE("fetcher: where nobody listens it is fetch_process, with the path", "[network]") {
    const TempDir dir;
    const std::string path = (dir / "absent").string();
    const auto got = SocketFetcher(path).fetch(get(), in(1s));
    REQUIRE_ERRC(Errc::fetch_process, got);
    CHECK_THAT(got.error().detail, ContainsSubstring(path));
}

TEST_CASE("fetcher: a request that could become two, or is none, is fetch_denied", "[network]") {
    struct Row {
        const char* what;
        FetchRequest request;
    };
    const auto row = GENERATE(values<Row>({
        {"empty URL", {.url = ""}},
        {"no absolute URL", {.url = "kdsintf.amd.com"}},
        {"line end in the URL", {.url = "https://a/\r\nX: y"}},
        {"blank in the URL", {.url = "https://a/ b"}},
        {"method PATCH", {.url = kUrl, .method = "PATCH"}},
        {"method in small letters", {.url = kUrl, .method = "get"}},
        {"method with a blank", {.url = kUrl, .method = "GET /"}},
        {"line end in a header", {.url = kUrl, .headers = {{"X", "a\r\nY: b"}}}},
        {"line end in a header's name", {.url = kUrl, .headers = {{"X\r\nY", "a"}}}},
        {"header without a name", {.url = kUrl, .headers = {{"", "a"}}}},
        {"colon in a header's name", {.url = kUrl, .headers = {{"X: y", "a"}}}},
        {"a length of its own", {.url = kUrl, .headers = {{"Content-Length", "1"}}}},
        {"chunks of its own", {.url = kUrl, .headers = {{"transfer-encoding", "chunked"}}}},
        {"a limit of its own", {.url = kUrl, .headers = {{"Attestd-Fetch-Timeout", "1"}}}},
        {"a limit, in capitals", {.url = kUrl, .headers = {{"ATTESTD-FETCH-MAX-BODY", "1"}}}},
        {"line end in the type",
         {.url = kUrl, .method = "POST", .content_type = "a\r\nb", .body = Bytes{1}}},
        {"body over 1 MiB", {.url = kUrl, .method = "POST", .body = Bytes((1 << 20) + 1)}},
    }));
    INFO(row.what);
    const ScriptedServer server = answering(answer("200 OK", ""));
    REQUIRE_ERRC(Errc::fetch_denied, SocketFetcher(server.path()).fetch(row.request, in(1s)));
}

TEST_CASE("spawning fetcher: one process for each request, and it is gone with the answer",
          "[network]") {
    SpawningFetcher fetcher = spawning("/tells-pid");
    const auto first = fetcher.fetch(get(), in(10s));
    REQUIRE_OK(first);
    const auto second = fetcher.fetch(get(), in(10s));
    REQUIRE_OK(second);
    const std::string pid(as_text(first->body));
    CHECK(pid != as_text(second->body));
    CHECK(::kill(std::atoi(pid.c_str()), 0) != 0);
    CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);  // no child is left, not even a dead one
}

TEST_CASE("spawning fetcher: the process gets its connection, the configuration and the request",
          "[network]") {
    const auto arguments = spawning("/tells-arguments").fetch(get(), in(10s));
    REQUIRE_OK(arguments);
    CHECK(as_text(arguments->body) == "--connection\n3\n--config\n/tells-arguments\n");
    const auto request = spawning("/tells-request").fetch(get(), in(10s));
    REQUIRE_OK(request);
    CHECK_THAT(std::string(as_text(request->body)),
               ContainsSubstring(std::string("GET ") + kUrl + " HTTP/1.1\r\n"));
}

TEST_CASE("spawning fetcher: the process inherits no descriptor, no variable and no signal state",
          "[network]") {
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    sigset_t term, mask;
    ::sigemptyset(&term);
    ::sigaddset(&term, SIGTERM);
    REQUIRE(::pthread_sigmask(SIG_BLOCK, &term, &mask) == 0);
    const auto got = spawning("/tells-inheritance").fetch(get(), in(10s));
    REQUIRE(::pthread_sigmask(SIG_SETMASK, &mask, nullptr) == 0);
    std::signal(SIGPIPE, before);
    REQUIRE_OK(got);
    CHECK(as_text(got->body) == "fd 0\nfd 1\nfd 2\nfd 3\n");
}

TEST_CASE("spawning fetcher: the death of the process costs this request alone", "[network]") {
    const char* const how = GENERATE("/dies-at-once", "/dies", "/says-nothing");
    INFO(how);
    const auto start = std::chrono::steady_clock::now();
    REQUIRE_ERRC(Errc::fetch_process, spawning(how).fetch(get(), in(20s)));
    CHECK(std::chrono::steady_clock::now() - start < 10s);
    REQUIRE_OK(spawning("/tells-pid").fetch(get(), in(10s)));
    CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);
}

TEST_CASE("spawning fetcher: a process that hangs, or lives on, is ended", "[network]") {
    REQUIRE_ERRC(Errc::fetch_timed_out, spawning("/hangs").fetch(get(), in(300ms)));
    CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);
    REQUIRE_OK(spawning("/lives-on").fetch(get(), in(10s)));
    CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);
}

TEST_CASE("spawning fetcher: a program that cannot be started is fetch_process, with its name",
          "[network]") {
    const TempDir dir;
    const auto text = dir.write("text", std::string_view("no program"));
    for (const auto& program : {dir / "absent", text, dir.path()}) {
        const auto got = SpawningFetcher({.program = program}).fetch(get(), in(5s));
        REQUIRE_ERRC(Errc::fetch_process, got);
        CHECK_THAT(got.error().detail, ContainsSubstring(program.string()));
    }
}

TEST_CASE("spawning fetcher: attestd-fetch is looked for beside the executable first",
          "[network]") {
    const auto self = std::filesystem::read_symlink("/proc/self/exe");
    const auto beside = self.parent_path() / "attestd-fetch";
    REQUIRE_FALSE(std::filesystem::exists(beside));
    const auto before = find_fetch_program();
    if (!before) CHECK_THAT(before.error().detail, ContainsSubstring(beside.string()));
    std::filesystem::copy_file(ATTESTD_SCRIPTED_FETCH, beside);
    const auto found = find_fetch_program();
    const auto got = SpawningFetcher().fetch(get(), in(10s));
    std::filesystem::remove(beside);
    REQUIRE_OK(found);
    CHECK(*found == beside);
    REQUIRE_ERRC(Errc::fetch_process, got);  // it ran, and said nothing
    CHECK_THAT(got.error().detail, ContainsSubstring("closed without an answer"));
}

}  // namespace attestd::test
