// attestctl store: the key slots of the sealed store.
//
// With --store DIR it works on the folder itself, while the daemon is stopped; otherwise it asks
// the daemon over the admin socket. Making a recovery key touches neither: that belongs on the
// operator's own machine.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/cli/command.h"
#include "agent/cli/daemon.h"
#include "agent/cli/output.h"
#include "agent/cli/platform_option.h"
#include "agent/cli/secret_input.h"
#include "agent/store/recovery_slot.h"
#include "agent/store/snp_slot.h"
#include "agent/store/store.h"
#include "agent/store/vtpm_slot.h"
#include "quote/base/fd.h"
#include "quote/base/json.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxKeyFileLen = 4096;
constexpr std::size_t kMaxSlotsListed = 1024;
constexpr JsonLimits kSlotsLimits{.max_len = std::size_t{1} << 20, .max_depth = 8};
constexpr const char* kSlotsTarget = "/v1/admin/store/slots";

struct StoreOptions {
    std::string admin_socket = kAdminSocket;
    std::string source;        // of the daemon's, where it has several
    std::string store;         // a folder; empty: through the daemon
    std::string recovery_key;  // opens the folder: private key file
    std::string platform;      // opens the folder: platform
    bool measured_image = false;
    bool json = false;
    std::string kind;          // of the slot to add
    std::string public_key;    // of a recovery slot to add
    std::uint32_t number = 0;  // of the slot to drop
    std::string key_file;      // to make
    std::string algorithm = "x25519";
};

// The two ways in which this command opens a folder by itself, as far as they were given.
struct OwnKeys {
    std::unique_ptr<Platform> platform;
    std::unique_ptr<SlotKey> of_platform;  // snp or vtpm, as the platform is
    std::optional<RecoverySlotKey> recovery;
    std::vector<SlotKey*> all;
};

Outcome<std::unique_ptr<OwnKeys>> keys_from(const StoreOptions& options) {
    auto keys = std::make_unique<OwnKeys>();
    if (!options.recovery_key.empty()) {
        auto pem = read_secret(options.recovery_key, kMaxKeyFileLen);
        if (!pem) return wrong_usage(std::move(pem).error());
        auto recovery = RecoverySlotKey::from_private_pem(*pem);
        if (!recovery)
            return wrong_usage(
                {recovery.error().code, options.recovery_key + ": " + recovery.error().detail});
        keys->recovery.emplace(*std::move(recovery));
        keys->all.push_back(&*keys->recovery);
    }
    if (!options.platform.empty()) {
        ATTESTD_TRY(keys->platform, make_platform(options.platform));
        if (keys->platform->has_vtpm())
            keys->of_platform = std::make_unique<VtpmSlotKey>(*keys->platform);
        else
            keys->of_platform = std::make_unique<SnpSlotKey>(*keys->platform, DerivedKeyRequest{});
        keys->all.push_back(keys->of_platform.get());
    }
    if (keys->all.empty()) {
        return wrong_usage(
            {Errc::bad_usage, "opening a store's folder needs --recovery-key FILE or --platform"});
    }
    return keys;
}

Outcome<SealedStore> open_folder(const StoreOptions& options, const OwnKeys& keys) {
    ATTESTD_TRY(auto folder, DiskFolder::open(options.store, MissingFolder::refuse));
    const auto measured =
        options.measured_image ? MeasuredImage::stated : MeasuredImage::not_stated;
    ATTESTD_TRY(SealedStore store, SealedStore::open(std::move(folder), keys.all, measured));
    return store;
}

std::string slots_table(const std::vector<SlotInfo>& slots) {
    std::string out;
    for (const SlotInfo& slot : slots) {
        const std::string_view kind =
            slot.state == SlotState::damaged ? "-" : slot_kind_name(slot.kind);
        out += fmt::format("{}\t{}\t{}\t{}{}\n", slot.number, kind, slot_state_name(slot.state),
                           printable(slot.detail),
                           slot.opened_this_time ? "\topened with this one" : "");
    }
    return out;
}

std::string slots_json(const std::vector<SlotInfo>& slots) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const SlotInfo& slot : slots) {
        list.push_back({{"number", slot.number},
                        {"kind", slot_kind_name(slot.kind)},
                        {"state", slot_state_name(slot.state)},
                        {"detail", slot.detail}});
    }
    return nlohmann::ordered_json{{"slots", list}}.dump() + "\n";
}

Outcome<std::string> slots_of_folder(const StoreOptions& options) {
    ATTESTD_TRY(const auto folder, DiskFolder::open(options.store, MissingFolder::refuse));
    ATTESTD_TRY(const auto slots, inspect_slots(*folder));
    return options.json ? slots_json(slots) : slots_table(slots);
}

Outcome<std::string> member_text(JsonObject& object, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, object.required(key));
    ATTESTD_TRY(const std::string text, value.text());
    return printable(text);
}

Outcome<std::string> slots_of_daemon(const StoreOptions& options) {
    static const std::string no_body;
    ATTESTD_TRY(const std::string target, with_source(kSlotsTarget, options.source));
    ATTESTD_TRY(const Bytes answer,
                DaemonClient(options.admin_socket).ask(json_request("GET", target, no_body)));
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(answer), "answer", kSlotsLimits));
    if (options.json) return document.root().raw().dump() + "\n";
    ATTESTD_TRY(JsonObject object, document.root().object());
    ATTESTD_TRY(const JsonValue list, object.required("slots"));
    ATTESTD_TRY(const auto items, list.array(kMaxSlotsListed));
    std::string out;
    for (const JsonValue& item : items) {
        ATTESTD_TRY(JsonObject slot, item.object());
        ATTESTD_TRY(const JsonValue number_value, slot.required("number"));
        ATTESTD_TRY(const std::int64_t number, number_value.integer(0, UINT32_MAX));
        ATTESTD_TRY(const std::string kind, member_text(slot, "kind"));
        ATTESTD_TRY(const std::string state, member_text(slot, "state"));
        ATTESTD_TRY(const std::string detail, member_text(slot, "detail"));
        out += fmt::format("{}\t{}\t{}\t{}\n", number, kind, state, detail);
    }
    return out;
}

Outcome<int> run_slots(const StoreOptions& options) {
    ATTESTD_TRY(const std::string out,
                options.store.empty() ? slots_of_daemon(options) : slots_of_folder(options));
    ATTESTD_CHECK(print(out));
    return exit_status::done;
}

Outcome<Bytes> read_public_key(const StoreOptions& options) {
    if (options.public_key.empty()) {
        return wrong_usage(
            {Errc::bad_usage, "a recovery slot needs the operator's key: --public-key FILE"});
    }
    auto pem = read_file(options.public_key, kMaxKeyFileLen);
    if (!pem) return wrong_usage(std::move(pem).error());
    auto key = RecoverySlotKey::from_public_pem(*pem);
    if (!key)
        return wrong_usage({key.error().code, options.public_key + ": " + key.error().detail});
    return *std::move(pem);
}

Outcome<int> add_to_folder(const StoreOptions& options) {
    if (options.kind == "remote") {
        return wrong_usage({Errc::bad_usage,
                            "the daemon alone gets secrets of other sources: start it, and add the "
                            "remote slot through it"});
    }
    ATTESTD_TRY(const auto keys, keys_from(options));
    std::optional<RecoverySlotKey> recovery;
    SlotKey* fresh = nullptr;
    if (options.kind == "recovery") {
        ATTESTD_TRY(const Bytes pem, read_public_key(options));
        ATTESTD_TRY(recovery, RecoverySlotKey::from_public_pem(pem));
        fresh = &*recovery;
    } else if (keys->of_platform && slot_kind_name(keys->of_platform->kind()) == options.kind) {
        fresh = keys->of_platform.get();
    } else {
        return wrong_usage(
            {Errc::bad_usage,
             fmt::format("a slot of the kind {} needs the platform that derives its key: {}",
                         options.kind,
                         options.kind == "vtpm" ? "--platform azure_vtpm" : "--platform")});
    }
    ATTESTD_TRY(SealedStore store, open_folder(options, *keys));
    ATTESTD_TRY(const std::uint32_t number, store.add_slot(*fresh));
    ATTESTD_CHECK(print(fmt::format("slot {} added\n", number)));
    return exit_status::done;
}

Outcome<int> run_add_slot(const StoreOptions& options) {
    if (!options.store.empty()) return add_to_folder(options);
    nlohmann::json body{{"kind", options.kind}};
    if (options.kind == "recovery") {
        ATTESTD_TRY(const Bytes pem, read_public_key(options));
        body["public_key"] = as_text(pem);
    }
    const std::string text = body.dump();
    ATTESTD_TRY(const std::string target, with_source(kSlotsTarget, options.source));
    ATTESTD_CHECK(DaemonClient(options.admin_socket).ask(json_request("POST", target, text)));
    return exit_status::done;
}

Outcome<int> run_drop_slot(const StoreOptions& options) {
    if (!options.store.empty()) {
        ATTESTD_TRY(const auto keys, keys_from(options));
        ATTESTD_TRY(SealedStore store, open_folder(options, *keys));
        ATTESTD_CHECK(store.drop_slot(options.number));
        return exit_status::done;
    }
    static const std::string no_body;
    ATTESTD_TRY(const std::string target,
                with_source(fmt::format("{}/{}", kSlotsTarget, options.number), options.source));
    ATTESTD_CHECK(DaemonClient(options.admin_socket).ask(json_request("DELETE", target, no_body)));
    return exit_status::done;
}

// FILE gets the private key (mode 0600), FILE.pub the public one. Neither is ever written over.
Outcome<int> run_recovery_key(const StoreOptions& options) {
    constexpr unsigned kPrivateMode = 0600;
    constexpr unsigned kPublicMode = 0644;
    const auto algorithm =
        options.algorithm == "p256" ? RecoveryAlgorithm::p256 : RecoveryAlgorithm::x25519;
    ATTESTD_TRY(const RecoveryKeyPair pair, make_recovery_key(algorithm));
    ATTESTD_TRY(const RecoverySlotKey key,
                RecoverySlotKey::from_public_pem(as_bytes(pair.public_pem)));
    const auto written = pair.private_pem.expose(
        [&](ByteView pem) { return write_new_file(options.key_file, pem, kPrivateMode); });
    if (!written) return wrong_usage(written.error());
    const auto published =
        write_new_file(options.key_file + ".pub", as_bytes(pair.public_pem), kPublicMode);
    if (!published) {
        std::error_code
            ignored;  // the pair is whole or is not there; the first error is the one to tell
        std::filesystem::remove(options.key_file, ignored);
        return wrong_usage(published.error());
    }
    ATTESTD_CHECK(
        print(fmt::format("key {}\nprivate: {} (keep it off this machine)\npublic:  {}.pub\n",
                          key.fingerprint(), options.key_file, options.key_file)));
    return exit_status::done;
}

using RunStore = Outcome<int> (*)(const StoreOptions&);

}  // namespace

void add_store_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<StoreOptions>();
    CLI::App* const store = app.add_subcommand("store", "Manage the key slots of the sealed store");
    store->require_subcommand(1);

    const auto add = [&](const char* name, const char* help, RunStore run) {
        CLI::App* const command = store->add_subcommand(name, help);
        command->callback(
            [options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
        return command;
    };
    const auto with_folder = [&](CLI::App* command) {
        CLI::Option* const socket =
            command
                ->add_option("--admin-socket", options->admin_socket, "the daemon's admin socket")
                ->capture_default_str();
        CLI::Option* const source = command->add_option("--source", options->source, kSourceHelp);
        return command
            ->add_option("--store", options->store,
                         "work on this folder, not through the daemon (which must be stopped)")
            ->excludes(socket)
            ->excludes(source);
    };
    const auto with_keys = [&](CLI::App* command) {
        CLI::Option* const folder = with_folder(command);
        command
            ->add_option("--recovery-key", options->recovery_key,
                         "with --store: open it with this private key (PEM)")
            ->needs(folder);
        command
            ->add_option(
                "--platform", options->platform,
                "with --store: open it with this platform's key: sev_guest, azure_vtpm, or a "
                "plug-in's socket as external:/path")
            ->needs(folder);
        command
            ->add_flag("--measured-image", options->measured_image,
                       "with --store: state that the image which this machine runs is measured")
            ->needs(folder);
    };

    CLI::App* const slots = add("slots", "List the key slots", run_slots);
    with_folder(slots);
    slots->add_flag("--json", options->json, "as JSON");

    CLI::App* const add_slot = add("add-slot", "Add a key slot", run_add_slot);
    add_slot
        ->add_option("KIND", options->kind,
                     "recovery, snp, vtpm, or remote: the secret that \"remote_slot\" names")
        ->required()
        ->check(CLI::IsMember({"recovery", "snp", "vtpm", "remote"}));
    add_slot->add_option("--public-key", options->public_key,
                         "the operator's public key (PEM), for recovery");
    with_keys(add_slot);

    CLI::App* const drop_slot =
        add("drop-slot", "Drop a key slot; never the last sound one", run_drop_slot);
    drop_slot->add_option("NUMBER", options->number, "as listed by slots")->required();
    with_keys(drop_slot);

    CLI::App* const key =
        add("recovery-key", "Make a key pair for a recovery slot", run_recovery_key);
    key->add_option("FILE", options->key_file, "for the private key; FILE.pub gets the public one")
        ->required();
    key->add_option("--algorithm", options->algorithm, "x25519 or p256")
        ->capture_default_str()
        ->check(CLI::IsMember({"x25519", "p256"}));
}

}  // namespace attestd::cli
