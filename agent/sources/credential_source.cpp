#include "agent/sources/credential_source.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "agent/sources/private_file.h"
#include "agent/sources/system_credentials.h"
#include "config/secret_name.h"

namespace attestd {

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
    // systemd lets the unit's user in by an access list.
    ATTESTD_CHECK(check_private(system_, folder->get(), *directory_, NodeKind::folder,
                                Errc::credential_insecure));
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
    ATTESTD_CHECK(
        check_private(system_, file->get(), what, NodeKind::file, Errc::credential_insecure));
    ATTESTD_TRY(Secret secret, read_into_secret(system_, file->get(), what, kMaxSecretLen,
                                                Errc::secret_too_large));
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
