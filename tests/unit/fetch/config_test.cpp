// fetch.json: what is taken as given, and what is refused, where, and in which words.
#include "agent/fetch/config.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "agent/fetch/options.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

using namespace attestd;
using namespace attestd::fetch;
using attestd::test::ContainsSubstring;
using attestd::test::TempDir;
using nlohmann::json;

namespace {

constexpr const char* kHostForm = "NAME, NAME:PORT or [ADDRESS]:PORT";

Result<FetchConfig> parse(const std::string& text) {
    return parse_fetch_config(text, "fetch.json");
}

json read_json(const char* name) {
    return json::parse(
        test::load_text(std::filesystem::path(ATTESTD_SOURCE_ROOT) / "config" / name), nullptr,
        /*allow_exceptions=*/true, /*ignore_comments=*/true);
}

// "...; known are: a, b, c" -> {a, b, c} without the key that was asked about
std::set<std::string> keys_named_by(const Error& error) {
    REQUIRE(errc_name(error.code) == errc_name(Errc::unknown_key));
    const auto at = error.detail.find("known are: ");
    REQUIRE(at != std::string::npos);
    std::istringstream rest(error.detail.substr(at + 11));
    std::set<std::string> keys;
    for (std::string key; std::getline(rest, key, ',');)
        keys.insert(key.substr(key.find_first_not_of(' ')));
    keys.erase("no-such-key");
    return keys;
}

}  // namespace

TEST_CASE("fetch config: the least that loads has the documented defaults", "[fetch]") {
    const auto config = parse(R"({"hosts": {"KBS.example.com": {}}})");
    REQUIRE_OK(config);
    REQUIRE(config->hosts.size() == 1);
    CHECK(config->hosts[0].host == "kbs.example.com");
    CHECK(config->hosts[0].port == 443);
    CHECK_FALSE(config->hosts[0].collateral_only);
    CHECK_FALSE(config->hosts[0].unverified_tls);
    CHECK(config->proxy.empty());
    CHECK(config->timeout == std::chrono::seconds(30));
    CHECK(config->connect_timeout == std::chrono::seconds(10));
    CHECK(config->max_body_len == 2 << 20);
}

TEST_CASE("fetch config: every key has its effect", "[fetch]") {
    const auto config = parse(R"({
        "$schema": "x", // a comment
        "hosts": {
            "a.example": {"ca": "/ca.pem", "client_certificate": "/c.pem", "client_key": "/k.pem"},
            "a.example:8443": {"collateral_only": true, "unverified_tls": true},
            "[2001:db8::1]:444": {},
            "10.0.0.1": {},
            "169.254.169.254": {}
        },
        "proxy": "http://Proxy.example:3128/",
        "limits": {"timeout": "1m", "connect_timeout": "2s", "max_body": 100}
    })");
    REQUIRE_OK(config);
    const HostRule* const a = find_rule(*config, "a.example", 443);
    REQUIRE(a != nullptr);
    CHECK(a->ca == "/ca.pem");
    CHECK(a->client_certificate == "/c.pem");
    CHECK(a->client_key == "/k.pem");
    const HostRule* const other = find_rule(*config, "a.example", 8443);
    REQUIRE(other != nullptr);
    CHECK(other->collateral_only);
    CHECK(other->unverified_tls);
    CHECK(find_rule(*config, "[2001:db8::1]", 444) != nullptr);
    CHECK(find_rule(*config, "10.0.0.1", 443) != nullptr);
    CHECK(find_rule(*config, "169.254.169.254", 80) != nullptr);
    CHECK(find_rule(*config, "169.254.169.254", 443) == nullptr);
    CHECK(config->proxy == "http://proxy.example:3128");
    CHECK(config->timeout == std::chrono::minutes(1));
    CHECK(config->connect_timeout == std::chrono::seconds(2));
    CHECK(config->max_body_len == 100);
}

TEST_CASE("fetch config: a list without hosts reaches nobody", "[fetch]") {
    CHECK(parse(R"({"hosts": {}})").value().hosts.empty());
}

TEST_CASE("fetch config: every error names file, line and what was expected", "[fetch]") {
    struct Row {
        const char* what;
        std::string text;
        Errc code;
        int line;  // 0: the error is about the whole text
        const char* says;
    };
    const auto host = [](const std::string& key, const std::string& members = "{}") {
        return "{\n\"hosts\": {\n\"" + key + "\": " + members + "}}";
    };
    const auto with = [](const std::string& members) {
        return "{\n\"hosts\": {},\n" + members + "}";
    };
    const auto row = GENERATE_COPY(values<Row>({
        {"no JSON", "{", Errc::bad_json, 0, ""},
        {"an array", "[]", Errc::wrong_type, 0, "object"},
        {"no hosts", "{}", Errc::missing_key, 0, "hosts"},
        {"hosts as a list", R"({"hosts": []})", Errc::wrong_type, 1, "object"},
        {"unknown key", with(R"("host": 1)"), Errc::unknown_key, 3, "known are"},
        {"key twice", with(R"("proxy": "http://a:1", "proxy": "http://a:1")"), Errc::duplicate_key,
         3, "proxy"},
        {"unknown key of a host", host("a", R"({"insecure": true})"), Errc::unknown_key, 3,
         "insecure"},
        {"host as a list", host("a", "[]"), Errc::wrong_type, 3, "object"},
        {"empty name", host(""), Errc::bad_value, 3, kHostForm},
        {"wildcard", host("*.example.com"), Errc::bad_value, 3, "wildcards"},
        {"wildcard alone", host("*"), Errc::bad_value, 3, "wildcards"},
        {"a URL", host("https://a.example"), Errc::bad_value, 3, kHostForm},
        {"a path", host("a.example/x"), Errc::bad_value, 3, kHostForm},
        {"user information", host("user@a.example"), Errc::bad_value, 3, kHostForm},
        {"query", host("a.example?x"), Errc::bad_value, 3, kHostForm},
        {"trailing dot", host("a.example."), Errc::bad_value, 3, kHostForm},
        {"encoded", host("a%2eexample"), Errc::bad_value, 3, kHostForm},
        {"blank", host("a example"), Errc::bad_value, 3, kHostForm},
        {"port 0", host("a.example:0"), Errc::bad_value, 3, kHostForm},
        {"port beyond 16 bits", host("a.example:65536"), Errc::bad_value, 3, kHostForm},
        {"decimal address", host("167772161"), Errc::bad_value, 3, kHostForm},
        {"IPv6 in long form", host("[2001:db8:0::1]"), Errc::bad_value, 3, kHostForm},
        {"same host in capitals", host("a.example\": {},\n\"A.example"), Errc::duplicate_key, 3,
         "a.example:443 is listed already"},
        {"same host with its port", host("a.example\": {},\n\"a.example:443"), Errc::duplicate_key,
         4, "a.example:443 is listed already"},
        {"metadata with a port", host("169.254.169.254:80"), Errc::bad_value, 3, "plain http"},
        {"metadata by https", host("169.254.169.254:443"), Errc::bad_value, 3, "plain http"},
        {"metadata with a CA", host("169.254.169.254", R"({"ca": "/x"})"), Errc::bad_config, 3,
         "no keys"},
        {"metadata, collateral_only", host("169.254.169.254", R"({"collateral_only": true})"),
         Errc::bad_config, 3, "no keys"},
        {"relative CA", host("a", "{\n\"ca\": \"ca.pem\"}"), Errc::bad_value, 4, "absolute path"},
        {"CA as a number", host("a", R"({"ca": 1})"), Errc::wrong_type, 3, "ca"},
        {"certificate without key", host("a", R"({"client_certificate": "/x"})"), Errc::bad_config,
         3, "go together"},
        {"key without certificate", host("a", R"({"client_key": "/x"})"), Errc::bad_config, 3,
         "go together"},
        {"unverified TLS for everything", host("a", R"({"unverified_tls": true})"),
         Errc::bad_config, 3, "collateral_only"},
        {"unverified TLS, said to be for everything",
         host("a", R"({"unverified_tls": true, "collateral_only": false})"), Errc::bad_config, 3,
         "collateral_only"},
        {"unverified TLS and a CA",
         host("a", R"({"unverified_tls": true, "collateral_only": true, "ca": "/x"})"),
         Errc::bad_config, 3, "one of them must go"},
        {"unverified TLS as text", host("a", R"({"unverified_tls": "true"})"), Errc::wrong_type, 3,
         "unverified_tls"},
        {"proxy without a port", with(R"("proxy": "http://a.example")"), Errc::bad_value, 3,
         "HOST:PORT"},
        {"proxy without a scheme", with(R"("proxy": "a.example:3128")"), Errc::bad_value, 3,
         "HOST:PORT"},
        {"proxy by SOCKS", with(R"("proxy": "socks5://a.example:1080")"), Errc::bad_value, 3,
         "HOST:PORT"},
        {"proxy with a password", with(R"("proxy": "http://u:p@a.example:1")"), Errc::bad_value, 3,
         "user information"},
        {"proxy with a path", with(R"("proxy": "http://a.example:1/x")"), Errc::bad_value, 3,
         "HOST:PORT"},
        {"proxy with a query", with(R"("proxy": "http://a.example:1?x")"), Errc::bad_value, 3,
         "HOST:PORT"},
        {"empty proxy", with(R"("proxy": "")"), Errc::bad_value, 3, "HOST:PORT"},
        {"no time at all", with(R"("limits": {"timeout": "0s"})"), Errc::bad_value, 3, "1ms to 5m"},
        {"more than five minutes", with(R"("limits": {"timeout": "6m"})"), Errc::bad_value, 3,
         "1ms to 5m"},
        {"time without a unit", with(R"("limits": {"connect_timeout": "10"})"), Errc::bad_encoding,
         3, ""},
        {"time as a number", with(R"("limits": {"timeout": 10})"), Errc::wrong_type, 3, ""},
        {"no body at all", with(R"("limits": {"max_body": 0})"), Errc::bad_value, 3, ""},
        {"a body beyond 16 MiB", with(R"("limits": {"max_body": 16777217})"), Errc::bad_value, 3,
         ""},
        {"unknown limit", with(R"("limits": {"retries": 3})"), Errc::unknown_key, 3, "retries"},
    }));
    INFO(row.what);
    const auto got = parse(row.text);
    REQUIRE_ERRC(row.code, got);
    INFO(got.error().detail);
    if (row.line != 0)
        CHECK_THAT(got.error().detail, ContainsSubstring(fmt::format("fetch.json:{}", row.line)));
    CHECK_THAT(got.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("fetch config: a password given in \"proxy\" does not come back in the error",
          "[fetch]") {
    const auto got = parse(R"({"hosts": {}, "proxy": "http://u:hunter2@a.example:1"})");
    REQUIRE_ERRC(Errc::bad_value, got);
    CHECK_THAT(got.error().detail, !ContainsSubstring("hunter2"));
}

TEST_CASE("fetch config: a file that others can write, or that is none, is refused", "[fetch]") {
    const TempDir dir;
    REQUIRE_ERRC(Errc::not_found, load_fetch_config(dir / "absent.json"));
    const auto path = dir.write("fetch.json", std::string_view(R"({"hosts": {}})"));
    REQUIRE_OK(load_fetch_config(path));
    for (const mode_t mode : {0620U, 0602U, 0666U}) {
        REQUIRE(::chmod(path.c_str(), mode) == 0);
        const auto got = load_fetch_config(path);
        REQUIRE_ERRC(Errc::access_denied, got);
        CHECK_THAT(got.error().detail, ContainsSubstring("chmod go-w"));
    }
    REQUIRE_ERRC(Errc::bad_config, load_fetch_config(dir.path()));
    const std::string fifo = (dir / "fifo").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    REQUIRE_ERRC(Errc::bad_config, load_fetch_config(fifo));
}

TEST_CASE("fetch.schema.json names exactly the keys that the loader knows", "[fetch][schema]") {
    struct Row {
        const char* place;    // in the configuration
        const char* pointer;  // in the schema
    };
    const auto row = GENERATE(values<Row>(
        {{"", ""}, {"/hosts/a.example", "/$defs/host"}, {"/limits", "/properties/limits"}}));
    INFO(row.place);
    json config{{"hosts", {{"a.example", json::object()}}}, {"limits", json::object()}};
    REQUIRE_OK(parse(config.dump()));
    config[json::json_pointer(row.place)]["no-such-key"] = 1;
    const auto refused = parse(config.dump());
    REQUIRE_FALSE(refused.has_value());
    std::set<std::string> in_schema;
    const json schema = read_json("fetch.schema.json");
    for (const auto& [key, value] :
         schema.at(json::json_pointer(row.pointer)).at("properties").items())
        in_schema.insert(key);
    CHECK(keys_named_by(refused.error()) == in_schema);
}

TEST_CASE("the sample fetch.json is the built-in list with the default limits", "[fetch][schema]") {
    const auto sample =
        parse(test::load_text(std::filesystem::path(ATTESTD_SOURCE_ROOT) / "config/fetch.json"));
    REQUIRE_OK(sample);
    const FetchConfig built_in = built_in_config();
    REQUIRE(sample->hosts.size() == built_in.hosts.size());
    for (const HostRule& rule : built_in.hosts)
        CHECK(find_rule(*sample, rule.host, rule.port) != nullptr);
    CHECK(sample->timeout == built_in.timeout);
    CHECK(sample->connect_timeout == built_in.connect_timeout);
    CHECK(sample->max_body_len == built_in.max_body_len);
}

TEST_CASE("fetch options: a wrong command line is bad usage", "[fetch]") {
    using Args = std::vector<std::string_view>;
    const auto args = GENERATE(values<Args>({{"--bogus"},
                                             {"https://kdsintf.amd.com/"},
                                             {"--config"},
                                             {"--config", ""},
                                             {"--listen"},
                                             {"--connection"},
                                             {"--connection", "0"},
                                             {"--connection", "2"},
                                             {"--connection", "-1"},
                                             {"--connection", "3x"},
                                             {"--connection", "99999999999"},
                                             {"--listen", "/s", "--connection", "3"},
                                             {"--listen", "/s", "--listen", "/t"},
                                             {"--listen", "/s", "--mode", "888"},
                                             {"--listen", "/s", "--mode", "1777"},
                                             {"--mode", "0600"},
                                             {"--connection", "3", "--mode", "0600"}}));
    REQUIRE_ERRC(Errc::bad_usage, parse_options(args));
}

TEST_CASE("fetch options: each mode is understood", "[fetch]") {
    using Args = std::vector<std::string_view>;
    CHECK(parse_options({}).value().mode == Mode::systemd);
    const Args listen{"--config", "/c", "--listen", "/s", "--mode", "0660"};
    const auto got = parse_options(listen);
    REQUIRE_OK(got);
    CHECK(got->mode == Mode::listen);
    CHECK(got->listen_path == "/s");
    CHECK(got->listen_mode == 0660);
    CHECK(got->config == "/c");
    const Args connection{"--connection", "7"};
    CHECK(parse_options(connection).value().connection == 7);
    CHECK(parse_options(Args{"--help"}).value().mode == Mode::help);
    CHECK(parse_options(Args{"--version"}).value().mode == Mode::version);
    CHECK(parse_options(Args{"--check"}).value().mode == Mode::check);
}
