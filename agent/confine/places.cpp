#include "agent/confine/places.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "config/sealed_resource.h"
#include "quote/platform/configfs_tsm.h"
#include "quote/platform/host.h"
#include "quote/platform/sev_guest.h"
#include "quote/platform/tdx_guest.h"

namespace attestd {
namespace {

namespace fs = std::filesystem;

// Not secret, and what is there is needed at unforeseeable times: interpreters that a rule may name
// by mistake, accounts, libraries' own settings, callers' processes and cgroups.
constexpr std::string_view kSystemFolders[] = {"/usr", "/bin",  "/sbin", "/lib", "/lib64",
                                               "/etc", "/proc", "/sys",  "/opt"};
constexpr std::string_view kPlainDevices[] = {"/dev/null", "/dev/urandom", "/dev/random"};

// By the name that is given and, where that is a link, by the one it leads to.
void add_folder_of(std::vector<Place>& out, const fs::path& file) {
    std::error_code ec;
    out.push_back({file.parent_path(), Access::read});
    const fs::path real = fs::canonical(file, ec);
    if (!ec && real.parent_path() != file.parent_path())
        out.push_back({real.parent_path(), Access::read});
}

void add_loaded(std::vector<Place>& out, const std::optional<LoadedFile>& file) {
    if (file) add_folder_of(out, file->path);
}

void add_broker(std::vector<Place>& out, const KbsSourceConfig& broker) {
    add_loaded(out, broker.token_signer);
    add_loaded(out, broker.init_data);
}

void add_verifier(std::vector<Place>& out, const VerifierConfig& verifier) {
    if (!verifier.policy.path.empty()) add_folder_of(out, verifier.policy.path);
    for (const LoadedFile& anchor : verifier.trust_anchors) add_folder_of(out, anchor.path);
    for (const fs::path& path : verifier.endorsements) {
        std::error_code ec;
        if (fs::is_directory(path, ec))
            out.push_back({path, Access::read});
        else
            add_folder_of(out, path);
    }
    if (verifier.broker) add_broker(out, verifier.broker->broker);
    if (const auto& remote = verifier.remote) {
        add_loaded(out, remote->token_signer);
        add_loaded(out, remote->init_data);
        if (!remote->api_key_file.empty()) add_folder_of(out, remote->api_key_file);
        for (const LoadedFile& certificates : remote->endorsements)
            add_folder_of(out, certificates.path);
    }
    if (!verifier.collateral.cache.empty())
        out.push_back({verifier.collateral.cache, Access::write});
}

void add_sources(std::vector<Place>& out, const Config& config) {
    for (const auto& [name, store] : config.stores) {
        out.push_back({store.path, Access::write});
        add_loaded(out, store.recovery_key);
    }
    for (const auto& [name, broker] : config.brokers) add_broker(out, broker);
    for (const auto& [name, vault] : config.hashi_vaults)
        if (!vault.token_file.empty()) add_folder_of(out, vault.token_file);
    for (const auto& [name, sealed] : config.sealed_sources) add_loaded(out, sealed.trusted_keys);
    for (const auto& [name, secret] : config.secrets) {
        const bool is_file = config.sealed_sources.contains(secret.source) &&
                             sealed_form_of(secret.resource) == SealedForm::file;
        if (is_file) add_folder_of(out, secret.resource);
    }
    if (config.credentials.empty()) return;
    // Also where the host's own would lie, which are refused.
    out.push_back({host_path("/run/credentials"), Access::read});
    if (const char* const given = std::getenv("CREDENTIALS_DIRECTORY"); given != nullptr)
        out.push_back({host_path(given), Access::read});
}

// configfs' folder of reports; where the kernel's module is still to be loaded, what of configfs is
// there. Empty without configfs: it has to be mounted before the daemon starts.
fs::path configfs_now() {
    const fs::path top = host_path("/sys/kernel/config");
    std::error_code ec;
    for (fs::path out = host_path(kTsmReportDir);; out = out.parent_path()) {
        if (fs::exists(out, ec)) return out;
        if (out == top) return {};
    }
}

// Below the root that is this program's machine (quote/platform/host.h).
void add_hardware(std::vector<Place>& out) {
    for (const std::string_view device : {kTdxGuestDevice, kSevGuestDevice})
        out.push_back({host_path(device), Access::device});
    if (const fs::path reports = configfs_now(); !reports.empty())
        out.push_back({reports, Access::write});
    out.push_back({host_path(kTdxMeasurements), Access::device});
    for (const std::string_view read : {"/proc", "/sys", "/etc"})
        out.push_back({host_path(read), Access::read});
}

bool covers(const Place& given, const Place& wanted) {
    if (given.access != wanted.access &&
        !(given.access == Access::write && wanted.access == Access::read))
        return false;
    const auto [end, at] =
        std::mismatch(given.path.begin(), given.path.end(), wanted.path.begin(), wanted.path.end());
    return end == given.path.end();
}

}  // namespace

std::vector<Place> places_of(const fs::path& config_file, const Config& config) {
    std::vector<Place> out;
    for (const std::string_view folder : kSystemFolders) out.push_back({folder, Access::read});
    for (const std::string_view device : kPlainDevices) out.push_back({device, Access::device});
    add_hardware(out);
    add_folder_of(out, fs::absolute(config_file));
    out.push_back({config.state_dir, Access::write});
    out.push_back({config.audit.path.parent_path(), Access::write});
    for (const ListenerConfig& listener : config.listeners) {
        if (!listener.loopback_tcp) out.push_back({listener.path.parent_path(), Access::write});
    }
    add_verifier(out, config.verifier);
    add_sources(out, config);
    add_loaded(out, config.hand_over_policy);
    return out;
}

const Place* first_outside(const std::vector<Place>& wanted, const std::vector<Place>& given) {
    const auto found = std::find_if(wanted.begin(), wanted.end(), [&](const Place& place) {
        return std::none_of(given.begin(), given.end(),
                            [&](const Place& one) { return covers(one, place); });
    });
    return found == wanted.end() ? nullptr : &*found;
}

}  // namespace attestd
