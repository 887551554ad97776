#include "agent/fetch/config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/fetch/url.h"
#include "agent/fetch/vsock_destination.h"
#include "config/duration.h"
#include "quote/base/fd.h"
#include "quote/base/json.h"

namespace attestd::fetch {
namespace {

constexpr std::size_t kMaxFileLen = std::size_t{256} << 10;

// Whoever can write this file decides where the machine's identity is sent.
Result<void> check_writers(const Fd& fd, const std::string& path) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail_errno(errno, path);
    if (!S_ISREG(st.st_mode)) return fail(Errc::bad_config, path + ": a regular file is expected");
    if (st.st_uid != 0 && st.st_uid != ::geteuid()) {
        return fail(Errc::access_denied,
                    fmt::format("{}: belongs to uid {}; it must belong to root or to the user of "
                                "attestd-fetch",
                                path, st.st_uid));
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fail(
            Errc::access_denied,
            fmt::format("{}: can be written by group or others (mode {:04o}); chmod go-w mends it",
                        path, st.st_mode & 07777));
    }
    return {};
}

Result<std::string> file_or_none(JsonObject& in, std::string_view key) {
    const auto value = in.optional(key);
    if (!value) return std::string();
    ATTESTD_TRY(std::string text, value->text());
    if (text.starts_with('/') && text.find('\0') == text.npos) return text;
    return value->fail_here(Errc::bad_value, "an absolute path is expected");
}

Result<bool> flag(JsonObject& in, std::string_view key) {
    const auto value = in.optional(key);
    return value ? value->boolean() : Result<bool>(false);
}

Result<Millis> time_or(JsonObject& in, std::string_view key, Millis otherwise) {
    const auto value = in.optional(key);
    if (!value) return otherwise;
    ATTESTD_TRY(const std::string text, value->text());
    const auto time = parse_duration(text);
    if (!time) return value->fail_here(time.error().code, time.error().detail);
    if (*time >= Millis(1) && *time <= kMaxTimeout) return *time;
    return value->fail_here(Errc::bad_value,
                            fmt::format("1ms to {} are expected", to_string(kMaxTimeout)));
}

// "name", "name:port", "[v6]:port": read as the URL that it stands for, by the parser which URLs go
// through.
Result<HostRule> parse_host(const std::string& key, const JsonValue& value) {
    const bool plain = key.find_first_of("/?#@") == key.npos;
    const bool metadata = key == kMetadataHost;
    const auto url = parse_url((metadata ? "http://" : "https://") + key + "/");
    if (!plain || !url)
        return value.fail_here(Errc::bad_value,
                               "a host is expected as NAME, NAME:PORT or [ADDRESS]:PORT, written "
                               "as URLs will have it; no wildcards");
    if (url->host == kMetadataHost && !metadata)
        return value.fail_here(Errc::bad_value,
                               "the metadata service speaks plain http on port 80: name it as "
                               "169.254.169.254");
    return HostRule{.host = url->host, .port = url->port};
}

Result<void> check_rule(const HostRule& rule, const JsonValue& value) {
    if (rule.unverified_tls && !rule.collateral_only)
        return value.fail_here(Errc::bad_config,
                               "\"unverified_tls\" is for hosts whose answers are all signed: it "
                               "needs \"collateral_only\": true");
    if (rule.unverified_tls && !rule.ca.empty())
        return value.fail_here(Errc::bad_config,
                               "\"ca\" says whom to trust and \"unverified_tls\" says not to ask: "
                               "one of them must go");
    if (rule.client_certificate.empty() != rule.client_key.empty())
        return value.fail_here(Errc::bad_config,
                               "\"client_certificate\" and \"client_key\" go together");
    const bool has_tls_keys =
        !rule.ca.empty() || !rule.client_certificate.empty() || rule.unverified_tls;
    if (rule.host == kMetadataHost && (has_tls_keys || rule.collateral_only))
        return value.fail_here(Errc::bad_config,
                               "the metadata service takes no keys: it speaks plain http");
    return {};
}

Result<HostRule> load_host(const std::string& key, const JsonValue& value) {
    ATTESTD_TRY(HostRule rule, parse_host(key, value));
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_TRY(rule.ca, file_or_none(in, "ca"));
    ATTESTD_TRY(rule.client_certificate, file_or_none(in, "client_certificate"));
    ATTESTD_TRY(rule.client_key, file_or_none(in, "client_key"));
    ATTESTD_TRY(rule.collateral_only, flag(in, "collateral_only"));
    ATTESTD_TRY(rule.unverified_tls, flag(in, "unverified_tls"));
    ATTESTD_CHECK(in.finish());
    ATTESTD_CHECK(check_rule(rule, value));
    return rule;
}

// "vsock://CID:PORT": no TLS there, so nothing to configure.
Result<void> load_vsock(const std::string& key, const JsonValue& value, FetchConfig& config) {
    const auto address = parse_vsock(key);
    if (!address || key.ends_with('/'))
        return value.fail_here(Errc::bad_value,
                               "vsock://CID:PORT is expected, both as plain decimal numbers; the "
                               "host is CID 2");
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_CHECK(in.finish());
    if (std::find(config.vsock.begin(), config.vsock.end(), *address) != config.vsock.end())
        return value.fail_here(Errc::duplicate_key, key + " is listed already");
    config.vsock.push_back(*address);
    return {};
}

Result<void> load_hosts(const JsonValue& value, FetchConfig& config) {
    ATTESTD_TRY(JsonObject in, value.object());
    for (const auto& [key, member] : in.rest()) {
        if (key.starts_with("vsock:")) {
            ATTESTD_CHECK(load_vsock(key, member, config));
            continue;
        }
        ATTESTD_TRY(HostRule rule, load_host(key, member));
        if (find_rule(config, rule.host, rule.port) != nullptr)
            return member.fail_here(Errc::duplicate_key,
                                    fmt::format("{}:{} is listed already", rule.host, rule.port));
        config.hosts.push_back(std::move(rule));
    }
    return {};
}

// http://HOST:PORT or https://HOST:PORT. No user information: it would stand in a file that may be
// read, and in nothing that an error could safely quote.
Result<std::string> load_proxy(const JsonValue& value) {
    ATTESTD_TRY(const std::string text, value.text());
    const bool http = text.starts_with("http://");
    const auto url =
        parse_url("https://" + text.substr(std::min(text.find("//") + 2, text.size())));
    const bool has_port = text.find(':', text.find("//") + 2) != text.npos;
    if ((!http && !text.starts_with("https://")) || !url || !has_port || url->path != "/" ||
        text.find('?') != text.npos) {
        return value.fail_here(Errc::bad_value,
                               "http://HOST:PORT or https://HOST:PORT is expected, without user "
                               "information, path or query");
    }
    return fmt::format("{}://{}:{}", http ? "http" : "https", url->host, url->port);
}

Result<void> load_limits(const JsonValue& value, FetchConfig& config) {
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_TRY(config.timeout, time_or(in, "timeout", config.timeout));
    ATTESTD_TRY(config.connect_timeout, time_or(in, "connect_timeout", config.connect_timeout));
    if (const auto max_body = in.optional("max_body")) {
        ATTESTD_TRY(const std::int64_t len,
                    max_body->integer(1, static_cast<std::int64_t>(kMaxAnswerBody)));
        config.max_body_len = static_cast<std::size_t>(len);
    }
    return in.finish();
}

}  // namespace

FetchConfig built_in_config() {
    FetchConfig config;
    // docs of the two vendors' services: PCS v4, its root CRL, and AMD's KDS.
    for (const char* host : {"api.trustedservices.intel.com",
                             "certificates.trustedservices.intel.com", "kdsintf.amd.com"})
        config.hosts.push_back({.host = host, .port = kHttpsPort});
    return config;
}

const HostRule* find_rule(const FetchConfig& config, std::string_view host,
                          std::uint16_t port) noexcept {
    const auto it = std::find_if(config.hosts.begin(), config.hosts.end(), [&](const HostRule& r) {
        return r.host == host && r.port == port;
    });
    return it == config.hosts.end() ? nullptr : &*it;
}

Result<FetchConfig> parse_fetch_config(std::string_view text, std::string name) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(text, std::move(name), {}, JsonComments::allowed));
    ATTESTD_TRY(JsonObject in, document.root().object());
    if (const auto schema = in.optional("$schema")) ATTESTD_CHECK(schema->text());
    FetchConfig config;
    ATTESTD_TRY(const JsonValue hosts, in.required("hosts"));
    ATTESTD_CHECK(load_hosts(hosts, config));
    if (const auto proxy = in.optional("proxy")) {
        ATTESTD_TRY(config.proxy, load_proxy(*proxy));
    }
    if (const auto limits = in.optional("limits")) ATTESTD_CHECK(load_limits(*limits, config));
    ATTESTD_CHECK(in.finish());
    return config;
}

Result<FetchConfig> load_fetch_config(const std::filesystem::path& path) {
    // O_NONBLOCK: opening a FIFO by mistake must not hang the start.
    ATTESTD_TRY(const Fd fd, open_file(path, O_RDONLY | O_NONBLOCK));
    ATTESTD_CHECK(check_writers(fd, path.string()));
    ATTESTD_TRY(const Bytes bytes, read_all(fd, kMaxFileLen, path.string()));
    return parse_fetch_config(as_text(bytes), path.string());
}

Result<FetchConfig> load_default_config() {
    auto config = load_fetch_config(kDefaultConfigFile);
    if (!config && config.error().code == Errc::not_found) return built_in_config();
    return config;
}

}  // namespace attestd::fetch
