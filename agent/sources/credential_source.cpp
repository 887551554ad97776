#include "agent/sources/credential_source.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "agent/sources/system_credentials.h"
#include "config/secret_name.h"

namespace attestd {
namespace {

// systemd lets the unit's user in by an access list, whose mask shows as the group's bits.
constexpr std::uint32_t kForbidden = 0027;  // group: write; others: anything

enum class NodeKind : std::uint8_t { file, folder };

Result<void> check_node(System& system, int fd, const std::string& what, NodeKind want) {
    const auto node = system.stat(fd);
    if (!node) return fail(Errc::io_failed, what + ": " + errno_words(node.error().value));
    const bool want_folder = want == NodeKind::folder;
    if (want_folder ? !node->is_directory : !node->is_regular) {
        return fail(Errc::credential_insecure,
                    fmt::format("{}: is no {}", what, want_folder ? "folder" : "regular file"));
    }
    const bool is_ours = node->uid == 0 || node->uid == system.effective_uid();
    if (is_ours && (node->permissions & kForbidden) == 0) return {};
    return fail(Errc::credential_insecure,
                fmt::format("{}: uid {}, mode {:04o}: only root and attestd's user may reach it",
                            what, node->uid, node->permissions));
}

// Into memory for secrets and nowhere else.
Result<Secret> read_secret(System& system, int fd, const std::string& what) {
    ATTESTD_TRY(Secret out, Secret::zeroed(kMaxSecretLen + 1));
    std::size_t len = 0;
    while (len < out.size()) {
        const auto n = out.fill(
            [&](std::span<std::uint8_t> bytes) { return system.read(fd, bytes.subspan(len)); });
        if (!n && n.error().value == EINTR) continue;
        if (!n) return fail(Errc::io_failed, what + ": " + errno_words(n.error().value));
        if (*n == 0) break;
        len += *n;
    }
    if (len > kMaxSecretLen) return fail(Errc::secret_too_large, what + ": over 1 MiB");
    out.truncate(len);
    return out;
}

}  // namespace

std::optional<std::string> credentials_directory() {
    const char* const path = std::getenv("CREDENTIALS_DIRECTORY");
    if (path == nullptr || *path != '/') return std::nullopt;
    return std::string(path);
}

Result<std::shared_ptr<CredentialSource>> CredentialSource::make(
    System& system, std::optional<std::string> directory, Clocks clocks) {
    ATTESTD_TRY(ValueVersions versions, ValueVersions::make());
    return std::shared_ptr<CredentialSource>(
        new CredentialSource(system, std::move(directory), std::move(clocks), std::move(versions)));
}

Result<SystemFile> CredentialSource::open_folder() const {
    if (!directory_) {
        return fail(Errc::credential_missing,
                    "systemd gave attestd no credentials: a drop-in of its unit with "
                    "LoadCredentialEncrypted= does");
    }
    auto folder = open_file(system_, *directory_, O_RDONLY | O_DIRECTORY);
    if (!folder) {
        const int error = folder.error().value;
        const bool is_link = error == ELOOP || error == ENOTDIR;
        return fail(is_link ? Errc::credential_insecure : Errc::io_failed,
                    fmt::format("{}: {}", *directory_, errno_words(error)));
    }
    ATTESTD_CHECK(check_node(system_, folder->get(), *directory_, NodeKind::folder));
    return *std::move(folder);
}

Result<Secret> CredentialSource::read(const std::string& id) const {
    ATTESTD_TRY(const SystemFile folder, open_folder());
    const std::string what = *directory_ + "/" + id;
    const auto file = open_at(system_, folder.get(), id, O_RDONLY | O_NONBLOCK);
    if (!file) {
        const int error = file.error().value;
        if (error == ENOENT) {
            return fail(Errc::credential_missing,
                        fmt::format("{}: is not there: LoadCredentialEncrypted={} in a drop-in of "
                                    "attestd's unit gives it",
                                    what, id));
        }
        return fail(error == ELOOP ? Errc::credential_insecure : Errc::io_failed,
                    fmt::format("{}: {}", what, errno_words(error)));
    }
    ATTESTD_CHECK(check_node(system_, file->get(), what, NodeKind::file));
    ATTESTD_TRY(Secret secret, read_secret(system_, file->get(), what));
    if (secret.empty()) {
        return fail(Errc::credential_missing,
                    what + ": is empty, as systemd leaves one that was not given to it");
    }
    return secret;
}

Result<SourcedSecret> CredentialSource::get(const Grant& grant) {
    return get_resource(grant.secret().resource);
}

Result<SourcedSecret> CredentialSource::get_resource(const std::string& resource) {
    ATTESTD_TRY(const SecretName name, SecretName::parse(resource));
    std::string id = name.text();
    std::replace(id.begin(), id.end(), '/', '+');
    ATTESTD_CHECK(check_not_injected(system_, id));
    ATTESTD_TRY(Secret secret, read(id));
    const std::uint64_t version = versions_.of(resource, secret, clocks_.wall());
    return SourcedSecret{std::make_shared<const Secret>(std::move(secret)), version};
}

}  // namespace attestd
