// attestctl policy: check reads a configuration or an appraisal policy as the daemon would, says
// where it is wrong and what was expected, and what it says that nobody can have meant; --live asks
// the running daemon what the configuration would change. init and explain are in files of their
// own.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/cli/command.h"
#include "agent/cli/daemon.h"
#include "agent/cli/output.h"
#include "agent/cli/policy_explain.h"
#include "agent/cli/policy_init.h"
#include "config/lint.h"
#include "config/loader.h"
#include "quote/base/encoding.h"
#include "quote/base/fd.h"
#include "quote/base/json.h"
#include "verifier/policy.h"

namespace attestd::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxPolicyFileLen = std::size_t{1} << 20;
constexpr JsonLimits kLiveLimits{.max_len = std::size_t{2} << 20, .max_depth = 16};

struct PolicyOptions {
    std::string file;
    std::string root;
    std::string admin_socket = kAdminSocket;
    bool live = false;
    bool json = false;
};

enum class DocumentKind : std::uint8_t { configuration, appraisal_policy };

// An appraisal policy has members named after kinds of evidence alone; a configuration never has
// one.
Outcome<DocumentKind> kind_of(const Bytes& bytes, const std::string& file) {
    constexpr std::array<std::string_view, 5> kPolicyKeys{"tdx", "snp", "sgx", "gpu", "event_log"};
    constexpr std::array<std::string_view, 4> kConfigKeys{"platform", "verifier", "sources",
                                                          "secrets"};
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(bytes), file, {.max_len = kMaxPolicyFileLen},
                                    JsonComments::allowed));
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

// What the running daemon says to the file. It reads it itself, as it would on a reload.
Outcome<ordered_json> ask_daemon(const PolicyOptions& options) {
    std::error_code ec;
    const auto path = std::filesystem::absolute(options.file, ec);
    if (ec) return wrong_usage({Errc::io_failed, options.file + ": " + ec.message()});
    const std::string body = ordered_json{{"config", path.lexically_normal().string()}}.dump();
    ATTESTD_TRY(
        const Bytes answer,
        DaemonClient(options.admin_socket).ask(json_request("POST", "/v1/admin/check", body)));
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(answer), "the daemon's answer", kLiveLimits));
    ATTESTD_CHECK(document.root().object());
    return ordered_json(document.root().raw());
}

ordered_json checked_json(const PolicyOptions& options, const Config& config,
                          const std::vector<LintFinding>& findings) {
    ordered_json out;
    out["file"] = options.file;
    out["valid"] = true;
    out["config_binding"] = config_binding_name(config.config_binding);
    // What the machine is to be launched with: HOST_DATA of an SNP guest, MRCONFIGID of a TDX
    // guest.
    out["host_data"] = to_hex(config.digest);
    out["mrconfigid"] = to_hex(config.digest_sha384);
    out["warnings"] = ordered_json::array();
    for (const LintFinding& finding : findings) {
        out["warnings"].push_back(
            {{"id", finding.id}, {"where", finding.where}, {"detail", finding.detail}});
    }
    return out;
}

std::string names_of(const ordered_json& object, const char* key) {
    std::string out;
    if (!object.is_object() || !object.contains(key) || !object[key].is_array()) return out;
    for (const auto& name : object[key]) {
        if (name.is_string()) out += (out.empty() ? "" : ", ") + printable(name.get<std::string>());
    }
    return out;
}

std::string dumped_member(const ordered_json& object, const char* key) {
    if (!object.is_object() || !object.contains(key)) return "?";
    return printable(object[key].is_string() ? object[key].get<std::string>() : object[key].dump());
}

bool flag_of(const ordered_json& object, const char* key) {
    return dumped_member(object, key) == "true";
}

ordered_json member_of(const ordered_json& object, const char* key) {
    return object.is_object() && object.contains(key) ? object[key] : ordered_json();
}

std::string live_text(const ordered_json& live) {
    std::string out = "live: ";
    const bool loads = flag_of(live, "would_load");
    out += loads ? "a reload would take it"
                 : "a reload would refuse it: " + dumped_member(live, "why_not");
    if (flag_of(live, "new_session")) out += "; the platform would be appraised anew";
    out += "\n";
    for (const char* list : {"added", "removed", "changed"}) {
        if (const auto names = names_of(member_of(live, "secrets"), list); !names.empty())
            out += fmt::format("live: secrets {}: {}\n", list, names);
    }
    const ordered_json callers = member_of(live, "callers");
    if (!callers.is_array() || callers.empty())
        return out + "live: nothing changes for those who are connected\n";
    for (const auto& caller : callers) {
        out += fmt::format("live: pid {} (uid {}, listener {})", dumped_member(caller, "pid"),
                           dumped_member(caller, "uid"), dumped_member(caller, "listener"));
        for (const char* list : {"gains", "loses"}) {
            if (const auto names = names_of(caller, list); !names.empty())
                out += fmt::format(" {} {}", list, names);
        }
        out += "\n";
    }
    return out;
}

Result<void> check_appraisal_file(const LoadedFile& file) {
    ATTESTD_CHECK(
        parse_appraisal_policy(as_text(file.bytes), file.path.string(), PolicyStrictness::strict));
    return {};
}

Outcome<int> check_configuration(const PolicyOptions& options) {
    ATTESTD_TRY(const Config config, load_config(options.file, {}, options.root));
    if (config.verifier.type == VerifierType::local)
        ATTESTD_CHECK(check_appraisal_file(config.verifier.policy));
    if (config.hand_over_policy) {
        ATTESTD_CHECK(check_appraisal_file(*config.hand_over_policy));
    }
    const auto findings = lint(config);
    std::optional<ordered_json> live;
    if (options.live) {
        ATTESTD_TRY(live, ask_daemon(options));
    }
    if (options.json) {
        ordered_json out = checked_json(options, config, findings);
        if (live) out["live"] = *live;
        ATTESTD_CHECK(
            print(out.dump(-1, ' ', /*ensure_ascii=*/true, ordered_json::error_handler_t::replace) +
                  "\n"));
    } else {
        std::string out = fmt::format("{}: a valid configuration\n", options.file);
        out += fmt::format("host_data  {}\nmrconfigid {}\n", to_hex(config.digest),
                           to_hex(config.digest_sha384));
        if (live) out += live_text(*live);
        ATTESTD_CHECK(print(out));
        for (const LintFinding& finding : findings)
            print_warning(fmt::format("{}: {} ({})", finding.where, finding.detail, finding.id));
    }
    return live && !flag_of(*live, "would_load") ? exit_status::refused : exit_status::done;
}

Outcome<int> check_policy(const PolicyOptions& options) {
    const std::string at = options.root.empty()
                               ? options.file
                               : (std::filesystem::path(options.root) /
                                  std::filesystem::path(options.file).relative_path())
                                     .string();
    auto bytes = read_file(at, kMaxPolicyFileLen);
    if (!bytes) return wrong_usage(std::move(bytes).error());
    ATTESTD_TRY(const DocumentKind kind, kind_of(*bytes, options.file));
    if (kind == DocumentKind::configuration) return check_configuration(options);
    if (options.live) {
        return wrong_usage(
            {Errc::bad_usage, "--live takes a configuration; it names the appraisal policy"});
    }
    ATTESTD_CHECK(parse_appraisal_policy(as_text(*bytes), options.file, PolicyStrictness::strict));
    const ordered_json valid{{"file", options.file}, {"valid", true}};
    ATTESTD_CHECK(print(options.json
                            ? valid.dump() + "\n"
                            : fmt::format("{}: a valid appraisal policy\n", options.file)));
    return exit_status::done;
}

}  // namespace

void add_policy_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<PolicyOptions>();
    CLI::App* const policy = app.add_subcommand(
        "policy", "Check, explain and draft configuration and appraisal policies");
    policy->require_subcommand(1);
    CLI::App* const check = policy->add_subcommand("check",
                                                   "Say whether the daemon would take a file, what "
                                                   "in it is suspicious, and the digests that a "
                                                   "machine is launched with to be bound to it");
    check->add_option("FILE", options->file, "attestd.json, or an appraisal policy")->required();
    CLI::Option* const root =
        check->add_option("--root", options->root,
                          "the file system of an image: FILE and all that it names lie there");
    check
        ->add_flag("--live", options->live,
                   "ask the running daemon what would change; nothing is applied")
        ->excludes(root);
    check->add_option("--admin-socket", options->admin_socket, "the daemon's admin socket")
        ->capture_default_str();
    check->add_flag("--json", options->json, "as JSON");
    check->callback([options, &chosen] { chosen = [options] { return check_policy(*options); }; });
    add_policy_explain(*policy, chosen);
    add_policy_init(*policy, chosen);
}

}  // namespace attestd::cli
