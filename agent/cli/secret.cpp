// attestctl secret: one secret as a workload gets it, and what an administrator does with the
// store.
//
// `get` asks the workloads' socket and is judged like any caller; the others ask the admin socket.
// A value is in memory for secrets from the first read to the last write, and never an argument.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/cli/command.h"
#include "agent/cli/daemon.h"
#include "agent/cli/output.h"
#include "agent/cli/secret_input.h"
#include "agent/cli/secret_lines.h"
#include "agent/secret_name.h"
#include "quote/base/json.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxListed = 100'000;
constexpr JsonLimits kListLimits{.max_len = std::size_t{2} << 20, .max_depth = 8};

struct SecretOptions {
    std::string name;
    std::string file = "-";
    std::string socket = kWorkloadSocket;
    std::string admin_socket = kAdminSocket;
    std::string source;  // of a listing
    bool json = false;
    std::optional<std::size_t> len;  // of a rotation
    std::string alphabet;            // of a rotation; empty: any byte
    std::string value_file;          // of a rotation; empty: a random value
};

Outcome<std::string> admin_target(const SecretOptions& options) {
    ATTESTD_TRY(const SecretName name, SecretName::parse(options.name));
    return "/v1/admin/secrets/" + name.text();
}

UnixRequest plain_request(std::string method, std::string target) {
    static const std::string no_body;
    return json_request(std::move(method), std::move(target), no_body);
}

Outcome<int> get(const SecretOptions& options) {
    ATTESTD_TRY(const SecretName name, SecretName::parse(options.name));
    UnixRequest request = plain_request("GET", "/v1/secrets/" + name.text());
    request.accept = "application/octet-stream";
    ATTESTD_TRY(const Secret value, DaemonClient(options.socket).ask_secret(request));
    ATTESTD_CHECK(value.expose([](ByteView bytes) { return print(bytes); }));
    return exit_status::done;
}

Outcome<int> send_value(const SecretOptions& options, const std::string& target,
                        const std::string& file) {
    auto value = read_secret(file, kMaxSecretLen);
    if (!value) return wrong_usage(std::move(value).error());
    return value->expose([&](ByteView bytes) -> Outcome<int> {
        UnixRequest request = plain_request("PUT", target);
        request.content_type = "application/octet-stream";
        request.body = bytes;
        ATTESTD_CHECK(DaemonClient(options.admin_socket).ask(request));
        return exit_status::done;
    });
}

Outcome<int> put(const SecretOptions& options) {
    ATTESTD_TRY(const std::string target, admin_target(options));
    return send_value(options, target, options.file);
}

Outcome<int> remove(const SecretOptions& options) {
    ATTESTD_TRY(const std::string target, admin_target(options));
    ATTESTD_CHECK(DaemonClient(options.admin_socket).ask(plain_request("DELETE", target)));
    return exit_status::done;
}

// POST on the name itself: a name may end in any word, so no word after it can mean an action.
Outcome<int> rotate(const SecretOptions& options) {
    ATTESTD_TRY(const std::string target, admin_target(options));
    if (!options.value_file.empty())
        return send_value(options, target + "?existing=1", options.value_file);
    nlohmann::json how = nlohmann::json::object();
    if (options.len) how["len"] = *options.len;
    if (!options.alphabet.empty()) how["alphabet"] = options.alphabet;
    const std::string body = how.empty() ? std::string() : how.dump();
    ATTESTD_CHECK(DaemonClient(options.admin_socket).ask(json_request("POST", target, body)));
    return exit_status::done;
}

Outcome<std::string> table_of(ByteView answer) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(answer), "answer", kListLimits));
    ATTESTD_TRY(JsonObject object, document.root().object());
    ATTESTD_TRY(std::string out, secret_lines(object, kMaxListed));
    if (const auto damaged = object.optional("damaged")) {
        ATTESTD_TRY(const auto lines, damaged->array(kMaxListed));
        for (const JsonValue& line : lines) {
            ATTESTD_TRY(const std::string text, line.text());
            print_warning("damaged: " + text);
        }
    }
    return out;
}

Outcome<int> list(const SecretOptions& options) {
    ATTESTD_TRY(const std::string target, with_source("/v1/admin/secrets", options.source));
    ATTESTD_TRY(const Bytes answer,
                DaemonClient(options.admin_socket).ask(plain_request("GET", target)));
    if (options.json) {
        ATTESTD_CHECK(print(answer));
        ATTESTD_CHECK(print("\n"));
        return exit_status::done;
    }
    ATTESTD_TRY(const std::string table, table_of(answer));
    ATTESTD_CHECK(print(table));
    return exit_status::done;
}

using RunSecret = Outcome<int> (*)(const SecretOptions&);

CLI::App* add(CLI::App& parent, const char* name, const char* help, Action& chosen, RunSecret run,
              const std::shared_ptr<SecretOptions>& options) {
    CLI::App* const command = parent.add_subcommand(name, help);
    command->callback(
        [options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
    return command;
}

}  // namespace

void add_secret_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<SecretOptions>();
    CLI::App* const secret =
        app.add_subcommand("secret", "Get a secret, or manage the sealed store");
    secret->require_subcommand(1);
    secret->add_option("--socket", options->socket, "the workloads' socket")->capture_default_str();
    secret->add_option("--admin-socket", options->admin_socket, "the admin socket")
        ->capture_default_str();
    secret->fallthrough();  // the sockets may also stand behind the subcommand

    const auto with_name = [&](CLI::App* command) {
        command->fallthrough();
        return command->add_option("NAME", options->name, "the secret's name")->required();
    };
    with_name(
        add(*secret, "get", "Write the secret's bytes to standard output", chosen, get, options));
    CLI::App* const put_command = add(*secret, "put", "Store a secret", chosen, put, options);
    with_name(put_command);
    put_command->add_option("FILE", options->file, "the value, byte for byte; - is standard input")
        ->capture_default_str();
    with_name(add(*secret, "rm", "Forget a secret", chosen, remove, options));
    CLI::App* const rotate_command =
        add(*secret, "rotate",
            "Replace a secret that is there: by as many fresh random bytes, unless told otherwise. "
            "The old value is gone",
            chosen, rotate, options);
    with_name(rotate_command);
    CLI::Option* const len =
        rotate_command->add_option("--len", options->len, "so many random bytes or characters");
    CLI::Option* const alphabet =
        rotate_command
            ->add_option("--alphabet", options->alphabet,
                         "random characters: hex, base64url, alphanumeric, digits; or bytes")
            ->check(CLI::IsMember({"bytes", "hex", "base64url", "alphanumeric", "digits"}));
    rotate_command
        ->add_option("--value", options->value_file,
                     "the new value is in this file; - is standard input")
        ->excludes(len)
        ->excludes(alphabet);
    CLI::App* const list_command =
        add(*secret, "list", "List the store's names", chosen, list, options);
    list_command->fallthrough();
    list_command->add_option("--source", options->source, kSourceHelp);
    list_command->add_flag("--json", options->json, "the daemon's answer as it came");
}

}  // namespace attestd::cli
