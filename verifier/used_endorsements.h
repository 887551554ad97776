// UsedEndorsements: what a verification rests on, of all that was given.
//
// Whoever shows a result to people shows these: what merely came beside them was not verified, or
// was verified and not chosen.
#pragma once

#include <memory>
#include <vector>

#include "quote/x509/certificate.h"
#include "quote/x509/crl.h"
#include "verifier/intel/enclave_identity.h"
#include "verifier/intel/tcb_info.h"

namespace attestd {

struct UsedEndorsements {
    std::vector<Certificate> chain;  ///< leaf, intermediate, root
    /// Of each issuer the newest in force; empty when none was needed. None is null.
    std::vector<std::shared_ptr<const Crl>> crls;
    std::shared_ptr<const TcbInfo> tcb_info;             ///< null for SNP
    std::shared_ptr<const EnclaveIdentity> qe_identity;  ///< null for SNP
};

}  // namespace attestd
