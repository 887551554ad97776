// attestd-devsim: an emulated confidential VM's hardware, for tests and for trying attestd out.
//
// It signs with a hierarchy that exists in DIR alone; a verifier believes it only when DIR/root.der
// is given to it as an additional trust anchor, and then says "test grade". Never installed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

#include "tests/emulator/fuse/fuse_mount.h"
#include "tests/emulator/http_front.h"
#include "tests/emulator/machine.h"
#include "tests/emulator/options.h"
#include "tests/emulator/quote_service.h"

namespace attestd::devsim {
namespace {

constexpr unsigned kFolderMode = 0700, kLockMode = 0600;

/// The folder of one machine, locked against a second process.
struct Home {
    Fd dir, lock;
};

Result<Home> open_home(const std::string& path) {
    if (::mkdir(path.c_str(), kFolderMode) != 0 && errno != EEXIST) return fail_errno(errno, path);
    Home home;
    ATTESTD_TRY(home.dir, open_file(path, O_RDONLY | O_DIRECTORY));
    ATTESTD_TRY(home.lock, open_at(home.dir, "lock", O_RDWR | O_CREAT, kLockMode));
    if (::flock(home.lock.get(), LOCK_EX | LOCK_NB) != 0) {
        return fail(Errc::unavailable, path + ": is in use by another attestd-devsim");
    }
    return home;
}

/// Removes a socket at the end of its scope.
struct SocketFile {
    std::string path;
    ~SocketFile() { ::unlink(path.c_str()); }
};

/// The kernel's interfaces, where they were asked for.
#ifdef ATTESTD_HAS_FUSE
struct Devices {
    std::unique_ptr<DeviceTree> tree;
    std::unique_ptr<FuseMount> mount;
};

Result<Devices> mount_devices(Machine& machine, const std::string& path) {
    Devices out;
    if (path.empty()) return out;
    out.tree = std::make_unique<DeviceTree>(machine);
    ATTESTD_TRY(out.mount, FuseMount::mount(*out.tree, path));
    return out;
}
#else
struct Devices {};

Result<Devices> mount_devices(Machine&, const std::string& path) {
    if (path.empty()) return Devices{};
    return fail(Errc::unavailable, "--mount: this attestd-devsim was built without libfuse3");
}
#endif

Result<void> run(const Options& options) {
    ATTESTD_TRY(const Home home, open_home(options.dir));
    ATTESTD_TRY(const auto machine, Machine::create(options, home.dir));
    ATTESTD_TRY(const auto devices, mount_devices(*machine, options.mount));
    std::unique_ptr<QuoteService> quotes;
    if (options.vsock != 0) {
        ATTESTD_TRY(quotes, QuoteService::listen(*machine, options.vsock));
    }
    const SocketFile control{options.dir + "/control.sock"}, platform{options.socket};
    const HttpHandler platform_handler = platform_routes(*machine);
    const HttpHandler control_handler = control_routes(*machine);
    // Declared last: its destruction ends every connection before what they use is gone.
    boost::asio::io_context io(1);
    ATTESTD_CHECK(listen_http(io, control.path, control_handler));
    ATTESTD_CHECK(listen_http(io, platform.path, platform_handler));
    boost::asio::signal_set signals(io, SIGTERM, SIGINT);
    signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
    std::puts("ready");
    std::fflush(stdout);
    io.run();
    return {};
}

int main_checked(int argc, char** argv) {
    const auto options = parse_devsim_options({argv + 1, argv + argc});
    if (!options) {
        fmt::print(stderr, "attestd-devsim: {}\n{}", options.error().detail, devsim_usage());
        return 2;
    }
    const auto done = run(*options);
    if (done) return 0;
    fmt::print(stderr, "attestd-devsim: {}\n", to_string(done.error()));
    return 1;
}

}  // namespace
}  // namespace attestd::devsim

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return attestd::devsim::main_checked(argc, argv);
    } catch (const std::exception& bug) {
        std::fprintf(stderr, "attestd-devsim: %s\n", bug.what());
        return 1;
    }
}
