// What OpenSSL says of a certificate or list, in our types; and the forged hierarchy that both
// read.
#pragma once

#include <openssl/x509.h>

#include "quote/base/bytes.h"
#include "quote/base/time.h"
#include "tests/support/forge/intel_forge.h"

namespace attestd::test {

/// The time at which the hierarchy is good.
inline const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

/// Intel's hierarchy, forged once for the process.
[[nodiscard]] const forge::IntelHierarchy& intel();

[[nodiscard]] Time time_of(const ASN1_TIME* time);
/// Without leading zeros, but zero is one byte: as ours are.
[[nodiscard]] Bytes magnitude(const ASN1_INTEGER* number);

/// The DER that OpenSSL writes.
template <class T>
[[nodiscard]] Bytes written(const T* object, int (*i2d)(const T*, unsigned char**)) {
    Bytes out(static_cast<std::size_t>(i2d(object, nullptr)));
    unsigned char* at = out.data();
    i2d(object, &at);
    return out;
}

}  // namespace attestd::test
