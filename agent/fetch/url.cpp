#include "agent/fetch/url.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "agent/fetch/message.h"
#include "quote/base/lower_case.h"
#include "quote/base/ossl.h"

namespace attestd::fetch {
namespace {

constexpr std::size_t kMaxUrlLen = 8000;  // RFC 9110 section 4.1: what everybody should take
constexpr unsigned kParseFlags = CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER;

using UrlHandle = std::unique_ptr<CURLU, Free<curl_url_cleanup>>;
using CurlText = std::unique_ptr<char, Free<curl_free>>;

tl::unexpected<Error> denied(std::string_view text, std::string_view why) {
    return fail(Errc::fetch_denied, fmt::format("URL {}: {}", printable(text), why));
}

std::string part(const UrlHandle& handle, CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(handle.get(), which, &text, flags) != CURLUE_OK) return {};
    const CurlText owned(text);
    return std::string(owned.get());
}

std::string_view authority_of(std::string_view text, std::size_t scheme_end) noexcept {
    const std::string_view rest = text.substr(scheme_end + 3);
    return rest.substr(0, rest.find_first_of("/?#"));
}

std::string_view host_of(std::string_view authority) noexcept {
    if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
    return authority.substr(0, authority.find(':'));
}

// What can be told from the characters alone; empty when nothing is wrong.
std::string_view fault_of_text(std::string_view text) noexcept {
    if (text.size() > kMaxUrlLen) return "it is too long";
    const bool visible =
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (!visible) return "it has a blank, a control character or a byte beyond ASCII";
    if (text.find_first_of("\\#") != text.npos) return "it has a backslash or a fragment";
    return {};
}

std::string_view fault_of_authority(std::string_view authority) noexcept {
    if (authority.empty()) return "it names no host";
    if (authority.find('@') != authority.npos) return "user information is not allowed";
    if (authority.find('%') != authority.npos) return "the host must be written plainly";
    if (host_of(authority).ends_with('.')) return "the host must not end in a dot";
    return {};
}

std::string_view fault_of_scheme(std::string_view scheme) noexcept {
    if (scheme == "https" || scheme == "http") return {};
    if (scheme == "vsock") return "vsock is for the host's quote service alone";
    return "only https is allowed";
}

std::uint16_t number(const std::string& port) noexcept {
    std::uint16_t out = 0;
    const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), out);
    return ec == std::errc() && end == port.data() + port.size() ? out : std::uint16_t{0};
}

// Fills `url` from libcurl's reading; false when it does not read it.
bool read_parts(const UrlHandle& handle, const std::string& text, Url& url) {
    if (!handle ||
        curl_url_set(handle.get(), CURLUPART_URL, text.c_str(), kParseFlags) != CURLUE_OK)
        return false;
    url.host = lower_case(part(handle, CURLUPART_HOST));
    if (curl_url_set(handle.get(), CURLUPART_HOST, url.host.c_str(), 0) != CURLUE_OK) return false;
    url.port = number(part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT));
    url.path = part(handle, CURLUPART_PATH);
    url.text = part(handle, CURLUPART_URL, CURLU_NO_DEFAULT_PORT);
    return url.port != 0 && !url.path.empty() && !url.text.empty();
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
    if (const auto fault = fault_of_text(text); !fault.empty()) return denied(text, fault);
    const std::size_t scheme_end = text.find("://");
    if (scheme_end == text.npos) return denied(text, "an absolute URL is expected");
    Url url;
    url.scheme = lower_case(text.substr(0, scheme_end));
    if (const auto fault = fault_of_scheme(url.scheme); !fault.empty()) return denied(text, fault);
    const std::string_view authority = authority_of(text, scheme_end);
    if (const auto fault = fault_of_authority(authority); !fault.empty())
        return denied(text, fault);

    const UrlHandle handle(curl_url());
    if (!read_parts(handle, std::string(text), url)) return denied(text, "it is malformed");
    // libcurl decodes what is encoded and reads 0xa9fea9fe as an address: nobody needs that here.
    if (lower_case(host_of(authority)) != url.host)
        return denied(text, fmt::format("the host must be written as {}", url.host));
    if (url.scheme == "http" && (url.host != kMetadataHost || url.port != kHttpPort))
        return denied(text, "only https is allowed; plain http is for the metadata service alone");
    url.place = fmt::format("{}://{}:{}{}", url.scheme, url.host, url.port, printable(url.path));
    return url;
}

}  // namespace attestd::fetch
