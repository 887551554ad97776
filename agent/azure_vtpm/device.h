// Which TPM this program speaks to.
//
// The product has one definition, device.cpp: /dev/tpmrm0. The program that is built for tests and
// never installed is linked with another one in its place, which is the only way to another TPM.
#pragma once

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::vtpm {

struct TpmDevice {
    Fd io;    ///< for commands; does not block
    Fd lock;  ///< flock(2) on it is shared by all processes that opened the same TPM
};

/// Errc::vtpm_failed, with what mends it.
[[nodiscard]] Result<TpmDevice> open_tpm();

}  // namespace attestd::vtpm
