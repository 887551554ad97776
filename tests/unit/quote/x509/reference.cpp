#include "tests/unit/quote/x509/reference.h"

#include <algorithm>
#include <ctime>

#include "quote/base/ossl.h"
#include "tests/support/catch.h"

namespace attestd::test {

const forge::IntelHierarchy& intel() {
    static const forge::IntelHierarchy made(forge::shared_intel_keys(),
                                            forge::IntelValidity::around(kNow));
    return made;
}

Time time_of(const ASN1_TIME* time) {
    std::tm tm{};
    REQUIRE(ASN1_TIME_to_tm(time, &tm) == 1);
    return make_time(tm.tm_year + 1900, static_cast<unsigned>(tm.tm_mon + 1),
                     static_cast<unsigned>(tm.tm_mday), static_cast<unsigned>(tm.tm_hour),
                     static_cast<unsigned>(tm.tm_min), static_cast<unsigned>(tm.tm_sec), "time")
        .value();
}

Bytes magnitude(const ASN1_INTEGER* number) {
    const std::unique_ptr<BIGNUM, Free<BN_free>> bn(ASN1_INTEGER_to_BN(number, nullptr));
    Bytes out(static_cast<std::size_t>(std::max(1, BN_num_bytes(bn.get()))));
    BN_bn2bin(bn.get(), out.data());
    return out;
}

}  // namespace attestd::test
