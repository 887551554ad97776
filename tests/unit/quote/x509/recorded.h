// Every certificate and revocation list among the recorded vectors and in a forged hierarchy.
#pragma once

#include <string>
#include <vector>

#include "quote/base/bytes.h"

namespace attestd::test {

struct NamedDer {
    std::string name;
    Bytes der;
};

/// Empty when this machine has no vectors.
[[nodiscard]] std::vector<NamedDer> recorded_certificates();
[[nodiscard]] std::vector<NamedDer> recorded_crls();

/// Intel's four, and the root of AMD's (each further RSA key costs seconds).
[[nodiscard]] std::vector<NamedDer> forged_certificates();
[[nodiscard]] std::vector<NamedDer> forged_crls();

}  // namespace attestd::test
