#include "agent/cli/daemon_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "agent/cli/daemon.h"

namespace attestd::cli {
namespace {

constexpr std::chrono::seconds kSecretPatience{30};  // beyond what we ask the daemon to wait
constexpr unsigned kSuccess = 200;
constexpr unsigned kNotModified = 304;

Result<std::chrono::seconds> keep_for(const UnixResponseHead& head) {
    const auto it = std::find_if(head.fields.begin(), head.fields.end(), [](const auto& field) {
        return field.first == "attestd-keep-for";
    });
    const std::string text = it == head.fields.end() ? "" : it->second;
    std::uint32_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [after, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || after != end || text.empty())
        return fail(Errc::protocol, "the daemon does not say how long the secret may be kept");
    return std::chrono::seconds(value);
}

}  // namespace

Result<SecretAnswer> DaemonService::ask(const std::string& name, const std::string& known,
                                        std::chrono::seconds wait) {
    UnixRequest request;
    request.target = "/v1/secrets/" + name;
    request.accept = "application/octet-stream";
    request.if_none_match = known;
    if (!known.empty() && wait.count() > 0) request.target += fmt::format("?wait={}", wait.count());
    const auto deadline = std::chrono::steady_clock::now() + wait + kSecretPatience;
    ATTESTD_TRY(UnixSecretResponse answer, UnixClient(path_).exchange_secret(request, deadline));
    const unsigned status = answer.head.status;
    if (status != kSuccess && (status != kNotModified || known.empty())) {
        return answer.body.expose([&](ByteView problem) -> Result<SecretAnswer> {
            return tl::make_unexpected(problem_from(status, problem));
        });
    }
    SecretAnswer out;
    ATTESTD_TRY(out.keep_for, keep_for(answer.head));
    out.version = answer.head.etag;
    if (status == kSuccess) out.value = std::move(answer.body);
    return out;
}

}  // namespace attestd::cli
