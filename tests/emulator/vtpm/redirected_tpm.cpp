// The TPM of attestd-azure-vtpm-test: the one that listens on the Unix socket that
// $ATTESTD_TEST_TPM names. Linked in place of agent/azure_vtpm/device.cpp and never installed: the
// product has no such switch.
#include <fcntl.h>
#include <sys/socket.h>

#include <cstdlib>

#include "agent/azure_vtpm/device.h"
#include "quote/base/unix_address.h"
#include "quote/platform/host.h"

namespace attestd::vtpm {
namespace {

constexpr unsigned kLockMode = 0600;

// Read before main(), which clears the environment.
const std::string kSocket = [] {
    const char* const path = std::getenv("ATTESTD_TEST_TPM");
    return std::string(path == nullptr ? "" : path);
}();

// The same of the root below which the boot log is (redirected_host.cpp).
[[maybe_unused]] System& root_is_known = host_system();

}  // namespace

Result<TpmDevice> open_tpm() {
    ATTESTD_TRY(const UnixAddress address, UnixAddress::of_path(kSocket));
    TpmDevice out;
    out.io = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!out.io) return fail_errno(errno, "socket");
    if (::connect(out.io.get(), address.get(), address.len()) != 0)
        return fail(Errc::vtpm_failed, "the test's TPM is not there");
    out.lock = Fd(::open((kSocket + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kLockMode));
    if (!out.lock) return fail_errno(errno, "the test's lock");
    return out;
}

}  // namespace attestd::vtpm
