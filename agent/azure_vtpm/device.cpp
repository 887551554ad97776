// The product's TPM: the kernel's resource-managed device, and no other.
#include "agent/azure_vtpm/device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "quote/platform/system.h"

namespace attestd::vtpm {
namespace {

constexpr const char* kDevice = "/dev/tpmrm0";

tl::unexpected<Error> unusable(int error) {
    const std::string_view mend =
        error == ENOENT ? "this machine has no TPM, or its driver is missing: modprobe tpm_crb, or "
                          "modprobe tpm_tis"
        : error == EACCES || error == EPERM
            ? "chgrp tss /dev/tpmrm0; chmod 0660 /dev/tpmrm0, and this program's user in the group "
              "tss"
            : "find out who put it there";
    return fail(Errc::vtpm_failed, fmt::format("{}: {}; {}", kDevice, errno_words(error), mend));
}

}  // namespace

Result<TpmDevice> open_tpm() {
    TpmDevice out;
    out.io = Fd(::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!out.io) return unusable(errno);
    struct stat st {};
    if (::fstat(out.io.get(), &st) != 0) return unusable(errno);
    if (!S_ISCHR(st.st_mode)) return unusable(ENOTTY);
    out.lock = Fd(::fcntl(out.io.get(), F_DUPFD_CLOEXEC, 0));
    if (!out.lock) return unusable(errno);
    return out;
}

}  // namespace attestd::vtpm
