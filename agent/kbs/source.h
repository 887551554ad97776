// KbsSource: a Trustee key broker as a source of secrets.
//
// What it gives is encrypted to a key of this process and to no other, or it is not taken: that is
// "end_to_end". It proves who may read a secret, not who wrote it: whoever can answer in the
// broker's place (its TLS key, attestd-fetch) and sees our public key can encrypt something else.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>

#include "agent/kbs/client.h"
#include "agent/source.h"

namespace attestd::kbs {

/// How a source stands, for status and metrics.
struct SourceStatus {
    Counters counters;
    std::string token;       ///< "affirming (cpu0.hardware=2 ...)" of the last handshake
    std::string last_error;  ///< of the last read; empty when it was good
};

class KbsSource final : public SecretSource {
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

    void forget() noexcept { client_.forget(); }
    [[nodiscard]] SourceStatus status() const;

 private:
    struct Seen {
        Sha256 digest;  // salted, so that it tells nothing about the value
        std::uint64_t version;
    };
    KbsSource(KbsClient client, Clocks clocks, Sha256 salt)
        : client_(std::move(client)), clocks_(std::move(clocks)), salt_(salt) {}
    [[nodiscard]] std::uint64_t version_of(const std::string& resource, const Secret& secret);

    KbsClient client_;
    Clocks clocks_;
    Sha256 salt_;
    std::map<std::string, Seen, std::less<>> seen_;  // by resource: configuration names them all
    std::string last_error_;
};

}  // namespace attestd::kbs
