// The configuration of attestd-fetch: which hosts it may reach, and how.
//
// JSON with comments, /etc/attestd/fetch.json, explained key by key in config/fetch.schema.json.
// Without a file the built-in list applies: Intel's and AMD's own services.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/result.h"

namespace attestd::fetch {

inline constexpr std::string_view kDefaultConfigFile = "/etc/attestd/fetch.json";

/// No request takes longer, whatever it and the configuration say.
inline constexpr std::chrono::milliseconds kMaxTimeout = std::chrono::minutes(5);
/// No answer is larger, whatever the request and the configuration say.
inline constexpr std::size_t kMaxAnswerBody = std::size_t{16} << 20;

struct HostRule {
    std::string host;  ///< lower case; IPv6 in brackets
    std::uint16_t port = 0;
    std::string ca{};  ///< PEM file in place of the system's store; empty: the system's
    std::string client_certificate{}, client_key{};  ///< PEM files; both or none
    bool collateral_only = false;                    ///< only GET of signed endorsements
    bool unverified_tls = false;                     ///< only together with collateral_only
};

/// Where the host's quote service listens: "vsock://CID:PORT" among the hosts.
struct VsockAddress {
    std::uint32_t cid = 0, port = 0;
    friend bool operator==(const VsockAddress&, const VsockAddress&) = default;
};

struct FetchConfig {
    std::vector<HostRule> hosts{};
    std::vector<VsockAddress> vsock{};
    std::string proxy{};  ///< URL; empty: none
    std::chrono::milliseconds timeout = std::chrono::seconds(30);
    std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
    std::size_t max_body_len = std::size_t{2} << 20;  ///< the largest CRLs have under 1 MiB
};

[[nodiscard]] FetchConfig built_in_config();

/// The rule for a host and port, or nullptr.
[[nodiscard]] const HostRule* find_rule(const FetchConfig& config, std::string_view host,
                                        std::uint16_t port) noexcept;

/// Parses `text`; `name` is what errors call it. Every complaint names file, line and what was
/// expected.
[[nodiscard]] Result<FetchConfig> parse_fetch_config(std::string_view text, std::string name);

/// The file at `path`, which only root or this process' user may be able to write
/// (Errc::access_denied). Errc::not_found when it is not there.
[[nodiscard]] Result<FetchConfig> load_fetch_config(const std::filesystem::path& path);

/// The file at kDefaultConfigFile, or the built-in configuration when there is none.
[[nodiscard]] Result<FetchConfig> load_default_config();

}  // namespace attestd::fetch
