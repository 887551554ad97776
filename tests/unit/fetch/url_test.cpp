// The URL rules, trick by trick: what is not plainly an allowed URL is refused before anybody
// connects.
#include "agent/fetch/url.h"

#include "agent/fetch/destination.h"
#include "tests/support/catch.h"

using namespace attestd;
using attestd::fetch::built_in_config;
using attestd::fetch::FetchConfig;
using attestd::fetch::judge;
using attestd::fetch::parse_url;
using attestd::test::ContainsSubstring;

namespace {

FetchConfig config() {
    FetchConfig out = built_in_config();
    out.hosts.push_back({.host = "pccs.example.com", .port = 8081, .collateral_only = true});
    out.hosts.push_back({.host = "[2001:db8::1]", .port = 443});
    out.hosts.push_back({.host = "169.254.169.254", .port = 80});
    out.hosts.push_back({.host = "10.0.0.1", .port = 443});
    return out;
}

}  // namespace

TEST_CASE("fetch URL: what is allowed is sent in its normal form", "[fetch]") {
    struct Row {
        const char* text;
        const char* sent;
    };
    const auto row = GENERATE(values<Row>({
        {"https://kdsintf.amd.com/vcek/v1/Milan/crl", "https://kdsintf.amd.com/vcek/v1/Milan/crl"},
        {"HTTPS://KdsIntf.AMD.com/vcek", "https://kdsintf.amd.com/vcek"},
        {"https://kdsintf.amd.com:443/vcek", "https://kdsintf.amd.com/vcek"},
        {"https://kdsintf.amd.com:0443/vcek", "https://kdsintf.amd.com/vcek"},
        {"https://kdsintf.amd.com", "https://kdsintf.amd.com/"},
        {"https://kdsintf.amd.com?a=b", "https://kdsintf.amd.com/?a=b"},
        {"https://kdsintf.amd.com/a/../b/./c?x=../y", "https://kdsintf.amd.com/b/c?x=../y"},
        {"https://kdsintf.amd.com/a?x=%2e%2e&y=@:", "https://kdsintf.amd.com/a?x=%2e%2e&y=@:"},
        {"https://pccs.example.com:8081/sgx/certification/v4/tcb?fmspc=00906ED50000",
         "https://pccs.example.com:8081/sgx/certification/v4/tcb?fmspc=00906ED50000"},
        {"https://[2001:db8::1]/x", "https://[2001:db8::1]/x"},
        {"https://[2001:DB8::1]/x", "https://[2001:db8::1]/x"},
        {"http://169.254.169.254/metadata/x?api-version=1",
         "http://169.254.169.254/metadata/x?api-version=1"},
        {"http://169.254.169.254:80/x", "http://169.254.169.254/x"},
        {"https://10.0.0.1/x", "https://10.0.0.1/x"},
    }));
    INFO(row.text);
    const auto got = judge(config(), "GET", row.text);
    REQUIRE_OK(got);
    CHECK(got->url.text == row.sent);
}

TEST_CASE("fetch URL: what is not plainly an allowed URL is denied, and says why", "[fetch]") {
    struct Row {
        const char* what;
        std::string text;
        const char* why;
    };
    const auto row = GENERATE(values<Row>({
        {"empty", "", "absolute URL"},
        {"a path", "/vcek/v1/Milan/crl", "absolute URL"},
        {"no scheme", "kdsintf.amd.com/vcek", "absolute URL"},
        {"no scheme, two slashes", "//kdsintf.amd.com/vcek", "absolute URL"},
        {"one slash", "https:/kdsintf.amd.com/vcek", "absolute URL"},
        {"three slashes", "https:///kdsintf.amd.com/vcek", "names no host"},
        {"no host", "https://", "names no host"},
        {"no host but a port", "https://:443/", "malformed"},
        {"plain http", "http://kdsintf.amd.com/vcek", "only https"},
        {"plain http on the https port", "http://kdsintf.amd.com:443/vcek", "only https"},
        {"ftp", "ftp://kdsintf.amd.com/vcek", "only https"},
        {"file", "file:///etc/passwd", "only https"},
        {"gopher", "gopher://kdsintf.amd.com/vcek", "only https"},
        {"a scheme that begins well", "httpsx://kdsintf.amd.com/vcek", "only https"},
        {"vsock", "vsock://2:4050", "quote service alone"},
        {"unlisted host", "https://example.com/", "not listed"},
        {"unlisted subdomain", "https://x.kdsintf.amd.com/", "not listed"},
        {"a listed name as a label", "https://kdsintf.amd.com.example.com/", "not listed"},
        {"a listed name as a suffix", "https://evilkdsintf.amd.com/", "not listed"},
        {"other port", "https://kdsintf.amd.com:8443/", "not listed"},
        {"other port of a listed host with one", "https://pccs.example.com/sgx/x", "not listed"},
        {"port 0", "https://kdsintf.amd.com:0/", "malformed"},
        {"port beyond 16 bits", "https://kdsintf.amd.com:65979/", "malformed"},
        {"port with a sign", "https://kdsintf.amd.com:+443/", "malformed"},
        {"user", "https://user@kdsintf.amd.com/", "user information"},
        {"user and password", "https://user:pass@kdsintf.amd.com/", "user information"},
        {"empty user", "https://@kdsintf.amd.com/", "user information"},
        {"a listed host as user", "https://kdsintf.amd.com@example.com/", "user information"},
        {"a listed host and port as user", "https://kdsintf.amd.com:443@example.com/",
         "user information"},
        {"encoded @", "https://kdsintf.amd.com%40example.com/", "plainly"},
        {"encoded letter", "https://kdsintf.amd.c%6fm/", "plainly"},
        {"encoded dot", "https://kdsintf%2eamd.com/", "plainly"},
        {"encoded NUL", "https://kdsintf.amd.com%00.example.com/", "plainly"},
        {"trailing dot", "https://kdsintf.amd.com./", "end in a dot"},
        {"trailing dot and port", "https://kdsintf.amd.com.:443/", "end in a dot"},
        {"backslash", "https://example.com\\@kdsintf.amd.com/", "backslash"},
        {"backslash for a slash", "https:\\\\kdsintf.amd.com/", "backslash"},
        {"fragment", "https://kdsintf.amd.com/#x", "fragment"},
        {"fragment before the host's end", "https://example.com#@kdsintf.amd.com/", "fragment"},
        {"line end", "https://kdsintf.amd.com/\r\nX: y", "control character"},
        {"tab in the host", "https://kdsintf.amd\t.com/", "control character"},
        {"blank", "https://kdsintf.amd.com/a b", "blank"},
        {"leading blank", " https://kdsintf.amd.com/", "blank"},
        {"NUL", std::string("https://kdsintf.amd.com/\0x", 26), "control character"},
        {"DEL", "https://kdsintf.amd.com/\x7f", "control character"},
        {"beyond ASCII", "https://kdsintf.amd.c\xc3\xb6m/", "beyond ASCII"},
        {"ideographic full stop",
         "https://kdsintf\xe3\x80\x82"
         "amd.com/",
         "beyond ASCII"},
        {"too long", "https://kdsintf.amd.com/" + std::string(8000, 'x'), "too long"},
        {"IPv6 that is not listed", "https://[2001:db8::2]/", "not listed"},
        {"IPv6 not in its short form", "https://[2001:db8:0::1]/", "must be written as"},
        {"IPv6 with a zone", "https://[fe80::1%25eth0]/", "plainly"},
        {"IPv6 without its end", "https://[2001:db8::1/", "malformed"},
        {"IPv6 around IPv4", "https://[::ffff:10.0.0.1]/", ""},
        {"decimal address", "https://167772161/", "must be written as"},
        {"hexadecimal address", "https://0x0a000001/", "must be written as"},
        {"octal part", "https://012.0.0.1/", "must be written as"},
        {"short address", "https://10.1/", "must be written as"},
        {"metadata by https", "https://169.254.169.254:80/x", "plain http"},
        {"metadata by https on its port", "https://169.254.169.254/x", "not listed"},
        {"metadata on another port", "http://169.254.169.254:8080/x", "only https"},
        {"metadata, decimal", "http://2852039166/x", "must be written as"},
        {"metadata, hexadecimal", "http://0xa9fea9fe/x", "must be written as"},
        {"metadata, hexadecimal parts", "http://0xa9.0xfe.0xa9.0xfe/x", "must be written as"},
        {"metadata, octal parts", "http://0251.0376.0251.0376/x", "must be written as"},
        {"metadata, one octal part", "http://169.254.169.0376/x", "must be written as"},
        {"metadata, short", "http://169.254.43518/x", "must be written as"},
        {"metadata, trailing dot", "http://169.254.169.254./x", "end in a dot"},
        {"metadata, user", "http://x@169.254.169.254/x", "user information"},
        {"metadata within IPv6", "http://[::ffff:169.254.169.254]/x", ""},
        {"metadata within IPv6, hexadecimal", "http://[::ffff:a9fe:a9fe]/x", "only https"},
        {"another link-local address", "http://169.254.169.253/x", "only https"},
        {"this machine by http", "http://127.0.0.1/x", "only https"},
        {"localhost by http", "http://localhost/x", "only https"},
    }));
    INFO(row.what);
    const auto got = judge(config(), "GET", row.text);
    REQUIRE_ERRC(Errc::fetch_denied, got);
    CHECK_THAT(got.error().detail, ContainsSubstring(row.why));
}

TEST_CASE("fetch URL: the metadata service is reached only where it is listed", "[fetch]") {
    const auto got = judge(built_in_config(), "GET", "http://169.254.169.254/metadata/x");
    REQUIRE_ERRC(Errc::fetch_denied, got);
    CHECK_THAT(got.error().detail, ContainsSubstring("add \"169.254.169.254\""));
}

TEST_CASE("fetch URL: the built-in list is Intel's and AMD's services by https", "[fetch]") {
    for (const char* url :
         {"https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=x",
          "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
          "https://kdsintf.amd.com/vcek/v1/Genoa/cert_chain"}) {
        INFO(url);
        REQUIRE_OK(judge(built_in_config(), "GET", url));
    }
    CHECK(built_in_config().hosts.size() == 3);
}

TEST_CASE("fetch URL: an error never repeats the query, which may identify the machine",
          "[fetch]") {
    const auto got = judge(built_in_config(), "GET", "https://example.com/p?encrypted_ppid=c0ffee");
    REQUIRE_ERRC(Errc::fetch_denied, got);
    CHECK_THAT(got.error().detail, ContainsSubstring("https://example.com:443/p"));
    CHECK_THAT(got.error().detail, !ContainsSubstring("c0ffee"));
}

TEST_CASE("fetch: methods other than GET, POST, PUT, LIST and DELETE are denied", "[fetch]") {
    const std::string url = "https://kdsintf.amd.com/x";
    for (const char* method : {"GET", "POST", "PUT", "LIST", "DELETE"}) {
        INFO(method);
        REQUIRE_OK(judge(config(), method, url));
    }
    for (const char* method :
         {"", "get", "HEAD", "delete", "CONNECT", "OPTIONS", "PATCH", "TRACE"}) {
        INFO(method);
        REQUIRE_ERRC(Errc::fetch_denied, judge(config(), method, url));
    }
}

TEST_CASE("fetch: a collateral_only host gets GET of signed endorsements and nothing else",
          "[fetch]") {
    struct Row {
        const char* method;
        const char* path;
        bool allowed;
    };
    const auto row = GENERATE(values<Row>({
        {"GET", "/sgx/certification/v4/pckcrl?ca=platform&encoding=der", true},
        {"GET", "/tdx/certification/v4/qe/identity?update=early", true},
        {"GET", "/vcek/v1/Milan/crl", true},
        {"GET", "/vlek/v1/Milan/cert_chain", true},
        {"POST", "/sgx/certification/v4/pckcrl", false},
        {"PUT", "/sgx/certification/v4/platformcollateral", false},
        {"LIST", "/sgx/", false},
        {"DELETE", "/sgx/", false},
        {"GET", "/", false},
        {"GET", "/sgx", false},
        {"GET", "/sgxx/certification", false},
        {"GET", "/SGX/certification", false},
        {"GET", "/v1/secret/x", false},
        {"GET", "//sgx/x", false},
        {"GET", "/sgx/../v1/secret/x", false},
        {"GET", "/sgx/%2e%2e/v1/secret/x", false},
        {"GET", "/sgx/..%2fv1/secret/x", false},
        {"GET", "/sgx/..;/v1/secret", false},
        {"GET", "/v1/secret?x=/sgx/", false},
    }));
    INFO(row.method << ' ' << row.path);
    const auto got =
        judge(config(), row.method, std::string("https://pccs.example.com:8081") + row.path);
    if (row.allowed) {
        REQUIRE_OK(got);
    } else {
        REQUIRE_ERRC(Errc::fetch_denied, got);
        CHECK_THAT(got.error().detail, ContainsSubstring("collateral_only"));
    }
}
