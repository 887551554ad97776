#include "agent/fetch/destination.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/fetch/http_destination.h"
#include "agent/fetch/vsock_destination.h"
#include "quote/base/lower_case.h"

namespace attestd::fetch {
namespace {

constexpr std::array<std::string_view, 5> kMethods{"GET", "POST", "PUT", "LIST", "DELETE"};
// Under these, Intel's and AMD's services (and caches of them) give nothing that is not signed.
constexpr std::array<std::string_view, 4> kCollateralPaths{"/sgx/", "/tdx/", "/vcek/", "/vlek/"};

bool is_collateral_path(std::string_view path) noexcept {
    const bool known = std::any_of(kCollateralPaths.begin(), kCollateralPaths.end(),
                                   [&](std::string_view p) { return path.starts_with(p); });
    // No escapes: "%2e%2e" leaves the folder at some servers.
    const bool plain = std::all_of(path.begin(), path.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '/' || c == '-' || c == '_' || c == '.';
    });
    return known && plain;
}

}  // namespace

Result<Destination> judge(const FetchConfig& config, std::string_view method,
                          std::string_view text) {
    if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end())
        return fail(Errc::fetch_denied,
                    fmt::format("method {}: GET, POST, PUT, LIST and DELETE are allowed",
                                printable(method)));
    ATTESTD_TRY(Url url, parse_url(text));
    const HostRule* const rule = find_rule(config, url.host, url.port);
    if (rule == nullptr) {
        const auto key = url.port == kHttpsPort || url.host == kMetadataHost
                             ? url.host
                             : fmt::format("{}:{}", url.host, url.port);
        return fail(Errc::fetch_denied,
                    fmt::format("{}: the host and port are not listed; add \"{}\" to \"hosts\" in "
                                "attestd-fetch's configuration",
                                url.place, key));
    }
    if (url.host == kMetadataHost && url.scheme != "http")
        return fail(Errc::fetch_denied, url.place + ": the metadata service speaks plain http");
    if (rule->collateral_only && (method != "GET" || !is_collateral_path(url.path)))
        return fail(Errc::fetch_denied,
                    fmt::format("{} {}: this host is \"collateral_only\": GET below /sgx/, /tdx/, "
                                "/vcek/ and /vlek/ is allowed",
                                method, url.place));
    return Destination{std::move(url), rule};
}

Result<ServerAnswer> fetch_from_destination(const FetchConfig& config,
                                            const ProxyRequest& request) {
    if (lower_case(request.url).starts_with("vsock:")) return fetch_over_vsock(config, request);
    ATTESTD_TRY(const Destination destination, judge(config, request.method, request.url));
    return fetch_over_http(config, destination, request);
}

}  // namespace attestd::fetch
