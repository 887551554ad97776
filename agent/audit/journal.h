// Journal: each audit record to systemd's journal too, with its members as fields.
//
// The file is the record; this is a copy for those who read the journal. A datagram that cannot be
// sent is counted and never waited for.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd {

/// One record as a datagram of the journal's native protocol: MESSAGE is the line itself, and each
/// member is a field ATTESTD_<NAME>. Errc::bad_json when the line is no record.
[[nodiscard]] Result<std::string> journal_entry(std::string_view line);

class Journal final {
 public:
    /// Connects to the journal's socket at the first record.
    explicit Journal(std::filesystem::path socket = "/run/systemd/journal/socket");

    /// Sends each of the lines (with their line ends). Never blocks.
    void send(std::string_view lines);

    [[nodiscard]] std::uint64_t num_lost() const noexcept { return num_lost_; }

 private:
    [[nodiscard]] bool send_one(std::string_view line);

    std::filesystem::path path_;
    Fd socket_;
    std::uint64_t num_lost_ = 0;
    bool is_told_ = false;  // that records are being lost
};

}  // namespace attestd
