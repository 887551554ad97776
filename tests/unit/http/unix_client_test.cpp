// The blocking client against servers that answer well, badly, slowly, endlessly or not at all.
#include "agent/http/unix_client.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>

#include "tests/unit/http/scripted_server.h"

namespace attestd::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSmall = 1000;  // the body limit in these tests

UnixClient::Deadline in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

// A server that answers `text` to every request, then closes; or waits for the client to close
// first.
enum class Then { close, wait };
ScriptedServer answering(std::string text, Then then = Then::wait) {
    return ScriptedServer([text = std::move(text), then](Peer& peer) {
        peer.read_request();
        peer.send(text);
        if (then == Then::wait) peer.wait_for_close();
    });
}

std::string text_of(const Secret& secret) {
    return secret.expose([](ByteView bytes) { return std::string(as_text(bytes)); });
}

}  // namespace

TEST_CASE("client: status, fields and body of an answer", "[http]") {
    const ScriptedServer server = answering(answer(
        "200 OK", "hello",
        "Content-Type: application/json\r\nETag: \"7\"\r\nRetry-After: 3\r\nX-Other: y\r\n"));
    const auto got = UnixClient(server.path()).exchange({}, in(5s));
    REQUIRE_OK(got);
    CHECK(got->head.status == 200);
    CHECK(got->head.content_type == "application/json");
    CHECK(got->head.etag == "\"7\"");
    CHECK(got->head.retry_after == "3");
    CHECK(as_text(got->body) == "hello");
}

TEST_CASE("client: an answer of any status is an answer", "[http]") {
    const std::string status =
        GENERATE("204 No Content", "304 Not Modified", "404 Not Found", "503 Busy");
    const bool bodiless = status[0] == '2' || status[0] == '3';
    const ScriptedServer server =
        answering(bodiless ? "HTTP/1.1 " + status + "\r\n\r\n" : answer(status, "why"));
    const auto got = UnixClient(server.path()).exchange({}, in(5s));
    REQUIRE_OK(got);
    CHECK(std::to_string(got->head.status) == status.substr(0, 3));
    CHECK(as_text(got->body) == (bodiless ? "" : "why"));
}

TEST_CASE("client: a body that ends with the connection, or comes in chunks, is whole", "[http]") {
    const std::string text =
        GENERATE(std::string("HTTP/1.0 200 OK\r\n\r\nhello"),
                 std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"));
    const ScriptedServer server = answering(text, Then::close);
    const UnixClient client(server.path(), kSmall);
    const auto plain = client.exchange({}, in(5s));
    REQUIRE_OK(plain);
    CHECK(as_text(plain->body) == "hello");
    const auto secret = client.exchange_secret({}, in(5s));
    REQUIRE_OK(secret);
    CHECK(text_of(secret->body) == "hello");
}

TEST_CASE("client: what is sent is one request with its fields, and the body byte for byte",
          "[http]") {
    std::string seen;
    {
        const ScriptedServer server([&](Peer& peer) {
            seen = peer.read_request(6);
            peer.send(answer("200 OK", ""));
            peer.wait_for_close();
        });
        const Bytes body{'a', 0, '\r', '\n', 0xff, 'z'};
        UnixRequest request;
        request.method = "PUT";
        request.target = "/v1/x?y=z";
        request.content_type = "application/octet-stream";
        request.accept = "application/json";
        request.if_none_match = "\"7\"";
        request.body = body;
        REQUIRE_OK(UnixClient(server.path()).exchange(request, in(5s)));
    }
    CHECK(seen ==
          std::string("PUT /v1/x?y=z HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                      "Accept: application/json\r\nIf-None-Match: \"7\"\r\n"
                      "Content-Type: application/octet-stream\r\nContent-Length: 6\r\n\r\n") +
              std::string("a\0\r\n\xffz", 6));
}

TEST_CASE("client: a proxy gets an absolute target and further fields, and all fields come back",
          "[http]") {
    std::string seen;
    {
        const ScriptedServer server([&](Peer& peer) {
            seen = peer.read_request();
            peer.send(answer("200 OK", "", "X-One: 1\r\nx-two: 2\r\nX-ONE: 3\r\n"));
            peer.wait_for_close();
        });
        UnixRequest request;
        request.target = "https://example.com:8443/a?b=c";
        request.fields = {{"X-Custom", "a, b"}, {"X-Empty", ""}};
        const auto got = UnixClient(server.path()).exchange(request, in(5s));
        REQUIRE_OK(got);
        const HttpFields want{
            {"content-length", "0"}, {"x-one", "1"}, {"x-one", "3"}, {"x-two", "2"}};
        HttpFields sorted = got->head.fields;
        std::sort(sorted.begin(), sorted.end());
        CHECK(sorted == want);
    }
    CHECK(seen ==
          "GET https://example.com:8443/a?b=c HTTP/1.1\r\nHost: localhost\r\n"
          "Connection: close\r\nX-Custom: a, b\r\nX-Empty: \r\n\r\n");
}

TEST_CASE("client: an exchange on a given connection, and its end", "[http]") {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    Fd ours(ends[0]);
    Peer peer{Fd(ends[1])};
    const UnixClient client("the other end", kSmall);
    SECTION("an answer") {
        peer.send(answer("200 OK", "hello"));
        CHECK(as_text(client.exchange_on(std::move(ours), {}, in(5s)).value().body) == "hello");
        CHECK_THAT(peer.read_request(), ContainsSubstring("GET / HTTP/1.1\r\n"));
    }
    SECTION("nothing") {
        REQUIRE_ERRC(Errc::timed_out, client.exchange_on(std::move(ours), {}, in(100ms)));
    }
    SECTION("nobody") {
        { const Peer gone(std::move(peer)); }
        const auto got = client.exchange_on(std::move(ours), {}, in(5s));
        REQUIRE_ERRC(Errc::unavailable, got);
        CHECK_THAT(got.error().detail, ContainsSubstring("the other end"));
    }
}

TEST_CASE("client: an answer byte by byte is put together", "[http]") {
    const ScriptedServer server([](Peer& peer) {
        peer.read_request();
        for (const char c : answer("200 OK", "hello", "Content-Type: text/plain\r\n"))
            peer.send({&c, 1});
        peer.wait_for_close();
    });
    const UnixClient client(server.path());
    const auto plain = client.exchange({}, in(5s));
    REQUIRE_OK(plain);
    CHECK(as_text(plain->body) == "hello");
    CHECK(text_of(client.exchange_secret({}, in(5s)).value().body) == "hello");
}

TEST_CASE("client: a large body arrives whole in memory for secrets", "[http]") {
    std::string body(1 << 20, 'x');
    body[0] = 'a';
    body.back() = 'z';
    const ScriptedServer server = answering(answer("200 OK", body));
    const auto got = UnixClient(server.path()).exchange_secret({}, in(10s));
    REQUIRE_OK(got);
    CHECK(text_of(got->body) == body);
}

TEST_CASE("client: what a service announces is not reserved before it comes", "[http]") {
    constexpr std::size_t kMebibyte = 1 << 20;
    StopSignal stop;
    std::atomic<int> num_waiting = 0;
    const auto stalling = [&num_waiting](Peer& peer) {
        peer.read_request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\nabc");
        ++num_waiting;
        peer.wait_for_close();
    };
    const ScriptedServer first(stalling), second(stalling), third(stalling);
    std::vector<std::thread> clients;
    for (const ScriptedServer* const server : {&first, &second, &third}) {
        clients.emplace_back([path = server->path(), &stop] {
            UnixRequest request;
            request.stop = &stop;
            static_cast<void>(UnixClient(path).exchange_secret(request, in(30s)));
        });
    }
    while (num_waiting < 3) std::this_thread::sleep_for(1ms);
    const ScriptedServer good = answering(answer("200 OK", std::string(kMebibyte, 'x')));
    const auto got = UnixClient(good.path()).exchange_secret({}, in(30s));
    stop.raise();
    for (std::thread& client : clients) client.join();
    REQUIRE_OK(got);
    CHECK(got->body.size() == kMebibyte);
    CHECK(got->body.expose([](ByteView body) {
        return std::all_of(body.begin(), body.end(), [](auto c) { return c == 'x'; });
    }));
}

TEST_CASE("client: what is not one complete answer is refused with its own code", "[http]") {
    struct Row {
        const char* name;
        std::string text;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({
        {"nothing at all", "", Errc::unavailable},
        {"garbage", "\x16\x03\x01 hello, is this TLS?\r\n\r\n", Errc::protocol},
        {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", Errc::protocol},
        {"another HTTP", "HTTP/2 200 OK\r\n\r\n", Errc::protocol},
        {"head cut", "HTTP/1.1 200 OK\r\nContent-Le", Errc::protocol},
        {"body cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", Errc::protocol},
        {"chunk cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
         Errc::protocol},
        {"last chunk missing",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Errc::protocol},
        {"bad chunk length",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
         Errc::protocol},
        {"bad length", "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n", Errc::protocol},
        {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
         Errc::protocol},
        {"bytes behind it", answer("200 OK", "hello") + "more", Errc::protocol},
        {"a second answer", answer("200 OK", "hello") + answer("200 OK", "hello"), Errc::protocol},
        {"an interim answer", "HTTP/1.1 100 Continue\r\n\r\n", Errc::protocol},
        {"body over the limit, said so", answer("200 OK", std::string(kSmall + 1, 'x')),
         Errc::too_large},
        {"body over the limit, in a chunk",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
             std::string(kSmall + 1, 'x') + "\r\n0\r\n\r\n",
         Errc::too_large},
        {"body over the limit, to the end",
         "HTTP/1.1 200 OK\r\n\r\n" + std::string(kSmall + 1, 'x'), Errc::too_large},
        {"length beyond 64 bits",
         "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", Errc::protocol},
        {"length of 2^63", "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
         Errc::too_large},
        {"head over the limit", "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
         Errc::too_large},
    }));
    INFO(row.name);
    const ScriptedServer server = answering(row.text, Then::close);
    const UnixClient client(server.path(), kSmall);
    REQUIRE_ERRC(row.want, client.exchange({}, in(5s)));
    REQUIRE_ERRC(row.want, client.exchange_secret({}, in(5s)));
}

TEST_CASE("client: a body of exactly the limit passes", "[http]") {
    const ScriptedServer server = answering(answer("200 OK", std::string(kSmall, 'x')));
    CHECK(UnixClient(server.path(), kSmall).exchange({}, in(5s)).value().body.size() == kSmall);
}

TEST_CASE("client: a slow, silent or endless service ends at the deadline", "[http]") {
    struct Row {
        const char* name;
        std::function<void(Peer&)> script;
    };
    const auto row = GENERATE(values<Row>({
        {"silent", [](Peer& peer) { peer.wait_for_close(); }},
        {"stops in the head",
         [](Peer& peer) {
             peer.send("HTTP/1.1 200 OK\r\n");
             peer.wait_for_close();
         }},
        {"stops in the body",
         [](Peer& peer) {
             peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
             peer.wait_for_close();
         }},
        {"drips",
         [](Peer& peer) {
             if (!peer.send("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")) return;
             while (peer.send("x")) std::this_thread::sleep_for(10ms);
         }},
    }));
    INFO(row.name);
    const ScriptedServer server(row.script);
    const auto start = std::chrono::steady_clock::now();
    REQUIRE_ERRC(Errc::timed_out, UnixClient(server.path(), kSmall).exchange({}, in(200ms)));
    const auto took = std::chrono::steady_clock::now() - start;
    CHECK(took >= 200ms);
    CHECK(took < 3s);
}

TEST_CASE("client: a stop ends the wait for a service, and lets no new one begin", "[http]") {
    struct Row {
        const char* name;
        std::function<void(Peer&)> script;
        std::size_t body_len;
    };
    const auto row = GENERATE(values<Row>({
        {"silent", [](Peer& peer) { peer.wait_for_close(); }, 0},
        {"stops in the body",
         [](Peer& peer) {
             peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
             peer.wait_for_close();
         },
         0},
        {"drips",
         [](Peer& peer) {
             if (!peer.send("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n")) return;
             while (peer.send("x")) std::this_thread::sleep_for(1ms);
         },
         0},
        {"does not read", [](Peer&) { std::this_thread::sleep_for(600ms); }, 8 << 20},
    }));
    INFO(row.name);
    const ScriptedServer server(row.script);
    StopSignal stop;
    const Bytes body(row.body_len, 'x');
    UnixRequest request;
    request.method = "PUT";
    request.body = body;
    request.stop = &stop;
    std::thread stopping([&stop] {
        std::this_thread::sleep_for(100ms);
        stop.raise();
    });
    const auto start = std::chrono::steady_clock::now();
    const UnixClient client(server.path());
    const auto stopped = client.exchange(request, in(30s));
    stopping.join();
    REQUIRE_ERRC(Errc::stopping, stopped);
    CHECK(std::chrono::steady_clock::now() - start < 10s);
    REQUIRE_ERRC(Errc::stopping, client.exchange_secret(request, in(30s)));
}

TEST_CASE("client: an endless body ends at the limit, not at the deadline", "[http]") {
    const ScriptedServer server([](Peer& peer) {
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        while (peer.send(std::string(4096, 'x'))) {
        }
    });
    REQUIRE_ERRC(Errc::too_large, UnixClient(server.path(), kSmall).exchange({}, in(60s)));
}

TEST_CASE("client: a service that does not read ends at the deadline", "[http]") {
    const ScriptedServer server([](Peer&) { std::this_thread::sleep_for(600ms); });
    const Bytes body(8 << 20, 'x');  // more than a socket buffers
    UnixRequest request;
    request.method = "PUT";
    request.body = body;
    REQUIRE_ERRC(Errc::timed_out, UnixClient(server.path()).exchange(request, in(200ms)));
}

TEST_CASE("client: an answer given before the body was read is still the answer", "[http]") {
    const ScriptedServer server([](Peer& peer) {
        peer.read_request();
        peer.send(answer("413 Content Too Large", "too large"));
    });
    const Bytes body(8 << 20, 'x');
    UnixRequest request;
    request.method = "PUT";
    request.body = body;
    const auto got = UnixClient(server.path()).exchange(request, in(5s));
    // The kernel may drop the answer with the connection; then it is unavailable, never anything
    // else.
    if (got) {
        CHECK(got->head.status == 413);
    } else {
        CHECK(errc_name(got.error().code) == errc_name(Errc::unavailable));
    }
}

TEST_CASE("client: a deadline that has passed is timed_out", "[http]") {
    const ScriptedServer server = answering(answer("200 OK", ""));
    REQUIRE_ERRC(Errc::timed_out, UnixClient(server.path()).exchange({}, in(-1ms)));
}

TEST_CASE("client: where nobody listens it is unavailable, with the path", "[http]") {
    TempDir dir;
    std::ofstream(dir / "file") << "x";
    for (const char* name : {"absent", "file", "file/below"}) {
        INFO(name);
        const std::string path = (dir / name).string();
        const auto got = UnixClient(path).exchange({}, in(1s));
        REQUIRE_ERRC(Errc::unavailable, got);
        CHECK_THAT(got.error().detail, ContainsSubstring(path));
    }
}

TEST_CASE("client: a full backlog ends at the deadline", "[http]") {
    TempDir dir;
    const std::string path = (dir / "sock").string();
    const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    REQUIRE(::listen(listener.get(), 0) == 0);
    // Nobody accepts: the first fills the backlog and waits for an answer, the second cannot
    // connect.
    const Fd first(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(first.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    REQUIRE_ERRC(Errc::timed_out, UnixClient(path).exchange({}, in(200ms)));
    SECTION("or at a stop") {
        StopSignal stop;
        UnixRequest request;
        request.stop = &stop;
        std::thread stopping([&stop] {
            std::this_thread::sleep_for(100ms);
            stop.raise();
        });
        const auto stopped = UnixClient(path).exchange(request, in(30s));
        stopping.join();
        REQUIRE_ERRC(Errc::stopping, stopped);
    }
}

TEST_CASE("client: a request that could become two is refused as bad_value", "[http]") {
    struct Row {
        const char* name;
        UnixRequest request;
    };
    const auto row = GENERATE(values<Row>({
        {"line end in the target", {.target = "/a\r\nX: y"}},
        {"blank in the target", {.target = "/a b"}},
        {"NUL in the target", {.target = std::string("/a\0b", 4)}},
        {"byte above ASCII", {.target = "/\xc3\xa4"}},
        {"target without a slash", {.target = "a"}},
        {"empty target", {.target = ""}},
        {"empty method", {.method = ""}},
        {"blank in the method", {.method = "GET /x"}},
        {"line end in a field", {.accept = "a\nb"}},
        {"line end in another", {.if_none_match = "a\r\n\r\nGET / HTTP/1.1"}},
        {"line end in the type", {.content_type = "a\rb"}},
        {"line end in a further field", {.fields = {{"X", "a\r\nY: b"}}}},
        {"line end in a field's name", {.fields = {{"X\r\nY", "a"}}}},
        {"field without a name", {.fields = {{"", "a"}}}},
        {"a second length", {.fields = {{"content-length", "5"}}}},
        {"chunks", {.fields = {{"Transfer-Encoding", "chunked"}}}},
        {"a second host", {.fields = {{"Host", "a"}}}},
        {"line end in an absolute target", {.target = "https://a/\r\nX: y"}},
    }));
    INFO(row.name);
    const ScriptedServer server = answering(answer("200 OK", ""));
    REQUIRE_ERRC(Errc::bad_value, UnixClient(server.path()).exchange(row.request, in(1s)));
}

TEST_CASE("client: a path that no socket can have is refused as bad_value", "[http]") {
    for (const std::string& path :
         {std::string(), std::string(108, 'x'), std::string("/a\0b", 4)}) {
        REQUIRE_ERRC(Errc::bad_value, UnixClient(path).exchange({}, in(1s)));
    }
}

TEST_CASE("client: no room in the memory for secrets is memory_locked, and room comes back",
          "[http]") {
    const ScriptedServer server = answering(answer("200 OK", std::string(1 << 20, 'x')));
    const UnixClient client(server.path());
    {
        std::vector<Secret> hoard;
        for (auto more = Secret::zeroed(256 << 10); more; more = Secret::zeroed(256 << 10)) {
            hoard.push_back(*std::move(more));
        }
        hoard.pop_back();  // room for the wire, not for the body
        REQUIRE_ERRC(Errc::memory_locked, client.exchange_secret({}, in(5s)));
    }
    REQUIRE_OK(client.exchange_secret({}, in(5s)));
}

}  // namespace attestd::test
