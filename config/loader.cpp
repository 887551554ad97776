#include "config/loader.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/internal/load_context.h"
#include "config/secret_name.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr std::string_view kDefaultStateDir = "/var/lib/attestd";
constexpr std::size_t kMaxDropIns = 256;

Result<JsonDocument> parse_file(const LoadedFile& file) {
    return JsonDocument::parse(as_text(file.bytes), file.path.string(), JsonLimits{},
                               JsonComments::allowed);
}

// "$schema" is for editors.
Result<void> take_schema(JsonObject& object) {
    const auto schema = object.optional("$schema");
    if (schema) ATTESTD_CHECK(schema->text());
    return {};
}

Result<std::vector<std::filesystem::path>> json_files_in(const LoadContext& context,
                                                         const std::filesystem::path& dir) {
    ATTESTD_CHECK(context.check_folder(dir));
    std::error_code ec;
    std::vector<std::filesystem::path> files;
    std::filesystem::directory_iterator it(below_root(context.root(), dir), ec);
    for (; !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
        if (it->path().extension() != ".json") continue;
        files.push_back(dir / it->path().filename());
        if (files.size() > kMaxDropIns) {
            return fail(Errc::too_large,
                        fmt::format("{}: over {} files", dir.string(), kMaxDropIns));
        }
    }
    if (ec) return fail(Errc::io_failed, fmt::format("{}: {}", dir.string(), ec.message()));
    std::sort(files.begin(), files.end());
    return files;
}

// file name -> what its secrets' names must start with; always whole parts, so that "db" does not
// cover "db-admin/password".
using Prefixes = std::map<std::string, std::string, std::less<>>;

Result<Prefixes> load_prefixes(const JsonValue& value) {
    Prefixes out;
    ATTESTD_TRY(JsonObject prefixes, value.object());
    for (const auto& [file, prefix] : prefixes.rest()) {
        ATTESTD_TRY(const std::string text, prefix.text());
        const std::string_view name =
            std::string_view(text).substr(0, text.empty() ? 0 : text.size() - 1);
        if (!text.ends_with('/') || !SecretName::parse(name)) {
            return prefix.fail_here(Errc::bad_value,
                                    "parts of a secret's name that end in '/' are expected");
        }
        out.emplace(file, text);
    }
    return out;
}

// secrets.d/*.json: each holds {"secrets": {...}} and nothing else.
Result<void> load_drop_in(const std::filesystem::path& path, const Prefixes& prefixes,
                          LoadContext& context, Config& config) {
    const auto prefix = prefixes.find(path.filename().string());
    if (prefix == prefixes.end()) {
        return fail(Errc::bad_config, path.string() +
                                          ": the main file gives this one no prefix "
                                          "(secrets_dir.prefixes)");
    }
    ATTESTD_TRY(const LoadedFile file, context.load(path));
    ATTESTD_TRY(const JsonDocument document, parse_file(file));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_CHECK(take_schema(in));
    ATTESTD_TRY(const JsonValue secrets, in.required("secrets"));
    ATTESTD_CHECK(in.finish());
    return load_secrets(secrets, prefix->second, config);
}

Result<void> load_drop_ins(const MaybeValue& value, LoadContext& context, Config& config) {
    if (!value) return {};
    ATTESTD_TRY(JsonObject in, value->object());
    ATTESTD_TRY(const JsonValue path, in.required("path"));
    ATTESTD_TRY(const auto dir, path_of(path));
    ATTESTD_TRY(const JsonValue prefixes_value, in.required("prefixes"));
    ATTESTD_TRY(const Prefixes prefixes, load_prefixes(prefixes_value));
    ATTESTD_CHECK(in.finish());
    ATTESTD_TRY(const auto files, json_files_in(context, dir));
    for (const auto& file : files) ATTESTD_CHECK(load_drop_in(file, prefixes, context, config));
    return {};
}

Result<Config> load_root(JsonObject& in, LoadContext& context) {
    Config config;
    ATTESTD_CHECK(take_schema(in));
    ATTESTD_TRY(config.platform, load_platform(in.optional("platform")));
    ATTESTD_TRY(const JsonValue verifier, in.required("verifier"));
    ATTESTD_TRY(config.verifier, load_verifier(verifier, context));
    ATTESTD_TRY(config.state_dir, path_or(in, "state_dir", kDefaultStateDir));
    // What a test-grade setup writes never meets what a production one relies on.
    if (config.is_test_setup()) config.state_dir /= "test";
    auto& cache = config.verifier.collateral.cache;
    if (cache.empty()) cache = config.state_dir / "collateral";
    ATTESTD_CHECK(load_sources(in.optional("sources"), context, config));
    ATTESTD_TRY(config.audit, load_audit(in.optional("audit"), config.state_dir));
    ATTESTD_TRY(config.limits, load_limits(in.optional("limits")));
    ATTESTD_TRY(config.identity, load_identity(in.optional("identity")));
    ATTESTD_TRY(config.config_binding, load_config_binding(in.optional("config_binding")));
    config.verifier.needs_event_log = config.config_binding == ConfigBinding::rtmr3;
    ATTESTD_TRY(config.hand_over_policy, load_hand_over(in.optional("hand_over"), context));
    ATTESTD_CHECK(load_listeners(in.optional("listeners"), context, config));
    ATTESTD_CHECK(load_workloads(in.optional("workloads"), context, config));
    if (const auto secrets = in.optional("secrets")) {
        ATTESTD_CHECK(load_secrets(*secrets, /*prefix=*/"", config));
    }
    const auto drop_ins = in.optional("secrets_dir");
    ATTESTD_CHECK(in.finish());
    ATTESTD_CHECK(load_drop_ins(drop_ins, context, config));
    return config;
}

}  // namespace

Result<Config> load_config(const std::filesystem::path& file, const AccountFiles& accounts,
                           const std::filesystem::path& root) {
    LoadContext context(
        Accounts(below_root(root, accounts.passwd), below_root(root, accounts.group)), root);
    ATTESTD_TRY(const LoadedFile main_file, context.load(file));
    ATTESTD_TRY(const JsonDocument document, parse_file(main_file));
    ATTESTD_TRY(JsonObject members, document.root().object());
    ATTESTD_TRY(Config config, load_root(members, context));
    const Bytes digested = context.digested();
    config.digest = sha256(digested);
    config.digest_sha384 = sha384(digested);
    return config;
}

}  // namespace attestd
