#include "tests/abi/calls.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace attestd::abi {
namespace {

constexpr mode_t kNewMode = 0644;
constexpr std::size_t kMostBytes = std::size_t{1} << 20;  // a file without an end is a finding

std::string name_of(int error) {
    const char* const name = ::strerrorname_np(error);
    return name == nullptr ? "errno " + std::to_string(error) : name;
}

}  // namespace

ReportData report_data(std::uint8_t fill) {
    ReportData out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(fill + i);
    return out;
}

void say(const std::string& name, const std::string& result) {
    std::printf("%s: %s\n", name.c_str(), result.c_str());
    std::fflush(stdout);  // a child must not say it again
}

std::string ok_or_errno(long result) { return result < 0 ? name_of(errno) : "ok"; }

std::string count_or_errno(long result) {
    return result < 0 ? name_of(errno) : std::to_string(result);
}

File::File(const std::string& path, int flags)
    : fd_(::open(path.c_str(), flags | O_CLOEXEC, kNewMode)), error_(fd_ < 0 ? errno : 0) {}

std::string File::opened() const { return error_ == 0 ? "ok" : name_of(error_); }

std::string File::close() {
    if (fd_ < 0) return "not open";
    return ok_or_errno(::close(std::exchange(fd_, -1)));
}

Content read_to_end(int fd, std::size_t at_once) {
    Content out;
    std::vector<std::uint8_t> buffer(at_once);
    while (out.bytes.size() < kMostBytes) {
        const ssize_t len = ::read(fd, buffer.data(), buffer.size());
        if (len < 0) out.failed = name_of(errno);
        if (len <= 0) return out;
        out.bytes.insert(out.bytes.end(), buffer.begin(), buffer.begin() + len);
    }
    out.failed = "without an end";
    return out;
}

Content read_file(const std::string& path, std::size_t at_once) {
    const File file(path, O_RDONLY);
    if (file.opened() != "ok") return {{}, file.opened()};
    return read_to_end(file.get(), at_once);
}

std::string text_of(const std::string& path) {
    const Content content = read_file(path);
    if (!content.failed.empty()) return content.failed;
    std::string text(content.bytes.begin(), content.bytes.end());
    if (!text.ends_with('\n')) return text + " (without a newline)";
    text.pop_back();
    return text;
}

std::string judge_report(const Machine& machine, const Content& content, const ReportData& asked) {
    if (!content.failed.empty()) return content.failed;
    const std::size_t at = machine.report_data_at();
    if (content.bytes.size() < machine.least_report())
        return std::to_string(content.bytes.size()) + " bytes are no report";
    const auto carried = content.bytes.begin() + static_cast<std::ptrdiff_t>(at);
    return std::equal(asked.begin(), asked.end(), carried) ? "a report over what was asked"
                                                           : "a report over something else";
}

Entry::Entry(const Machine& machine, const std::string& name)
    : path_(machine.reports() + "/attestd-abi-" + name) {
    if (::mkdir(path_.c_str(), 0755) == 0) return;
    std::fprintf(stderr, "abi-conformance: mkdir %s: %s\n", path_.c_str(), std::strerror(errno));
    std::exit(2);  // nothing after this would mean anything
}

Entry::~Entry() { static_cast<void>(::rmdir(path_.c_str())); }

unsigned long Entry::generation() const {
    return std::strtoul(text_of(path_ + "/generation").c_str(), nullptr, 10);
}

std::string Entry::generations_of(const std::function<void()>& action) const {
    const unsigned long before = generation();
    action();
    return std::to_string(generation() - before);
}

void Entry::ask(const ReportData& data) const {
    const File file(path_ + "/inblob", O_WRONLY);
    ignore(::write(file.get(), data.data(), data.size()));
}

}  // namespace attestd::abi
