// CredentialSource: what systemd gives to attestd's own unit (LoadCredential=,
// LoadCredentialEncrypted= and SetCredentialEncrypted= in a drop-in) as a source of secrets.
//
// A credential's id holds no '/', so a '+' stands for each, as on the credential socket. Nothing
// that the host could have set is taken (system_credentials.h). How it was protected on its way,
// nobody here can say: "transport".
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/sources/clocks.h"
#include "agent/sources/remote_source.h"
#include "agent/sources/value_versions.h"
#include "quote/platform/system.h"

namespace attestd {

/// $CREDENTIALS_DIRECTORY; empty when systemd gave this process none.
[[nodiscard]] std::optional<std::string> credentials_directory();

class CredentialSource final : public RemoteSource {
 public:
    /// `system` outlives the source.
    [[nodiscard]] static Result<std::shared_ptr<CredentialSource>> make(
        System& system, std::optional<std::string> directory, Clocks clocks = Clocks::real());

    /// Errc::credential_missing, Errc::credential_injected, Errc::credential_insecure for a link,
    /// another owner than root and this process' user, or a mode that lets others in;
    /// Errc::secret_too_large.
    [[nodiscard]] Result<SourcedSecret> get(const Grant& grant) override;
    [[nodiscard]] Result<SourcedSecret> get_resource(const std::string& resource);

    [[nodiscard]] std::string_view type() const noexcept override { return "credential"; }
    [[nodiscard]] RemoteStatus status() const override { return {}; }
    void forget() noexcept override {}

 private:
    CredentialSource(System& system, std::optional<std::string> directory, Clocks clocks,
                     ValueVersions versions)
        : system_(system),
          directory_(std::move(directory)),
          clocks_(std::move(clocks)),
          versions_(std::move(versions)) {}
    [[nodiscard]] Result<Secret> read(const std::string& id) const;
    [[nodiscard]] Result<SystemFile> open_folder() const;

    System& system_;
    std::optional<std::string> directory_;
    Clocks clocks_;
    ValueVersions versions_;
};

}  // namespace attestd
