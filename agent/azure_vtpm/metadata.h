// What an Azure confidential VM learns from the cloud's metadata service, through attestd-fetch:
// the VCEK of an SNP guest, and the quote that is made of a TDREPORT (`spec/snp.md` section 13).
//
// Plain HTTP from the host's side: nothing of it is believed. A VCEK is an endorsement like any
// other, and a TD quote is signed by Intel's quoting enclave or worthless.
#pragma once

#include <vector>

#include "agent/network/fetcher.h"
#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/platform/platform.h"

namespace attestd::vtpm {

struct SnpEndorsements {
    Bytes vcek;                  ///< DER
    std::vector<Bytes> issuers;  ///< DER: ASK, ARK
};

class Metadata final {
 public:
    /// `fetcher` outlives the object.
    explicit Metadata(Fetcher& fetcher) : fetcher_(fetcher) {}

    /// The errors of Fetcher; Errc::fetch_protocol for another status than 200 and for an answer
    /// that is not in its form.
    [[nodiscard]] Result<SnpEndorsements> snp_endorsements(Deadline deadline);

    /// The quote of `td_report` (1024 bytes). The same errors; Errc::platform_wrong_echo when the
    /// quote is not of that TDREPORT's report data.
    [[nodiscard]] Result<Bytes> td_quote(ByteView td_report, Deadline deadline);

 private:
    Fetcher& fetcher_;
};

}  // namespace attestd::vtpm
