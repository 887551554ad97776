// attestctl provision: secrets for a machine that is judged by its evidence, with files alone.
//
// `request` and `accept` ask the daemon of the machine that wants secrets, `hand-over` that of the
// machine that gives its own away; `seal` asks nobody: it runs where the operator keeps secrets.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/cli/azure_input.h"
#include "agent/cli/command.h"
#include "agent/cli/daemon.h"
#include "agent/cli/evidence_file.h"
#include "agent/cli/evidence_input.h"
#include "agent/cli/network_options.h"
#include "agent/cli/output.h"
#include "agent/cli/secret_input.h"
#include "agent/cli/secret_lines.h"
#include "agent/provision/package.h"
#include "quote/base/encoding.h"

namespace attestd::cli {
namespace {

constexpr unsigned kDocumentMode = 0644;  // neither a request nor a package is a secret
constexpr const char* kProvisionTarget = "/v1/admin/provision";
constexpr JsonLimits kAnswerLimits{.max_len = std::size_t{1} << 20, .max_depth = 8};

struct ProvisionOptions {
    std::string admin_socket = kAdminSocket;
    std::string source;              // of the daemon's, where it has several
    std::string out;                 // where the document goes
    std::string file;                // the request or package
    std::string machine;             // of a request: its label
    std::string valid_for;           // of a request
    bool replace = false;            // accept: existing names too
    std::vector<std::string> names;  // of a hand-over
    // Of seal:
    std::string policy, at;
    std::vector<std::string> endorsements, trust_anchors, secrets;
    NetworkOptions network;
    bool fetch = false, allow_test = false;
};

Outcome<std::string> read_document(const std::string& path) {
    ATTESTD_TRY(const Bytes bytes, read_bytes(path));
    if (bytes.size() > kMaxProvisionLen)
        return wrong_usage({Errc::too_large, path + ": no document of provisioning is so long"});
    return std::string(as_text(bytes));
}

Outcome<ProvisionRequest> read_request(const std::string& path) {
    ATTESTD_TRY(const std::string text, read_document(path));
    auto request = parse_provision_request(text, path);
    if (!request) return wrong_usage(std::move(request).error());
    return *std::move(request);
}

Outcome<int> write_document(const std::string& path, std::string_view text) {
    const std::string line = std::string(text) + "\n";
    if (path.empty() || path == "-") {
        ATTESTD_CHECK(print(line));
    } else {
        ATTESTD_CHECK(write_file(path, as_bytes(line), kDocumentMode));
    }
    return exit_status::done;
}

// Words of the command line, which may be any bytes, as JSON.
Outcome<std::string> json_text(const nlohmann::json& value) {
    try {
        return value.dump();
    } catch (const nlohmann::json::type_error&) {
        return wrong_usage({Errc::bad_encoding, "names and labels must be UTF-8 text"});
    }
}

Outcome<int> run_request(const ProvisionOptions& options) {
    nlohmann::json how = nlohmann::json::object();
    if (!options.machine.empty()) how["machine"] = options.machine;
    if (!options.valid_for.empty()) how["valid_for"] = options.valid_for;
    ATTESTD_TRY(const std::string body, json_text(how));
    ATTESTD_TRY(
        const Bytes answer,
        DaemonClient(options.admin_socket).ask(json_request("POST", kProvisionTarget, body)));
    return write_document(options.out, as_text(answer));
}

// As `verify` judges, with a policy that names every reference value or says "any": what it leaves
// open would be open to whoever sent the request.
Outcome<AppraisalPolicy> read_strict_policy(const std::string& path) {
    ATTESTD_TRY(const Bytes bytes, read_bytes(path));
    auto policy = parse_appraisal_policy(as_text(bytes), path, PolicyStrictness::strict);
    if (!policy) return wrong_usage(std::move(policy).error());
    return *std::move(policy);
}

Outcome<AttestationResult> judge_request(const ProvisionOptions& options,
                                         const ProvisionRequest& request, Time now) {
    ATTESTD_TRY(const AppraisalPolicy policy, read_strict_policy(options.policy));
    ATTESTD_TRY(EvidenceInput input,
                read_endorsement_input(options.endorsements, options.trust_anchors));
    input.evidence = request.evidence.quote;
    for (const Bytes& endorsement : request.evidence.endorsements)
        ATTESTD_CHECK(input.add(endorsement, options.file));
    if (options.fetch) {
        ATTESTD_CHECK(fetch_what_is_needed(input, options.network));
    }
    return appraise(input, policy, provision_expectations(request), now);
}

Outcome<int> check_request(const ProvisionOptions& options, const ProvisionRequest& request) {
    auto now = parse_time_option(options.at);
    if (!now) return wrong_usage(std::move(now).error());
    ATTESTD_CHECK(check_provision_times(request.body, *now));
    ATTESTD_TRY(const AttestationResult result, judge_request(options, request, *now));
    for (const Finding& finding : result.findings()) {
        if (finding.severity == Severity::warning)
            print_warning(fmt::format("{}: {}", finding.id, printable(finding.detail)));
    }
    if (auto good = check_provision_result(request, result); !good) {
        const bool undecided = result.verdict() == Verdict::undecided;
        return tl::make_unexpected(Failure(
            std::move(good).error(), undecided ? exit_status::undecided : exit_status::refused));
    }
    if (result.grade() == Grade::production || options.allow_test) return exit_status::done;
    return tl::make_unexpected(
        Failure({Errc::provision_machine,
                 "the result is test grade: it rests on a trust anchor that was added, which "
                 "protects nothing; --allow-test seals to it all the same"},
                exit_status::refused));
}

struct NamedFile {
    SecretName name;
    std::string file;
};

// NAME=FILE
Outcome<NamedFile> parse_named(const std::string& argument) {
    const std::size_t equals = argument.find('=');
    if (equals == argument.npos || equals + 1 == argument.size())
        return wrong_usage({Errc::bad_usage, argument + ": NAME=FILE is expected"});
    auto name = SecretName::parse(std::string_view(argument).substr(0, equals));
    if (!name) return wrong_usage(std::move(name).error());
    return NamedFile{*std::move(name), argument.substr(equals + 1)};
}

// The machine is judged before any secret is read.
Outcome<int> run_seal(const ProvisionOptions& options) {
    std::vector<NamedFile> files;
    for (const std::string& argument : options.secrets) {
        ATTESTD_TRY(NamedFile named, parse_named(argument));
        files.push_back(std::move(named));
    }
    ATTESTD_TRY(const ProvisionRequest request, read_request(options.file));
    ATTESTD_CHECK(check_request(options, request));
    std::vector<NewSecret> secrets;
    for (const NamedFile& named : files) {
        auto value = read_secret(named.file, kMaxSecretLen);
        if (!value) return wrong_usage(std::move(value).error());
        secrets.push_back({named.name, *std::move(value)});
    }
    auto package = seal_package(request.body, PackageNames::policy, secrets);
    if (!package) return wrong_usage(std::move(package).error());
    ATTESTD_CHECK(write_document(options.out, *package));
    if (options.out != "-") {
        ATTESTD_CHECK(print(fmt::format("sealed {} {} for {}, request {}, to be accepted by {}\n",
                                        secrets.size(), secrets.size() == 1 ? "secret" : "secrets",
                                        printable(request.body.machine), to_hex(request.body.id),
                                        to_rfc3339(request.body.expires))));
    }
    return exit_status::done;
}

Outcome<std::string> accepted_text(ByteView answer) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(answer), "answer", kAnswerLimits));
    ATTESTD_TRY(JsonObject object, document.root().object());
    return secret_lines(object, kMaxPackageSecrets);
}

Outcome<int> run_accept(const ProvisionOptions& options) {
    ATTESTD_TRY(const std::string package, read_document(options.file));
    ATTESTD_TRY(std::string target,
                with_source(std::string(kProvisionTarget) + "/accept", options.source));
    if (options.replace) target += (options.source.empty() ? "?" : "&") + std::string("replace=1");
    ATTESTD_TRY(const Bytes answer,
                DaemonClient(options.admin_socket).ask(json_request("POST", target, package)));
    ATTESTD_TRY(const std::string text, accepted_text(answer));
    ATTESTD_CHECK(print(text));
    return exit_status::done;
}

Outcome<int> run_hand_over(const ProvisionOptions& options) {
    ATTESTD_TRY(const std::string text, read_document(options.file));
    // Read here too: what goes into the daemon's request is one document and nothing around it.
    if (auto request = parse_provision_request(text, options.file); !request)
        return wrong_usage(std::move(request).error());
    std::string names;
    if (!options.names.empty()) {
        ATTESTD_TRY(names, json_text(options.names));
        names.insert(0, R"(,"names":)");
    }
    const std::string body = R"({"request":)" + text + names + "}";
    ATTESTD_TRY(const std::string target,
                with_source(std::string(kProvisionTarget) + "/hand-over", options.source));
    ATTESTD_TRY(const Bytes package,
                DaemonClient(options.admin_socket).ask(json_request("POST", target, body)));
    return write_document(options.out, as_text(package));
}

using Options = std::shared_ptr<ProvisionOptions>;
using RunProvision = Outcome<int> (*)(const ProvisionOptions&);

CLI::App* add(CLI::App& parent, const char* name, const char* help, Action& chosen,
              RunProvision run, const Options& options) {
    CLI::App* const command = parent.add_subcommand(name, help);
    command->callback(
        [options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
    return command;
}

void add_request(CLI::App& parent, const Options& options, Action& chosen) {
    CLI::App* const command = add(
        parent, "request", "Ask for secrets: a fresh key of this machine, and evidence about it",
        chosen, run_request, options);
    command->fallthrough();
    command->add_option("-o,--output", options->out, "file (standard output)");
    command->add_option("--valid-for", options->valid_for,
                        "how long the request can be answered, at most 24h (1h)");
    command->add_option("--machine", options->machine,
                        "what the operator is to read as its name (the host's name)");
}

void add_seal(CLI::App& parent, const Options& options, Action& chosen) {
    CLI::App* const command =
        add(parent, "seal", "Judge a request, and encrypt secrets to its machine; needs no daemon",
            chosen, run_seal, options);
    command
        ->add_option("--policy", options->policy,
                     "the appraisal policy; it names every reference value, or says \"any\"")
        ->required();
    // One value each time: what follows is REQUEST.
    command
        ->add_option("--endorsements", options->endorsements,
                     "certificates, revocation lists, collateral: file or folder; repeatable")
        ->allow_extra_args(false);
    command
        ->add_option("--trust-anchor", options->trust_anchors,
                     "a further root certificate; the result is then test grade; repeatable")
        ->allow_extra_args(false);
    command->add_flag("--allow-test", options->allow_test,
                      "seal also on a test-grade result: for secrets that are worth nothing");
    command->add_option("--at", options->at,
                        "the time to judge at: RFC 3339, or @ and seconds since 1970 (now)");
    command->add_flag("--fetch", options->fetch,
                      "fetch endorsements that are not given, and keep them for the next time");
    add_network_options(*command, options->network);
    command->add_option("REQUEST", options->file, "the machine's request")->required();
    command
        ->add_option("NAME=FILE", options->secrets,
                     "a secret and the file with its value, byte for byte")
        ->required();
    command->add_option("-o,--output", options->out, "the package; - is standard output")
        ->required();
}

}  // namespace

void add_provision_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<ProvisionOptions>();
    CLI::App* const provision = app.add_subcommand(
        "provision", "Give secrets to a machine on its evidence, by files alone");
    provision->require_subcommand(1);
    provision->add_option("--admin-socket", options->admin_socket, "the admin socket")
        ->capture_default_str();
    add_request(*provision, options, chosen);
    add_seal(*provision, options, chosen);

    CLI::App* const accept =
        add(*provision, "accept", "Put the secrets of a package into the store: all or none",
            chosen, run_accept, options);
    accept->fallthrough();
    accept->add_option("PACKAGE", options->file, "what was sealed for this machine")->required();
    accept->add_flag("--replace", options->replace, "also those that are in the store already");
    accept->add_option("--source", options->source, kSourceHelp);

    CLI::App* const hand_over =
        add(*provision, "hand-over",
            "Give this machine's stored secrets to another one, if its configuration names the "
            "policy for that",
            chosen, run_hand_over, options);
    hand_over->fallthrough();
    hand_over->add_option("REQUEST", options->file, "the other machine's request")->required();
    hand_over->add_option("NAME", options->names, "only these; else all of the store");
    hand_over->add_option("-o,--output", options->out, "the package")->required();
    hand_over->add_option("--source", options->source, kSourceHelp);
}

}  // namespace attestd::cli
