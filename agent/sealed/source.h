// SealedSource: sealed secrets of the Confidential Containers as a source (`spec/kbs.md` section
// 10).
//
// The host or Kubernetes delivers the text: nothing in it counts before its signature. One signed
// text in the place of another is told by the name in its annotation `attestd.name`: it must be the
// secret's wherever it stands, and a file without one is taken only by a source that says so.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "agent/sealed/signers.h"
#include "agent/sealed/unseal.h"
#include "agent/sources/clocks.h"
#include "agent/sources/remote_source.h"
#include "agent/sources/value_versions.h"

namespace attestd::sealed {

class SealedSource final : public RemoteSource {
 public:
    /// Errors of Signers::make().
    [[nodiscard]] static Result<std::shared_ptr<SealedSource>> make(
        SealedSourceConfig config, std::shared_ptr<OtherSources> others,
        Clocks clocks = Clocks::real());

    /// The secret behind the text that the grant's resource is, or that lies in the file that it
    /// names, which is read each time. It may be used as long as what its provider gave. Its
    /// version grows whenever its value is another than at the last read, and with each start.
    /// Errors of sealed_text.h, of unseal.h and of the sources behind it; Errc::sealed_missing,
    /// Errc::sealed_file, Errc::sealed_binding, Errc::secret_too_large.
    [[nodiscard]] Result<SourcedSecret> get(const Grant& grant) override;
    [[nodiscard]] Result<SourcedSecret> get_resource(const std::string& resource,
                                                     const std::string& name);

    [[nodiscard]] std::string_view type() const noexcept override { return "sealed"; }
    [[nodiscard]] RemoteStatus status() const override;
    void forget() noexcept override {}

 private:
    SealedSource(SealedSourceConfig config, Signers signers, std::shared_ptr<OtherSources> others,
                 Clocks clocks, ValueVersions versions)
        : config_(std::move(config)),
          signers_(std::move(signers)),
          others_(std::move(others)),
          clocks_(std::move(clocks)),
          versions_(std::move(versions)) {}
    [[nodiscard]] Result<VerifiedSealed> verified(const std::string& resource,
                                                  const std::string& name);
    [[nodiscard]] Result<VerifiedSealed> verified_text(std::string_view text);
    [[nodiscard]] Result<void> check_name(const VerifiedSealed& sealed, const std::string& name,
                                          bool is_file) const;
    void note(const Result<SourcedSecret>& result, const std::string& name);

    SealedSourceConfig config_;
    Signers signers_;
    std::shared_ptr<OtherSources> others_;
    Clocks clocks_;
    ValueVersions versions_;
    std::uint64_t num_unsealed_ = 0, num_refused_ = 0;
    std::string last_error_;  // logged once
};

/// The text in the file at `path`, without one newline at its end. Links are followed: Kubernetes
/// delivers by them, and what is found counts by its signature. Errc::sealed_missing,
/// Errc::sealed_file.
[[nodiscard]] Result<std::string> read_sealed_file(const std::filesystem::path& path);

}  // namespace attestd::sealed
