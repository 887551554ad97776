#include "agent/cli/policy_explain.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <nlohmann/json.hpp>

#include "agent/cli/daemon.h"
#include "agent/cli/output.h"
#include "agent/secret_name.h"
#include "quote/base/json.h"

namespace attestd::cli {
namespace {

using nlohmann::json;

constexpr JsonLimits kExplainLimits{.max_len = std::size_t{2} << 20, .max_depth = 16};

struct ExplainOptions {
    std::int64_t pid = 0;
    std::string secret;
    std::string listener;
    std::string admin_socket = kAdminSocket;
    bool json = false;
};

// The daemon is trusted to speak JSON, not to speak this version's: what is not there is empty.
std::string fact_text(const json& object, const char* key) {
    const auto it = object.find(key);
    if (it == object.end() || it->is_null()) return {};
    return printable(it->is_string() ? it->get<std::string>() : it->dump());
}

bool member_flag(const json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_boolean() && it->get<bool>();
}

const json& member_list(const json& object, const char* key) {
    static const json none = json::array();
    const auto it = object.find(key);
    return it != object.end() && it->is_array() ? *it : none;
}

const json& member_object(const json& object, const char* key) {
    static const json none = json::object();
    const auto it = object.find(key);
    return it != object.end() && it->is_object() ? *it : none;
}

const char* mark(bool holds) { return holds ? "yes" : "NO "; }

void add_caller(const json& caller, std::string& out) {
    out += fmt::format("caller    pid {}, uid {}, gid {}", fact_text(caller, "pid"),
                       fact_text(caller, "uid"), fact_text(caller, "gid"));
    for (const char* fact : {"unit", "container_id", "pod_uid", "label"}) {
        if (const std::string text = fact_text(caller, fact); !text.empty())
            out += fmt::format(", {} {}", fact, text);
    }
    out += fmt::format("\n          listener {} ({})\n", fact_text(caller, "listener"),
                       fact_text(caller, "listener_from"));
}

void add_workload(const json& workload, std::string& out) {
    out += fmt::format("workload  {}{}{}: {}\n", fact_text(workload, "id"),
                       member_flag(workload, "allowed") ? ", allowed" : "",
                       member_flag(workload, "denied") ? ", DENIED" : "",
                       member_flag(workload, "matches") ? "the caller is it" : "the caller is not");
    for (const json& rule : member_list(workload, "rules")) {
        out += fmt::format("  {} match[{}]\n", mark(member_flag(rule, "matches")),
                           fact_text(rule, "rule"));
        for (const json& state : member_list(rule, "selectors")) {
            out += fmt::format("      {} {} is {}, found {}\n", mark(member_flag(state, "holds")),
                               fact_text(state, "selector"), fact_text(state, "wanted"),
                               fact_text(state, "found"));
        }
    }
}

void add_nearest(const json& nearest, std::string& out) {
    if (nearest.empty()) return;
    out += fmt::format("{} workloads.{}.match[{}]",
                       member_flag(nearest, "matches") ? "matched  " : "nearest  ",
                       fact_text(nearest, "workload"), fact_text(nearest, "rule"));
    for (const json& failed : member_list(nearest, "failed")) {
        out += fmt::format("; {} must be {}, is {}", fact_text(failed, "selector"),
                           fact_text(failed, "wanted"), fact_text(failed, "found"));
    }
    out += "\n";
}

std::string explanation_text(const json& answer) {
    std::string out = fmt::format("{}: {} ({})\n", fact_text(answer, "secret"),
                                  member_flag(answer, "granted") ? "granted" : "refused",
                                  fact_text(answer, "reason"));
    out += fmt::format("why       {}\n", fact_text(answer, "detail"));
    add_caller(member_object(answer, "caller"), out);
    for (const json& workload : member_list(answer, "workloads")) add_workload(workload, out);
    add_nearest(member_object(answer, "nearest"), out);
    for (const json& state : member_list(answer, "conditions")) {
        out += fmt::format("condition {} {} is {}, found {}\n", mark(member_flag(state, "holds")),
                           fact_text(state, "condition"), fact_text(state, "wanted"),
                           fact_text(state, "found"));
    }
    const json& session = member_object(answer, "session");
    out += fmt::format("session   {}",
                       member_flag(session, "affirming") ? "affirming" : "not affirming");
    for (const char* fact : {"verifier", "grade", "age", "expires_in", "last_error"}) {
        if (const std::string text = fact_text(session, fact); !text.empty())
            out += fmt::format(", {} {}", fact, text);
    }
    return out + "\n";
}

// Undecided: the rules say yes, and nobody has said yet what the platform is worth.
int status_of_answer(const json& answer) {
    if (member_flag(answer, "granted")) return exit_status::done;
    const std::string last = fact_text(member_object(answer, "session"), "last_attempt");
    const bool is_open = last == "none" || last == "unreachable";
    return fact_text(answer, "reason") == "no-result" && is_open ? exit_status::undecided
                                                                 : exit_status::refused;
}

Outcome<int> run_explain(const ExplainOptions& options) {
    ATTESTD_TRY(const SecretName name, SecretName::parse(options.secret));
    json body{{"pid", options.pid}, {"secret", name.text()}};
    if (!options.listener.empty()) body["listener"] = options.listener;
    const std::string text = body.dump();
    auto answer =
        DaemonClient(options.admin_socket).ask(json_request("POST", "/v1/admin/explain", text));
    // There is nobody to speak of: the argument is what is wrong.
    if (!answer && answer.error().error.code == Errc::peer_exited)
        return wrong_usage(std::move(answer).error().error);
    if (!answer) return tl::make_unexpected(std::move(answer).error());
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(*answer), "the daemon's answer", kExplainLimits));
    const json& object = document.root().raw();
    if (!object.is_object())
        return tl::make_unexpected(Failure({Errc::protocol, "the daemon's answer is no object"}));
    ATTESTD_CHECK(print(options.json ? object.dump() + "\n" : explanation_text(object)));
    return status_of_answer(object);
}

}  // namespace

void add_policy_explain(CLI::App& policy, Action& chosen) {
    const auto options = std::make_shared<ExplainOptions>();
    CLI::App* const command = policy.add_subcommand(
        "explain",
        "Say which rule matches a process for a secret, or came nearest and why not. Exit status: "
        "0 it "
        "would get it, 1 not, 3 not decided: there is no attestation result yet");
    command->add_option("--caller", options->pid, "the process' pid")
        ->required()
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{0x7fffffff}));
    command->add_option("--secret", options->secret, "the secret's name")->required();
    command->add_option("--listener", options->listener,
                        "as though it connected there (default: where it is connected)");
    command->add_option("--admin-socket", options->admin_socket, "the admin socket")
        ->capture_default_str();
    command->add_flag("--json", options->json, "the daemon's answer as it came");
    command->callback([options, &chosen] { chosen = [options] { return run_explain(*options); }; });
}

}  // namespace attestd::cli
