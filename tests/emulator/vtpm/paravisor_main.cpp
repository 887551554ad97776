// attestd-paravisor --dir DIR --tee snp|tdx --tpm SOCKET --listen SOCKET
//
// An Azure confidential VM's vTPM for tests: a TPM (swtpm, at --tpm) behind an emulated paravisor,
// which clients reach at --listen as they would reach a TPM's device. DIR holds the machine's keys
// and endorsements, as attestd-devsim's does. Never installed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <thread>

#include "quote/base/unix_address.h"
#include "tests/emulator/options.h"
#include "tests/emulator/vtpm/paravisor.h"

namespace attestd::devsim {
namespace {

constexpr int kClientsWaiting = 16;

struct ParavisorOptions {
    Options machine;
    std::string tpm, listen;
};

Result<ParavisorOptions> parse_paravisor_options(const std::vector<std::string>& args) {
    ParavisorOptions out;
    out.machine.now = system_now();
    for (std::size_t i = 0; i + 1 < args.size(); i += 2) {
        const std::string& value = args[i + 1];
        if (args[i] == "--dir") out.machine.dir = value;
        if (args[i] == "--tee") out.machine.tee = value == "tdx" ? Tee::tdx : Tee::snp;
        if (args[i] == "--tpm") out.tpm = value;
        if (args[i] == "--listen") out.listen = value;
    }
    if (args.size() == 8 && !out.machine.dir.empty() && !out.tpm.empty() && !out.listen.empty())
        return out;
    return fail(Errc::bad_usage,
                "usage: attestd-paravisor --dir DIR --tee snp|tdx --tpm SOCKET --listen SOCKET");
}

Result<Fd> unix_socket() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "socket");
    return fd;
}

Result<void> run(const ParavisorOptions& options) {
    ATTESTD_TRY(const Fd dir, open_file(options.machine.dir, O_RDONLY | O_DIRECTORY));
    ATTESTD_TRY(const auto machine, Machine::create(options.machine, dir));
    ATTESTD_TRY(Fd tpm, unix_socket());
    ATTESTD_TRY(const UnixAddress tpm_address, UnixAddress::of_path(options.tpm));
    if (::connect(tpm.get(), tpm_address.get(), tpm_address.len()) != 0)
        return fail_errno(errno, options.tpm);
    ATTESTD_TRY(const Fd listener, unix_socket());
    ATTESTD_TRY(const UnixAddress address, UnixAddress::of_path(options.listen));
    if (::bind(listener.get(), address.get(), address.len()) != 0 ||
        ::listen(listener.get(), kClientsWaiting) != 0)
        return fail_errno(errno, options.listen);
    // Never destroyed: a client's thread may use it for as long as the process is there.
    auto* const paravisor =
        std::make_unique<Paravisor>(*machine, std::move(tpm), dir, options.machine.dir).release();
    std::puts("ready");
    std::fflush(stdout);
    for (;;) {
        Fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) continue;
        std::thread([paravisor, client = std::move(client)] { paravisor->serve(client); }).detach();
    }
}

int main_checked(int argc, char** argv) {
    const auto options = parse_paravisor_options({argv + 1, argv + argc});
    const auto done = options ? run(*options) : tl::make_unexpected(options.error());
    if (done) return 0;
    fmt::print(stderr, "attestd-paravisor: {}\n", to_string(done.error()));
    return options ? 1 : 2;
}

}  // namespace
}  // namespace attestd::devsim

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return attestd::devsim::main_checked(argc, argv);
    } catch (const std::exception& bug) {
        std::fprintf(stderr, "attestd-paravisor: %s\n", bug.what());
        return 1;
    }
}
