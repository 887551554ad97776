// The rules of names, commits, snapshots, options and removal of configfs-tsm's report entries
// (`spec/guest-interfaces.md` section 2), each as one call and what it gave.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "tests/abi/calls.h"

namespace attestd::abi {
namespace {

std::vector<std::string> sorted_names(const std::string& folder) {
    std::vector<std::string> out;
    DIR* const dir = ::opendir(folder.c_str());
    if (dir == nullptr) return {"cannot be listed"};
    while (const dirent* const entry = ::readdir(dir)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") out.push_back(name);
    }
    ::closedir(dir);
    std::sort(out.begin(), out.end());
    return out;
}

std::string describe(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return ok_or_errno(-1);
    std::array<char, 96> out{};
    std::snprintf(out.data(), out.size(), "%s %04o uid %u gid %u size %lld",
                  S_ISDIR(info.st_mode) ? "folder" : "file", info.st_mode & 07777U, info.st_uid,
                  info.st_gid, S_ISDIR(info.st_mode) ? 0LL : static_cast<long long>(info.st_size));
    return out.data();
}

std::string write_text(const std::string& path, const std::string& text) {
    const File file(path, O_WRONLY);
    if (file.opened() != "ok") return file.opened();
    return count_or_errno(::write(file.get(), text.data(), text.size()));
}

}  // namespace

void names_and_modes(const Machine& machine) {
    say("report folder", describe(machine.reports()));
    const Entry entry(machine, "names");
    say("entry", describe(entry.path()));
    for (const std::string& name : sorted_names(entry.path()))
        say("attribute " + name, describe(entry / name));
    say("provider", text_of(entry / "provider"));
    say("generation of a fresh entry", text_of(entry / "generation"));
    say("mkdir of a name that is taken", ok_or_errno(::mkdir(entry.path().c_str(), 0755)));
    say("mkdir in an entry", ok_or_errno(::mkdir((entry / "x").c_str(), 0755)));
    say("mkdir beside report", ok_or_errno(::mkdir((machine.reports() + "/../x").c_str(), 0755)));
    say("rmdir of report", ok_or_errno(::rmdir(machine.reports().c_str())));
    say("rmdir of a name that is not there",
        ok_or_errno(::rmdir((machine.reports() + "/attestd-abi-none").c_str())));
    say("unlink of an attribute", ok_or_errno(::unlink((entry / "outblob").c_str())));
    say("create in an entry", File(entry / "x", O_WRONLY | O_CREAT).opened());
    say("create beside entries", File(machine.reports() + "/x", O_WRONLY | O_CREAT).opened());
}

void opening(const Machine& machine) {
    const Entry entry(machine, "opening");
    say("open inblob to read", File(entry / "inblob", O_RDONLY).opened());
    say("open inblob to read and write", File(entry / "inblob", O_RDWR).opened());
    say("open outblob to write", File(entry / "outblob", O_WRONLY).opened());
    say("open generation to write", File(entry / "generation", O_WRONLY).opened());
    say("open provider to write", File(entry / "provider", O_WRONLY).opened());
    say("generations of opening and closing inblob",
        entry.generations_of([&] { const File file(entry / "inblob", O_WRONLY | O_TRUNC); }));
    say("read outblob before any request", read_file(entry / "outblob").failed);
}

void committing(const Machine& machine) {
    const Entry entry(machine, "committing");
    const ReportData data = report_data(1);
    {
        File file(entry / "inblob", O_WRONLY);
        say("write of 64 bytes", count_or_errno(::write(file.get(), data.data(), data.size())));
        say("generation before the close", text_of(entry / "generation"));
        say("close", file.close());
        say("generation after the close", text_of(entry / "generation"));
    }
    say("generations of 40 and 24 bytes", entry.generations_of([&] {
        const File file(entry / "inblob", O_WRONLY);
        ignore(::write(file.get(), data.data(), 40));
        ignore(::write(file.get(), data.data() + 40, 24));
    }));
    say("report of 40 and 24 bytes", judge_report(machine, read_file(entry / "outblob"), data));
    say("generations of pwrite in two parts", entry.generations_of([&] {
        const File file(entry / "inblob", O_WRONLY);
        ignore(::pwrite(file.get(), data.data() + 32, 32, 32));
        ignore(::pwrite(file.get(), data.data(), 32, 0));
    }));
    say("report of pwrite in two parts", judge_report(machine, read_file(entry / "outblob"), data));
    say("generations of 63 bytes", entry.generations_of([&] {
        const File file(entry / "inblob", O_WRONLY);
        say("write of 63 bytes", count_or_errno(::write(file.get(), data.data(), 63)));
    }));
    say("report of 63 bytes", read_file(entry / "outblob").failed);
    const std::array<std::uint8_t, 65> many{};
    say("generations of 65 bytes", entry.generations_of([&] {
        File file(entry / "inblob", O_WRONLY);
        say("write of 65 bytes", count_or_errno(::write(file.get(), many.data(), many.size())));
        say("close after it", file.close());
    }));
    say("report of 65 bytes", read_file(entry / "outblob").failed);
    entry.ask(data);
    say("generations of a write of nothing", entry.generations_of([&] {
        const File file(entry / "inblob", O_WRONLY);
        say("write of nothing", count_or_errno(::write(file.get(), data.data(), 0)));
    }));
    File first(entry / "inblob", O_WRONLY);
    const int second = ::dup(first.get());
    ignore(::write(second, data.data(), data.size()));
    say("generations of closing one of two duplicates",
        entry.generations_of([&] { static_cast<void>(first.close()); }));
    say("generations of closing the other",
        entry.generations_of([&] { static_cast<void>(::close(second)); }));
    const File seeking(entry / "inblob", O_WRONLY);
    say("lseek in inblob", count_or_errno(::lseek(seeking.get(), 0, SEEK_END)));
    say("truncate inblob", ok_or_errno(::ftruncate(seeking.get(), 0)));
}

void reading(const Machine& machine) {
    const Entry entry(machine, "reading");
    const ReportData one = report_data(10), two = report_data(90);
    entry.ask(one);
    const Content report = read_file(entry / "outblob");
    say("report", judge_report(machine, report, one));
    say("report read a byte at a time is the same",
        read_file(entry / "outblob", 1).bytes == report.bytes ? "yes" : "no");
    say("generations of reading",
        entry.generations_of([&] { static_cast<void>(read_file(entry / "outblob")); }));

    const File open_before(entry / "outblob", O_RDONLY), read_before(entry / "outblob", O_RDONLY);
    std::array<std::uint8_t, 64> part{};
    ignore(::read(read_before.get(), part.data(), part.size()));
    entry.ask(two);
    Content rest = read_to_end(read_before.get());
    rest.bytes.insert(rest.bytes.begin(), part.begin(), part.end());
    say("report begun before another request", judge_report(machine, rest, one));
    say("report opened before another request",
        judge_report(machine, read_to_end(open_before.get()), two));
    say("report opened after it", judge_report(machine, read_file(entry / "outblob"), two));

    const File file(entry / "outblob", O_RDONLY);
    say("pread of the report data",
        count_or_errno(::pread(file.get(), part.data(), part.size(),
                               static_cast<off_t>(machine.report_data_at()))));
    say("pread gives the report data",
        std::equal(two.begin(), two.end(), part.begin()) ? "yes" : "no");
    say("pread behind the end",
        count_or_errno(::pread(file.get(), part.data(), part.size(), off_t{1} << 20)));
    say("lseek in outblob", count_or_errno(::lseek(file.get(), 0, SEEK_SET)));
    void* const mapped = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file.get(), 0);
    say("mmap of outblob", mapped == MAP_FAILED ? ok_or_errno(-1) : "ok");
    const Content certs = read_file(entry / "auxblob");
    say("auxblob", !certs.failed.empty() ? certs.failed : certs.bytes.empty() ? "empty" : "bytes");
    say("manifestblob", read_file(entry / "manifestblob").failed);
}

void options(const Machine& machine) {
    const Entry entry(machine, "options");
    say("privlevel_floor", text_of(entry / "privlevel_floor"));
    say("open privlevel to read", File(entry / "privlevel", O_RDONLY).opened());
    for (const char* const text : {"0", "3", "1\n", "4", "-1", "x", ""}) {
        std::string shown = text;
        if (shown.ends_with('\n')) shown.replace(shown.size() - 1, 1, "\\n");
        std::string wrote;
        const std::string steps =
            entry.generations_of([&] { wrote = write_text(entry / "privlevel", text); });
        say("write privlevel '" + shown + "'", wrote + ", generations " + steps);
    }
    say("write service_provider", write_text(entry / "service_provider", "svsm"));
    const ReportData data = report_data(3);
    entry.ask(data);
    say("report with an option", judge_report(machine, read_file(entry / "outblob"), data));
    std::string wrote;
    const std::string steps = entry.generations_of([&] {
        wrote = write_text(entry / "privlevel", "0");
        if (wrote != "1") entry.ask(data);
    });
    say("generations of an option or a request after it", steps);
    say("report after an option", judge_report(machine, read_file(entry / "outblob"), data));
}

void removing(const Machine& machine) {
    const std::string path = machine.reports() + "/attestd-abi-removing";
    const ReportData data = report_data(7);
    static_cast<void>(::mkdir(path.c_str(), 0755));
    const File unread(path + "/outblob", O_RDONLY), writing(path + "/inblob", O_WRONLY),
        counter(path + "/generation", O_RDONLY);
    say("write before the removal",
        count_or_errno(::write(writing.get(), data.data(), data.size())));
    say("rmdir while files are open", ok_or_errno(::rmdir(path.c_str())));
    say("read outblob after the removal", read_to_end(unread.get()).failed);
    say("read generation after the removal", read_to_end(counter.get()).failed);
    say("write inblob after the removal",
        count_or_errno(::write(writing.get(), data.data(), data.size())));
    say("stat after the removal", describe(path));
    static_cast<void>(::mkdir(path.c_str(), 0755));
    say("generation of an entry of the same name", text_of(path + "/generation"));
    say("rmdir", ok_or_errno(::rmdir(path.c_str())));
}

void failing(const Machine& machine) {
    const Entry entry(machine, "failing");
    entry.ask(report_data(5));
    say("report while the machine fails", read_file(entry / "outblob").failed);
    say("again", read_file(entry / "outblob").failed);
    say("auxblob while the machine fails", read_file(entry / "auxblob").failed);
    say("generation", text_of(entry / "generation"));
}

void slow(const Machine& machine) {
    const Entry entry(machine, "slow");
    const ReportData data = report_data(6);
    entry.ask(data);
    struct sigaction action {};
    action.sa_handler = [](int) {};
    static_cast<void>(::sigaction(SIGALRM, &action, nullptr));
    // Again and again, so that one that comes too early for the read costs nothing.
    const itimerval soon{{0, 100000}, {0, 100000}}, never{};
    static_cast<void>(::setitimer(ITIMER_REAL, &soon, nullptr));
    const Content interrupted = read_file(entry / "outblob");
    static_cast<void>(::setitimer(ITIMER_REAL, &never, nullptr));
    say("report while signals arrive", judge_report(machine, interrupted, data));
    say("generation after it", text_of(entry / "generation"));
    say("report without signals", judge_report(machine, read_file(entry / "outblob"), data));
}

}  // namespace attestd::abi
