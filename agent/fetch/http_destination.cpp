#include "agent/fetch/http_destination.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "agent/fetch/curl_error.h"
#include "quote/base/lower_case.h"
#include "quote/base/ossl.h"

namespace attestd::fetch {
namespace {

// All headers of one answer: issuer chains of collateral have some KiB. The client takes 16 KiB.
constexpr std::size_t kMaxHeadersLen = 14 * 1024;
// Slower than this for so long is a server that keeps us, not a slow line.
constexpr long kLowSpeedBytes = 64;
constexpr long kLowSpeedSeconds = 30;
constexpr unsigned kFirstFinalStatus = 200;
constexpr unsigned kLastStatus = 599;
constexpr const char* kUserAgent = "User-Agent: attestd-fetch/" ATTESTD_VERSION;

using Handle = std::unique_ptr<CURL, Free<curl_easy_cleanup>>;
using List = std::unique_ptr<curl_slist, Free<curl_slist_free_all>>;

// Sets options until one fails; an option that this libcurl lacks is never passed over.
class Options final {
 public:
    explicit Options(CURL* handle) noexcept : handle_(handle) {}
    template <class Value>
    Options& set(CURLoption option, Value value) {
        if (code_ == CURLE_OK) code_ = curl_easy_setopt(handle_, option, value);
        return *this;
    }
    [[nodiscard]] CURLcode code() const noexcept { return code_; }

 private:
    CURL* handle_;
    CURLcode code_ = CURLE_OK;
};

// What the callbacks take down, within its limits.
struct Received {
    std::size_t max_body_len = 0;
    std::size_t headers_len = 0;
    bool headers_too_large = false, body_too_large = false;
    Bytes body{};
};

// Less than was given makes libcurl stop.
constexpr std::size_t kStop = 0;

std::size_t on_header(char*, std::size_t size, std::size_t count, void* user) {
    auto& received = *static_cast<Received*>(user);
    received.headers_len += size * count;
    received.headers_too_large = received.headers_len > kMaxHeadersLen;
    return received.headers_too_large ? kStop : size * count;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
    auto& received = *static_cast<Received*>(user);
    const std::size_t len = size * count;
    received.body_too_large = len > received.max_body_len - received.body.size();
    if (received.body_too_large) return kStop;
    const ByteView bytes = as_bytes({data, len});
    received.body.insert(received.body.end(), bytes.begin(), bytes.end());
    return len;
}

bool append(List& list, const std::string& line) {
    curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) return false;
    static_cast<void>(list.release());
    list.reset(longer);
    return true;
}

bool has(const Fields& fields, std::string_view name) {
    return std::any_of(fields.begin(), fields.end(),
                       [&](const auto& f) { return lower_case(f.first) == name; });
}

// The client's headers as they stand; what libcurl would add by itself is taken away.
Result<List> header_list(const ProxyRequest& request) {
    std::vector<std::string> lines;
    for (const auto& [name, value] : request.fields) {
        // libcurl spells an empty header with a semicolon.
        lines.push_back(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
    }
    if (!has(request.fields, "user-agent")) lines.emplace_back(kUserAgent);
    if (!has(request.fields, "content-type")) lines.emplace_back("Content-Type:");
    lines.emplace_back("Expect:");
    List list;
    for (const std::string& line : lines) {
        if (!append(list, line)) return fail(Errc::fetch_process, "out of memory");
    }
    return list;
}

// What no request may do, whatever it asks for.
void restrict(Options& options, const FetchConfig& config, const Destination& destination) {
    const bool https = destination.url.scheme == "https";
    options.set(CURLOPT_PROTOCOLS_STR, https ? "https" : "http")
        .set(CURLOPT_REDIR_PROTOCOLS_STR, "https")  // none is followed; libcurl takes no empty list
        .set(CURLOPT_FOLLOWLOCATION, 0L)
        .set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1))
        .set(CURLOPT_HTTP09_ALLOWED, 0L)
        .set(CURLOPT_HTTP_CONTENT_DECODING, 0L)
        .set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED))
        .set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L)
        .set(CURLOPT_NOSIGNAL, 1L)
        // Set in any case, and with it the environment's variables have no say.
        .set(CURLOPT_PROXY, https ? config.proxy.c_str() : "")
        .set(CURLOPT_NOPROXY, "")
        .set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void secure(Options& options, const HostRule& rule) {
    const long verify = rule.unverified_tls ? 0L : 1L;
    options.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2))
        .set(CURLOPT_SSL_VERIFYPEER, verify)
        .set(CURLOPT_SSL_VERIFYHOST, 2 * verify);
    if (!rule.ca.empty()) {
        options.set(CURLOPT_CAINFO, rule.ca.c_str())
            .set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    if (!rule.client_certificate.empty()) {
        options.set(CURLOPT_SSLCERT, rule.client_certificate.c_str())
            .set(CURLOPT_SSLKEY, rule.client_key.c_str());
    }
}

void limit(Options& options, const FetchConfig& config, Millis timeout, Received& received) {
    const Millis connect = std::min(config.connect_timeout, timeout);
    options.set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()))
        .set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect.count()))
        .set(CURLOPT_LOW_SPEED_LIMIT, kLowSpeedBytes)
        .set(CURLOPT_LOW_SPEED_TIME, kLowSpeedSeconds)
        .set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(received.max_body_len))
        .set(CURLOPT_HEADERFUNCTION, &on_header)
        .set(CURLOPT_HEADERDATA, static_cast<void*>(&received))
        .set(CURLOPT_WRITEFUNCTION, &on_body)
        .set(CURLOPT_WRITEDATA, static_cast<void*>(&received));
}

void ask(Options& options, const Destination& destination, const ProxyRequest& request,
         const List& headers) {
    options.set(CURLOPT_URL, destination.url.text.c_str()).set(CURLOPT_HTTPHEADER, headers.get());
    if (request.method == "POST" || request.method == "PUT") {
        options.set(CURLOPT_POST, 1L)
            .set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()))
            .set(CURLOPT_POSTFIELDS, as_text(request.body).data());
    }
    if (request.method != "GET" && request.method != "POST")
        options.set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

long number(CURL* handle, CURLINFO which) noexcept {
    long value = 0;
    return curl_easy_getinfo(handle, which, &value) == CURLE_OK ? value : 0;
}

bool can_be_written(std::string_view name, std::string_view value) noexcept {
    const auto in_name = [](char c) {
        return c > ' ' && c <= '~' &&
               std::string_view("\"(),/:;<=>?@[\\]{}").find(c) == std::string_view::npos;
    };
    const auto in_value = [](char c) {
        return c == '\t' || (c >= ' ' && c <= '~') || static_cast<unsigned char>(c) >= 0x80;
    };
    return !name.empty() && std::all_of(name.begin(), name.end(), in_name) &&
           std::all_of(value.begin(), value.end(), in_value);
}

// A header that is no header by RFC 9110 cannot be said again; without it the rest is still good.
Fields fields_of(CURL* handle) {
    Fields fields;
    curl_header* field = nullptr;
    while ((field = curl_easy_nextheader(handle, CURLH_HEADER, /*request=*/-1, field)) != nullptr) {
        if (can_be_written(field->name, field->value))
            fields.emplace_back(field->name, field->value);
    }
    return fields;
}

std::string_view field_of(const Fields& fields, std::string_view name) {
    const auto it = std::find_if(fields.begin(), fields.end(),
                                 [&](const auto& f) { return lower_case(f.first) == name; });
    return it == fields.end() ? std::string_view() : std::string_view(it->second);
}

bool is_redirect(unsigned status) noexcept {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Two lengths are how one answer is made to look like two to somebody else on the way.
bool has_two_lengths(const Fields& fields) {
    std::string_view first;
    for (const auto& [name, value] : fields) {
        if (lower_case(name) != "content-length") continue;
        if (!first.empty() && first != value) return true;
        first = value;
    }
    return false;
}

Result<void> check(const ServerAnswer& answer, const std::string& place) {
    if (answer.status < kFirstFinalStatus || answer.status > kLastStatus)
        return fail(Errc::fetch_protocol,
                    fmt::format("{}: reading the answer: status {} is none; is this an HTTP "
                                "server?",
                                place, answer.status));
    if (has_two_lengths(answer.fields))
        return fail(Errc::fetch_protocol,
                    place +
                        ": reading the answer: it states two lengths; look at the server or "
                        "what is before it");
    if (is_redirect(answer.status))
        return fail(
            Errc::fetch_redirected,
            fmt::format("{}: reading the answer: status {} points to {}, and redirects are "
                        "not followed; name the final URL",
                        place, answer.status, printable(field_of(answer.fields, "location"))));
    const auto encoding = field_of(answer.fields, "content-encoding");
    if (!encoding.empty() && lower_case(encoding) != "identity")
        return fail(Errc::fetch_protocol,
                    fmt::format("{}: reading the body: it is encoded as {}, which was not asked "
                                "for",
                                place, printable(encoding)));
    return {};
}

}  // namespace

Result<ServerAnswer> fetch_over_http(const FetchConfig& config, const Destination& destination,
                                     const ProxyRequest& request) {
    const Millis timeout = request.timeout > Millis::zero()
                               ? std::min(request.timeout, config.timeout)
                               : config.timeout;
    Received received;
    received.max_body_len = request.max_body_len != 0
                                ? std::min(request.max_body_len, config.max_body_len)
                                : config.max_body_len;
    ATTESTD_TRY(const List headers, header_list(request));
    const Handle handle(curl_easy_init());
    if (!handle) return fail(Errc::fetch_process, "libcurl cannot be used");
    std::array<char, CURL_ERROR_SIZE> words{};

    Options options(handle.get());
    options.set(CURLOPT_ERRORBUFFER, words.data());
    restrict(options, config, destination);
    secure(options, *destination.rule);
    limit(options, config, timeout, received);
    ask(options, destination, request, headers);
    CURLcode code = options.code();
    if (code == CURLE_OK) code = curl_easy_perform(handle.get());
    if (code != CURLE_OK) {
        const long connect_status = number(handle.get(), CURLINFO_HTTP_CONNECTCODE);
        const CurlFailure failure{code,
                                  words.data(),
                                  received.headers_too_large,
                                  received.body_too_large,
                                  connect_status != 0 && connect_status / 100 != 2,
                                  received.headers_len != 0};
        return tl::make_unexpected(describe(failure, destination.url.place));
    }
    ServerAnswer answer;
    answer.status = static_cast<unsigned>(number(handle.get(), CURLINFO_RESPONSE_CODE));
    answer.fields = fields_of(handle.get());
    answer.body = std::move(received.body);
    ATTESTD_CHECK(check(answer, destination.url.place));
    answer.fields = end_to_end(answer.fields);
    return answer;
}

}  // namespace attestd::fetch
