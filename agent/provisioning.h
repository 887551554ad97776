// Provisioning: what the daemon does about requests and packages (agent/provision/): it makes
// requests, opens packages, and judges the requests of other machines.
#pragma once

#include <string>
#include <vector>

#include "agent/provision/desk.h"
#include "agent/provision/package.h"
#include "agent/release/grant.h"
#include "agent/session.h"
#include "agent/task.h"

namespace attestd {

/// A document for somebody else.
struct ProvisionDocument {
    ProvisionId id;
    std::string text;
};

struct OpenedPackage {
    ProvisionId id;
    Package package;
};

/// Another machine's request, and what came of judging it.
struct JudgedRequest {
    ProvisionRequest request;
    std::vector<SecretName> names;      ///< that the operator asked to hand over; empty: all
    Sha256 evidence;                    ///< digest, for the audit record
    Grade grade;                        ///< of the result
    Result<void> verdict;               ///< errors of check_provision_times() and _result()
    std::vector<EndorsementId> wanted;  ///< that the appraisal lacked
};

class Provisioning final {
 public:
    /// `platform_strand` is the one on which this daemon appraises; `work_strand` does the rest.
    Provisioning(Io& io, Strand platform_strand, Strand work_strand, ProvisionDesk desk);

    /// A fresh key and evidence about it. Errors of ProvisionDesk::issue() and Session::collect().
    [[nodiscard]] Task<Result<ProvisionDocument>> make_request(Session& session,
                                                               std::string machine,
                                                               std::chrono::seconds life);

    /// Decrypts a package for a request of this daemon's. When it succeeds, the request waits until
    /// settle() says whether the package was taken; else it waits for another package. Errors of
    /// parse_package(), ProvisionDesk::take() and open_package().
    [[nodiscard]] Task<Result<OpenedPackage>> open(Bytes text);
    enum class Settled : std::uint8_t { taken, not_taken };
    void settle(const ProvisionId& id, Settled how);

    /// Judges `{"request": DOCUMENT, "names": [...]}` (the names may be absent) by the policy that
    /// `policy->hand_over_policy` holds, which is there. Errors of JSON and of
    /// parse_provision_request(), and when the verifier cannot be asked; else see `verdict`.
    [[nodiscard]] Task<Result<JudgedRequest>> judge(PolicyPtr policy, Bytes text);
    /// Encrypts to a request that was found good.
    [[nodiscard]] Task<Result<std::string>> seal(ProvisionBody request,
                                                 std::vector<NewSecret> secrets);

    /// Wipes all keys.
    void stop();

 private:
    void arm();

    Strand platform_strand_, work_strand_;
    ProvisionDesk desk_;
    Timer wipe_;
};

/// The verifier of machines that secrets may be handed over to: as the daemon's own but for the
/// policy. Errors of make_verifier().
[[nodiscard]] Result<std::unique_ptr<VerifierKind>> make_hand_over_verifier(const Config& config);

}  // namespace attestd
