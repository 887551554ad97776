// Who owns entries, and what handing one over to an unprivileged user gives
// (`spec/guest-interfaces.md` section 2.1). Each step runs as the user that it names.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/abi/calls.h"

namespace attestd::abi {
namespace {

constexpr uid_t kNobody = 65534;
constexpr const char* kFiles[] = {"inblob",  "outblob",   "generation",     "provider",
                                  "auxblob", "privlevel", "privlevel_floor"};

// As a user without any privilege; dropping the last uid drops every capability.
void as_nobody(const std::function<void()>& steps) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
            ::setresuid(kNobody, kNobody, kNobody) != 0) {
            std::_Exit(2);
        }
        steps();
        std::_Exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0)
        say("steps of an unprivileged user", "did not end well");
}

std::string owner_of(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return ok_or_errno(-1);
    std::array<char, 48> out{};
    std::snprintf(out.data(), out.size(), "%u:%u %04o", info.st_uid, info.st_gid,
                  info.st_mode & 07777U);
    return out.data();
}

std::string effective_capabilities() {
    const Content status = read_file("/proc/self/status");
    const std::string text(status.bytes.begin(), status.bytes.end());
    const std::size_t at = text.find("CapEff:\t");
    return at == std::string::npos ? "unknown" : text.substr(at + 8, text.find('\n', at) - at - 8);
}

}  // namespace

void ownership(const Machine& machine) {
    const std::string reports = machine.reports(), made = reports + "/attestd-abi-nobody";
    as_nobody([&] { say("nobody: mkdir", ok_or_errno(::mkdir(made.c_str(), 0755))); });
    say("chmod 0777 of report", ok_or_errno(::chmod(reports.c_str(), 0777)));
    as_nobody([&] {
        say("nobody: mkdir in an open folder", ok_or_errno(::mkdir(made.c_str(), 0755)));
        say("nobody: owner of its own entry", owner_of(made));
        say("nobody: open its own inblob", File(made + "/inblob", O_WRONLY).opened());
        say("nobody: rmdir of its own entry", ok_or_errno(::rmdir(made.c_str())));
    });
    static_cast<void>(::rmdir(made.c_str()));
    say("chmod 0755 of report", ok_or_errno(::chmod(reports.c_str(), 0755)));

    const Entry entry(machine, "handed");
    for (const char* const name : kFiles) {
        const std::string path = entry / name;
        if (::access(path.c_str(), F_OK) == 0)
            say(std::string("chown of ") + name,
                ok_or_errno(::chown(path.c_str(), kNobody, kNobody)));
    }
    say("chown of the entry", ok_or_errno(::chown(entry.path().c_str(), kNobody, kNobody)));
    say("owner of the entry that was handed over", owner_of(entry.path()));
    say("owner of inblob that was handed over", owner_of(entry / "inblob"));
    as_nobody([&] {
        const ReportData data = report_data(0x40);
        say("nobody: capabilities", effective_capabilities());
        say("nobody: generations of a request", entry.generations_of([&] {
            const File file(entry / "inblob", O_WRONLY);
            say("nobody: open inblob that was handed over", file.opened());
            say("nobody: write", count_or_errno(::write(file.get(), data.data(), data.size())));
        }));
        say("nobody: report", judge_report(machine, read_file(entry / "outblob"), data));
        say("nobody: rmdir of the entry", ok_or_errno(::rmdir(entry.path().c_str())));
    });
    say("entry after that", owner_of(entry.path()));
}

}  // namespace attestd::abi
