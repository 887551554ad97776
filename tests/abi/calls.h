// What the conformance program says of each call: one line, `name: result`.
//
// A result is "ok", a number of bytes, or the name of an errno; never a value that differs from one
// machine to the next, so that two machines' output can be compared line by line.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace attestd::abi {

enum class Guest : std::uint8_t { tdx, snp };

/// Where the interfaces are, and whose they are said to be.
struct Machine {
    std::string root;  ///< in front of every path; empty for the running kernel
    Guest guest;

    [[nodiscard]] std::string reports() const { return root + "/sys/kernel/config/tsm/report"; }
    [[nodiscard]] std::string device() const {
        return root + (guest == Guest::tdx ? "/dev/tdx_guest" : "/dev/sev-guest");
    }
    /// Where a report of this kind carries the report data, and its least length.
    [[nodiscard]] std::size_t report_data_at() const { return guest == Guest::tdx ? 568 : 0x50; }
    [[nodiscard]] std::size_t least_report() const { return guest == Guest::tdx ? 632 : 1184; }
};

using ReportData = std::array<std::uint8_t, 64>;
[[nodiscard]] ReportData report_data(std::uint8_t fill);

void say(const std::string& name, const std::string& result);

/// "ok", the count, or the errno's name, of a call that gives -1 for a failure.
[[nodiscard]] std::string ok_or_errno(long result);
[[nodiscard]] std::string count_or_errno(long result);

/// For a call whose effect alone is looked at, by a later line.
inline void ignore(long /*result*/) noexcept {}

/// A file that is open for as long as the object lives. `error` is 0 when it is.
class File final {
 public:
    File(const std::string& path, int flags);
    ~File() { static_cast<void>(close()); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] std::string opened() const;
    /// close(2)'s own answer, in words.
    std::string close();

 private:
    int fd_, error_;
};

struct Content {
    std::vector<std::uint8_t> bytes;
    std::string failed;  ///< errno's name; empty when all was read
};
[[nodiscard]] Content read_to_end(int fd, std::size_t at_once = 4096);
[[nodiscard]] Content read_file(const std::string& path, std::size_t at_once = 4096);
/// A text attribute without its newline, or the errno's name.
[[nodiscard]] std::string text_of(const std::string& path);

/// "a report over what was asked", or what is wrong with it.
[[nodiscard]] std::string judge_report(const Machine& machine, const Content& content,
                                       const ReportData& asked);

/// A report entry, removed at the end of the scope.
class Entry final {
 public:
    Entry(const Machine& machine, const std::string& name);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string operator/(const std::string& attribute) const {
        return path_ + '/' + attribute;
    }
    [[nodiscard]] unsigned long generation() const;
    /// How many generations `action` took.
    [[nodiscard]] std::string generations_of(const std::function<void()>& action) const;
    /// One request, written and closed.
    void ask(const ReportData& data) const;

 private:
    std::string path_;
};

// The lists of calls.
void names_and_modes(const Machine& machine);
void opening(const Machine& machine);
void committing(const Machine& machine);
void reading(const Machine& machine);
void options(const Machine& machine);
void removing(const Machine& machine);
void ownership(const Machine& machine);
void device_calls(const Machine& machine);

/// While the machine fails, or takes its time, as it was told to before.
void failing(const Machine& machine);
void slow(const Machine& machine);

}  // namespace attestd::abi
