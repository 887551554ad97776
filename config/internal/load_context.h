// What the parts of the loader share: files read and digested, accounts, and short ways to take
// members.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/internal/accounts.h"
#include "quote/base/json.h"

namespace attestd {

class LoadContext final {
 public:
    LoadContext(Accounts accounts, std::filesystem::path root)
        : accounts_(std::move(accounts)), root_(std::move(root)) {}

    /// Reads a file that only root or this process' user can write, and adds it to the digest.
    /// Errc::access_denied names who else could.
    [[nodiscard]] Result<LoadedFile> load(const std::filesystem::path& path);

    /// That nobody but root and this process' user can put files into the folder.
    /// Errc::access_denied.
    [[nodiscard]] Result<void> check_folder(const std::filesystem::path& path) const;

    [[nodiscard]] Accounts& accounts() noexcept { return accounts_; }
    [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }
    /// What the configuration's digests are over: the files in the order in which they were loaded,
    /// then the names resolved ("user app=1000"), each with its length (8 bytes, big-endian) before
    /// it.
    [[nodiscard]] Bytes digested() const;

 private:
    Accounts accounts_;
    std::filesystem::path root_;
    std::vector<Bytes> files_;
};

/// Where an absolute path is when `root` is the root; the path itself for an empty root.
[[nodiscard]] inline std::filesystem::path below_root(const std::filesystem::path& root,
                                                      const std::filesystem::path& path) {
    return root.empty() ? path : root / path.relative_path();
}

/// Runs `check` on text and turns its error into one about `value`.
template <class F>
[[nodiscard]] auto parse_text(const JsonValue& value, F&& parse)
    -> decltype(parse(std::declval<const std::string&>())) {
    ATTESTD_TRY(const std::string text, value.text());
    auto parsed = parse(text);
    if (!parsed) return value.fail_here(parsed.error().code, parsed.error().detail);
    return parsed;
}

[[nodiscard]] Result<bool> bool_or(JsonObject& object, std::string_view key, bool otherwise);
/// At least `min`, so that a limit cannot be zero by mistake.
[[nodiscard]] Result<Millis> duration_or(JsonObject& object, std::string_view key, Millis otherwise,
                                         Millis min = Millis(1));
[[nodiscard]] Result<std::uint32_t> number_or(JsonObject& object, std::string_view key,
                                              std::uint32_t otherwise, std::uint32_t min,
                                              std::uint32_t max);
/// An absolute path without "." and ".." components.
[[nodiscard]] Result<std::filesystem::path> path_of(const JsonValue& value);
[[nodiscard]] Result<std::filesystem::path> path_or(JsonObject& object, std::string_view key,
                                                    std::filesystem::path otherwise);
[[nodiscard]] Result<std::vector<std::filesystem::path>> paths_or_none(JsonObject& object,
                                                                       std::string_view key);

/// A base address: https and a host, no slash at the end.
[[nodiscard]] Result<std::string> address_of(const JsonValue& value);

/// The complaint about a "type" that is none of those that are `known`. One of `later`, which the
/// design names and this build does not have, is refused in these words and not as a typing error.
[[nodiscard]] tl::unexpected<Error> fail_type(const JsonValue& value, const std::string& type,
                                              std::span<const std::string_view> later,
                                              std::string_view known);

/// The members of a verifier on the network but "type" and "max_age"; sets `type`.
[[nodiscard]] Result<void> load_remote_verifier(VerifierType type, JsonObject& members,
                                                LoadContext& context, VerifierConfig& verifier);

/// The member of a file's name, loaded; empty when absent.
[[nodiscard]] Result<std::optional<LoadedFile>> file_or_none(JsonObject& members,
                                                             std::string_view key,
                                                             LoadContext& context);

/// A source of type "kbs", but for its "type".
[[nodiscard]] Result<KbsSourceConfig> load_kbs_source(JsonObject& members, LoadContext& context);
/// The same of type "vault".
[[nodiscard]] Result<HashiVaultSourceConfig> load_vault_source(JsonObject& members);
/// That sources of type "vault" name tokens that exist; they may stand behind them in the file.
[[nodiscard]] Result<void> resolve_login_tokens(const JsonValue& sources, const Config& config);
/// The same of type "sealed".
[[nodiscard]] Result<SealedSourceConfig> load_sealed_source(JsonObject& members,
                                                            LoadContext& context);
/// That sources of type "sealed" name sources that exist, of the types that they are named for.
[[nodiscard]] Result<void> resolve_sealed_sources(const JsonValue& sources, const Config& config);
/// That no other secret has the resource of a source of type "sealed". Errc::bad_config.
[[nodiscard]] Result<void> check_sealed_once(const Config& config, const SecretPolicy& secret);

/// The name of a secret at a source that is defined. Errc::bad_name, Errc::bad_reference.
[[nodiscard]] Result<void> check_resource(const Config& config, const std::string& source,
                                          const std::string& resource);

/// "tokens" and "export_key" of a workload. Needs verifier, sources and listeners.
[[nodiscard]] Result<void> load_tokens(JsonObject& in, const Config& config, Workload& out);

/// The parts of the configuration, each from its member; `value` is empty when the member is
/// absent.
using MaybeValue = std::optional<JsonValue>;
[[nodiscard]] Result<PlatformConfig> load_platform(const MaybeValue& value);
[[nodiscard]] Result<VerifierConfig> load_verifier(const JsonValue& value, LoadContext& context);
[[nodiscard]] Result<void> load_sources(const MaybeValue& value, LoadContext& context,
                                        Config& config);
[[nodiscard]] Result<void> load_listeners(const MaybeValue& value, LoadContext& context,
                                          Config& config);
[[nodiscard]] Result<AuditConfig> load_audit(const MaybeValue& value,
                                             const std::filesystem::path& state_dir);
[[nodiscard]] Result<Limits> load_limits(const MaybeValue& value);
[[nodiscard]] Result<IdentityConfig> load_identity(const MaybeValue& value);
[[nodiscard]] Result<ConfigBinding> load_config_binding(const MaybeValue& value);
/// The appraisal policy that "hand_over" names.
[[nodiscard]] Result<std::optional<LoadedFile>> load_hand_over(const MaybeValue& value,
                                                               LoadContext& context);
/// Needs the listeners, which "socket" refers to.
[[nodiscard]] Result<void> load_workloads(const MaybeValue& value, LoadContext& context,
                                          Config& config);
/// "require" of a secret; `is_test`: whether it is for tests.
[[nodiscard]] Result<Conditions> load_conditions(const MaybeValue& value, bool is_test);
/// Needs workloads and sources. `prefix` is what each name must start with; empty in the main file.
[[nodiscard]] Result<void> load_secrets(const JsonValue& value, std::string_view prefix,
                                        Config& config);

}  // namespace attestd
