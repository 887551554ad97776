// SignerCrls: whether those who certify the keys of a key set have taken them back
// (`spec/remote-verifiers.md` section 1.6): the lists that leaf and authorities name, fetched by
// way of attestd-fetch and kept until the next one is due.
//
// A list that cannot be had is the administrator's to judge (CrlRule). One that is there counts in
// either case: whoever can put a bad one there could put none.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/network/fetcher.h"
#include "config/config.h"
#include "quote/jose/signer_chain.h"
#include "verifier/finding.h"

namespace attestd::remote {

class SignerCrls final {
 public:
    SignerCrls(CrlRule rule, std::shared_ptr<Fetcher> fetcher)
        : rule_(rule), fetcher_(std::move(fetcher)) {}

    /// Looks up every certificate of `chain` but the last at its issuer. Warnings ("crl.missing")
    /// are about lists that CrlRule::soft does without. Errc::leaf_revoked,
    /// Errc::intermediate_revoked, Errc::crl_* of a list that is no good; Errc::crl_missing, an
    /// outage, when one cannot be had that is required.
    [[nodiscard]] Result<Findings> check(const SignerChain& chain, Time now,
                                         Fetcher::Deadline deadline);

 private:
    [[nodiscard]] Result<void> check_one(const X509& certificate, const X509& issuer, Time now,
                                         Fetcher::Deadline deadline, Errc if_revoked);
    [[nodiscard]] Result<SignerCrl> list_at(const std::string& address, const X509& issuer,
                                            Time now, Fetcher::Deadline deadline);

    CrlRule rule_;
    std::shared_ptr<Fetcher> fetcher_;
    std::map<std::string, SignerCrl> kept_;  // by address
};

}  // namespace attestd::remote
