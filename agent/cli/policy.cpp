// attestctl policy: check reads a configuration or an appraisal policy as the daemon would, and
// says where it is wrong and what was expected; init is in policy_init.cpp.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <memory>

#include "agent/cli/command.h"
#include "agent/cli/output.h"
#include "agent/cli/policy_init.h"
#include "config/loader.h"
#include "quote/base/fd.h"
#include "quote/base/json.h"
#include "verifier/policy.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxFileLen = std::size_t{1} << 20;

struct PolicyOptions {
    std::string file;
};

enum class DocumentKind : std::uint8_t { configuration, appraisal_policy };

// An appraisal policy has members named after kinds of evidence alone; a configuration never has
// one.
Outcome<DocumentKind> kind_of(const Bytes& bytes, const std::string& file) {
    constexpr std::array<std::string_view, 5> kPolicyKeys{"tdx", "snp", "sgx", "gpu", "event_log"};
    constexpr std::array<std::string_view, 4> kConfigKeys{"platform", "verifier", "sources",
                                                          "secrets"};
    ATTESTD_TRY(
        const JsonDocument document,
        JsonDocument::parse(as_text(bytes), file, {.max_len = kMaxFileLen}, JsonComments::allowed));
    ATTESTD_TRY(JsonObject object, document.root().object());
    const auto has = [&](std::string_view key) { return object.optional(key).has_value(); };
    const bool policy = std::any_of(kPolicyKeys.begin(), kPolicyKeys.end(), has);
    const bool config = std::any_of(kConfigKeys.begin(), kConfigKeys.end(), has);
    if (policy != config)
        return policy ? DocumentKind::appraisal_policy : DocumentKind::configuration;
    return tl::make_unexpected(
        Failure({Errc::bad_config,
                 file + ": neither a configuration (platform, verifier, sources, secrets) nor an "
                        "appraisal policy (tdx, snp, sgx, gpu, event_log)"}));
}

Outcome<int> check_policy(const PolicyOptions& options) {
    auto bytes = read_file(options.file, kMaxFileLen);
    if (!bytes) return wrong_usage(std::move(bytes).error());
    ATTESTD_TRY(const DocumentKind kind, kind_of(*bytes, options.file));
    if (kind == DocumentKind::configuration) {
        ATTESTD_CHECK(load_config(options.file));
        ATTESTD_CHECK(print(fmt::format("{}: a valid configuration\n", options.file)));
        return exit_status::done;
    }
    ATTESTD_CHECK(parse_appraisal_policy(as_text(*bytes), options.file, PolicyStrictness::strict));
    ATTESTD_CHECK(print(fmt::format("{}: a valid appraisal policy\n", options.file)));
    return exit_status::done;
}

}  // namespace

void add_policy_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<PolicyOptions>();
    CLI::App* const policy =
        app.add_subcommand("policy", "Check and draft configuration and appraisal policies");
    policy->require_subcommand(1);
    CLI::App* const check =
        policy->add_subcommand("check", "Say whether the daemon would take a file");
    check->add_option("FILE", options->file, "attestd.json, or an appraisal policy")->required();
    check->callback([options, &chosen] { chosen = [options] { return check_policy(*options); }; });
    add_policy_init(*policy, chosen);
}

}  // namespace attestd::cli
