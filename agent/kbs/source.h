// KbsSource: a Trustee key broker as a source of secrets.
//
// What it gives is encrypted to a key of this process and to no other, or it is not taken: that is
// "end_to_end". It proves who may read a secret, not who wrote it: whoever can answer in the
// broker's place (its TLS key, attestd-fetch) and sees our public key can encrypt something else.
#pragma once

#include <memory>
#include <string>

#include "agent/kbs/client.h"
#include "agent/sources/remote_source.h"
#include "agent/sources/value_versions.h"

namespace attestd::kbs {

class KbsSource final : public RemoteSource {
 public:
    /// Errors of KbsClient::make().
    [[nodiscard]] static Result<std::shared_ptr<KbsSource>> make(KbsSourceConfig config,
                                                                 std::shared_ptr<Fetcher> fetcher,
                                                                 std::shared_ptr<Attester> attester,
                                                                 Clocks clocks = Clocks::real());

    /// What the grant's resource names. It may be used until the broker's token ends. Its version
    /// grows whenever its value is another than at the last read, and with each start.
    [[nodiscard]] Result<SourcedSecret> get(const Grant& grant) override;
    [[nodiscard]] Result<SourcedSecret> get_resource(const std::string& resource);

    /// The broker's token about this machine, for logging in elsewhere.
    [[nodiscard]] Result<IdentityToken> identity_token(TokenAge age, Fetcher::Deadline deadline) {
        return client_.token(age, deadline);
    }

    /// Of a handshake of its own: neither its key nor its session is ever the one by which secrets
    /// are read, and its failures keep nobody from them.
    [[nodiscard]] Result<GivenToken> give_token(const Grant& grant, KeyExport key) override;

    [[nodiscard]] std::string_view type() const noexcept override { return "kbs"; }
    [[nodiscard]] RemoteStatus status() const override;
    void forget() noexcept override {
        client_.forget();
        giver_.forget();
    }

 private:
    KbsSource(KbsClient client, KbsClient giver, Millis timeout, Clocks clocks,
              ValueVersions versions)
        : client_(std::move(client)),
          giver_(std::move(giver)),
          timeout_(timeout),
          clocks_(std::move(clocks)),
          versions_(std::move(versions)) {}

    KbsClient client_;
    KbsClient giver_;  // of tokens for workloads
    Millis timeout_;
    Clocks clocks_;
    ValueVersions versions_;
    std::string last_error_;  // logged once
};

}  // namespace attestd::kbs
