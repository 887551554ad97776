// unseal(): from what a signed text says to the secret, by whoever it names.
#pragma once

#include <memory>
#include <optional>

#include "agent/sealed/sealed_text.h"
#include "agent/source.h"
#include "config/config.h"
#include "config/vault_resource.h"

namespace attestd::sealed {

/// What a provider gave, and until when that may be used; empty: it did not say.
struct Given {
    std::shared_ptr<const Secret> value;
    std::optional<BootTime> expires;
};

/// Whom sealed secrets name.
class Providers {
 public:
    virtual ~Providers() = default;
    /// Errc::sealed_unsupported for a provider that is not offered; errors of the provider.
    [[nodiscard]] virtual Result<Given> pointed_to(const Pointer& pointer) = 0;
    /// The data key of an envelope. Errors as above.
    [[nodiscard]] virtual Result<Given> data_key(const Envelope& envelope) = 0;
};

/// Errors of `providers`; Errc::sealed_nested, Errc::sealed_undecrypted.
[[nodiscard]] Result<Given> unseal(const VerifiedSealed& sealed, Providers& providers);

/// The other sources that a source of type "sealed" may ask. Calls block; null in neither place.
class OtherSources {
 public:
    virtual ~OtherSources() = default;
    /// What the key broker has at `uri`. Errors of the source.
    [[nodiscard]] virtual Result<SourcedSecret> read_broker(const std::string& uri) = 0;
    /// What Vault's transit engine decrypts. Errors of the source.
    [[nodiscard]] virtual Result<SourcedSecret> decrypt(const VaultResource& resource) = 0;
};

/// The providers of a release build: "kbs" for pointers, "vault" for envelopes, each as far as
/// `config` names a source for it.
class SourceProviders final : public Providers {
 public:
    /// Both outlive the providers.
    SourceProviders(const SealedSourceConfig& config, OtherSources& others)
        : config_(config), others_(others) {}
    [[nodiscard]] Result<Given> pointed_to(const Pointer& pointer) override;
    [[nodiscard]] Result<Given> data_key(const Envelope& envelope) override;

 private:
    const SealedSourceConfig& config_;
    OtherSources& others_;
};

}  // namespace attestd::sealed
