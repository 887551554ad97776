// EventJournal: the run-time events of this boot on disk, each written and synced before the
// register is extended with it.
//
// One text file: a line that says which boot it belongs to and what the register held before, then
// a line for each event. A line that a crash left unfinished was never measured, and is dropped.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "quote/base/digest.h"
#include "quote/base/fd.h"
#include "quote/base/result.h"
#include "quote/boot/runtime_event.h"

namespace attestd {

inline constexpr std::size_t kMaxRuntimeEvents = 4096;

class EventJournal final {
 public:
    /// Reads what is there. A file of another boot counts as none: its registers are gone.
    /// Errc::event_lost for a file of this boot that is damaged; errors of the file system.
    [[nodiscard]] static Result<EventJournal> open(std::filesystem::path path, std::string boot_id);

    /// Whether anything of this boot is there.
    [[nodiscard]] bool has_begun() const noexcept { return static_cast<bool>(file_); }
    /// What the register held before the first event.
    [[nodiscard]] const Sha384& base() const noexcept { return base_; }
    [[nodiscard]] const std::vector<RuntimeEvent>& events() const noexcept { return events_; }
    /// What the register holds after the first `num` events.
    [[nodiscard]] Sha384 value_after(std::size_t num) const;

    /// Begins the file of this boot, in place of any other.
    [[nodiscard]] Result<void> begin(const Sha384& base);
    /// On disk when this returns. Errc::no_space, Errc::io_failed: then nothing of it is left, or
    /// the journal is broken and fails from now on.
    [[nodiscard]] Result<void> append(const RuntimeEvent& event);
    /// Takes back the last event, which was not measured.
    [[nodiscard]] Result<void> take_back();

 private:
    EventJournal(std::filesystem::path path, std::string boot_id)
        : path_(std::move(path)), boot_id_(std::move(boot_id)) {}
    [[nodiscard]] Result<void> read(ByteView bytes);
    [[nodiscard]] Result<void> cut(std::size_t len);

    std::filesystem::path path_;
    std::string boot_id_;
    Fd file_;
    Sha384 base_{};
    std::vector<RuntimeEvent> events_;
    std::vector<std::size_t> ends_;  // bytes of the file up to the end of each event
    std::size_t head_len_ = 0;
    bool is_broken_ = false;
};

}  // namespace attestd
