// The quote service's frames on a socket pair, and which addresses are spoken to at all.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <functional>
#include <thread>

#include "agent/fetch/destination.h"
#include "agent/fetch/vsock_destination.h"
#include "tests/support/catch.h"

using namespace attestd;
using namespace attestd::fetch;
using attestd::test::ContainsSubstring;
using namespace std::chrono_literals;

namespace {

const std::string kPlace = "vsock://2:4050";

struct VsockEnds {
    Fd ours, services;
};

VsockEnds vsock_ends() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

// What the exchange makes of a service that answers with these bytes, all at once or one by one,
// and then leaves or says nothing more.
Result<Bytes> exchange_with(const Bytes& answer, bool leaves, std::size_t at_once = 65536,
                            std::size_t max_len = 1000, Bytes* asked = nullptr) {
    VsockEnds ends = vsock_ends();
    std::thread service([&] {
        Bytes request(4 + 3);
        for (std::size_t have = 0; have < request.size();) {
            const ssize_t n =
                ::recv(ends.services.get(), request.data() + have, request.size() - have, 0);
            if (n <= 0) return;
            have += static_cast<std::size_t>(n);
        }
        if (asked != nullptr) *asked = request;
        for (std::size_t at = 0; at < answer.size(); at += at_once) {
            const std::size_t len = std::min(at_once, answer.size() - at);
            if (::send(ends.services.get(), answer.data() + at, len, MSG_NOSIGNAL) < 0) break;
        }
        if (leaves) ::shutdown(ends.services.get(), SHUT_RDWR);
    });
    const auto wait = leaves ? 20s : 200ms;
    auto got = exchange_frames(ends.ours, Bytes{7, 8, 9}, max_len, kPlace,
                               std::chrono::steady_clock::now() + wait);
    service.join();
    return got;
}

Bytes framed(const Bytes& message) {
    Bytes out(4 + message.size());
    out[2] = static_cast<std::uint8_t>(message.size() >> 8);
    out[3] = static_cast<std::uint8_t>(message.size());
    std::copy(message.begin(), message.end(), out.begin() + 4);
    return out;
}

FetchConfig with_service() {
    FetchConfig config = built_in_config();
    config.vsock.push_back({2, 4050});
    return config;
}

ProxyRequest vsock_request(std::string url) {
    ProxyRequest request;
    request.method = "POST";
    request.url = std::move(url);
    request.body = {1};
    return request;
}

}  // namespace

TEST_CASE("fetch vsock: a message goes behind its length, and its answer comes whole",
          "[fetch][vsock]") {
    Bytes asked;
    const Bytes message(300, 5);
    CHECK(exchange_with(framed(message), /*leaves=*/true, 65536, 1000, &asked).value() == message);
    CHECK(asked == Bytes{0, 0, 0, 3, 7, 8, 9});
    CHECK(exchange_with(framed(message), /*leaves=*/true, 1).value() == message);
    CHECK(exchange_with(framed(message), /*leaves=*/false).value() == message);  // it may stay
}

TEST_CASE("fetch vsock: each answer that is not one frame in time has its own name",
          "[fetch][vsock]") {
    struct Row {
        const char* name;
        Bytes answer;
        bool leaves;
        Errc want;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"nothing", {}, true, Errc::fetch_truncated, "ends after 0 of 4"},
        {"half a length", {0, 0}, true, Errc::fetch_truncated, "ends after 2 of 4"},
        {"no message", {0, 0, 0, 5}, true, Errc::fetch_truncated, "ends after 0 of 5"},
        {"half a message", {0, 0, 0, 5, 1, 2}, true, Errc::fetch_truncated, "ends after 2 of 5"},
        {"a frame of nothing", {0, 0, 0, 0}, true, Errc::fetch_protocol, "a frame of nothing"},
        {"over the limit", {0, 0, 3, 0xe9, 1}, true, Errc::fetch_too_large, "1001 bytes"},
        {"4 GiB", {0xff, 0xff, 0xff, 0xff}, true, Errc::fetch_too_large, "4294967295 bytes"},
        {"silence", {}, false, Errc::fetch_timed_out, "too slow"},
        {"silence in the middle", {0, 0, 0, 5, 1}, false, Errc::fetch_timed_out, "too slow"},
    }));
    INFO(row.name);
    const auto got = exchange_with(row.answer, row.leaves);
    REQUIRE_ERRC(row.want, got);
    CHECK_THAT(got.error().detail, ContainsSubstring(row.says));
    CHECK_THAT(got.error().detail, ContainsSubstring(kPlace));
}

TEST_CASE("fetch vsock: an answer of exactly the limit is taken", "[fetch][vsock]") {
    const Bytes message(1000, 5);
    CHECK(exchange_with(framed(message), /*leaves=*/true, 65536, 1000).value() == message);
}

TEST_CASE("fetch vsock: an address has one form", "[fetch][vsock]") {
    CHECK(parse_vsock("vsock://2:4050") == VsockAddress{2, 4050});
    CHECK(parse_vsock("vsock://2:4050/") == VsockAddress{2, 4050});
    CHECK(parse_vsock("vsock://1:4294967294") == VsockAddress{1, 4294967294});
    for (const char* const text : {"vsock://",
                                   "vsock://2",
                                   "vsock://2:",
                                   "vsock://:4050",
                                   "vsock://host:4050",
                                   "vsock://02:4050",
                                   "vsock://2:04050",
                                   "vsock://2:+1",
                                   "vsock://2:-1",
                                   "vsock://2:0",
                                   "vsock://0:4050",
                                   "vsock://4294967295:1",
                                   "vsock://4294967296:1",
                                   "vsock://2:4294967295",
                                   "vsock://2:4050/x",
                                   "vsock://2:4050?",
                                   "vsock://2:4050//",
                                   "VSOCK://2:4050",
                                   "vsock://2:40 50",
                                   "vsock://2:4050:1",
                                   "https://2:4050"}) {
        INFO(text);
        CHECK_FALSE(parse_vsock(text).has_value());
    }
}

TEST_CASE("fetch vsock: what is not listed, not a POST or no message is not connected to",
          "[fetch][vsock]") {
    struct Row {
        const char* name;
        std::function<void(ProxyRequest&)> change;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"another port", [](auto& r) { r.url = "vsock://2:4051"; }, "add \"vsock://2:4051\""},
        {"another CID", [](auto& r) { r.url = "vsock://3:4050"; }, "add \"vsock://3:4050\""},
        {"another form", [](auto& r) { r.url = "VSOCK://2:4050"; }, "vsock://CID:PORT is expected"},
        {"one slash", [](auto& r) { r.url = "vsock:/2:4050"; }, "vsock://CID:PORT is expected"},
        {"GET", [](auto& r) { r.method = "GET"; }, "a POST with a message"},
        {"no message", [](auto& r) { r.body.clear(); }, "a POST with a message"},
        {"a large message", [](auto& r) { r.body.resize(kMaxVsockFrame + 1); }, "no message for"},
    }));
    INFO(row.name);
    ProxyRequest request = vsock_request(kPlace);
    row.change(request);
    const auto refused = fetch_from_destination(with_service(), request);
    REQUIRE_ERRC(Errc::fetch_denied, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
    REQUIRE_ERRC(Errc::fetch_denied,
                 fetch_from_destination(built_in_config(), vsock_request(kPlace)));
}

TEST_CASE("fetch vsock: a quote service that is not there is unreachable", "[fetch][vsock]") {
    FetchConfig config;
    config.vsock.push_back({1, 4294967290});  // of this machine itself, and nobody's port
    const auto got = fetch_from_destination(config, vsock_request("vsock://1:4294967290"));
    REQUIRE_ERRC(Errc::fetch_unreachable, got);
    CHECK_THAT(got.error().detail, ContainsSubstring("vsock://1:4294967290: connecting"));
}

TEST_CASE("fetch.json: a quote service is listed by its address and takes no keys",
          "[fetch][vsock]") {
    const auto good = parse_fetch_config(
        R"({"hosts": {"vsock://2:4050": {}, "kdsintf.amd.com": {}}})", "fetch.json");
    REQUIRE_OK(good);
    CHECK(good->vsock == std::vector<VsockAddress>{{2, 4050}});
    CHECK(good->hosts.size() == 1);
    struct Row {
        const char* text;
        Errc want;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {R"({"hosts": {"vsock://host:4050": {}}})", Errc::bad_value, "the host is CID 2"},
        {R"({"hosts": {"vsock://2:4050/": {}}})", Errc::bad_value, "plain decimal"},
        {R"({"hosts": {"vsock:2:4050": {}}})", Errc::bad_value, "plain decimal"},
        {R"({"hosts": {"vsock://2:4050": {"ca": "/x"}}})", Errc::unknown_key, "ca"},
        {R"({"hosts": {"vsock://2:4050": true}})", Errc::wrong_type, "object"},
    }));
    INFO(row.text);
    const auto refused = parse_fetch_config(row.text, "fetch.json");
    REQUIRE_ERRC(row.want, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
}
