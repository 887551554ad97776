// What is put wrong in a case of Azure evidence, for the tests of its appraisal.
#pragma once

#include <algorithm>
#include <string>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/unit/verifier/azure/azure_setting.h"
#include "verifier/azure/azure_claims.h"

namespace attestd::azure_test {

using test::AzureCase;
using test::AzureTee;
using test::challenge;
using test::has_finding;
using test::of;
using test::outcome;

inline AzureTee both() { return GENERATE(AzureTee::snp, AzureTee::tdx); }

using Bank = forge::VtpmQuoteSpec::Bank;

// One thing wrong in a case.
struct Spoilt {
    const char* name;
    void (*spoil)(AzureCase&);
};

inline std::string upper_hex(ByteView bytes) {
    std::string out = to_hex(bytes);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
    return out;
}

// The runtime data's user-data as a guest leaves it after writing `nonce`.
inline std::string user_data_of(ByteView nonce) {
    std::string out = upper_hex(nonce);
    out.resize(128, '0');
    return out;
}

}  // namespace attestd::azure_test
