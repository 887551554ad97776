// AuditLog: the record of a decision is written before the decision takes effect.
//
// record() returns when the line is in the file (and, with AuditSync::each, on the disk). Records
// that are made in the same turn of the event loop share one write. When a line cannot be written,
// its caller is told so and gives nothing away. A file that has grown to `max_size` is set aside,
// and the chain goes on in a new one.
#pragma once

#include <map>
#include <memory>
#include <tuple>

#include "agent/audit/audit_file.h"
#include "agent/audit/journal.h"
#include "agent/clock.h"
#include "agent/task.h"
#include "config/config.h"

namespace attestd {

class AuditLog final {
 public:
    /// Opens the file and writes a record of the start. `strand` runs the syncs.
    [[nodiscard]] static Result<std::unique_ptr<AuditLog>> open(Io& io, Strand strand,
                                                                const AuditConfig& config,
                                                                std::string boot_id);
    AuditLog(Io& io, Strand strand, AuditConfig config, std::string boot_id, ChainState chain,
             AuditFile file);

    /// Errc::audit_failed: nothing may be released on this event. `event` and `caller_text` (see
    /// caller_members()) are used before the first suspension only.
    [[nodiscard]] Task<Result<void>> record(AuditEvent event, std::string_view caller_text);

    /// For releases that are answered within one turn of the event loop: append_release() for each,
    /// then write_now() once, then the answers. Only while takes_turns(): `sync` is "each" or the
    /// disk failed otherwise, and record() knows what to do.
    [[nodiscard]] bool takes_turns() const noexcept {
        return config_.sync == AuditSync::batched && !sync_failed_;
    }
    /// `members` is what line_members() gave.
    void append_release(std::string_view members, std::chrono::microseconds latency);
    /// Errc::audit_failed: none of the records since the last write is in the file.
    [[nodiscard]] Result<void> write_now();

    /// For what does not wait: a denial or an event of the daemon. Equal denials within a minute
    /// make one line and, later, one with their number.
    void note_denial(const AuditEvent& event, std::string_view caller_text);
    void note_event(const AuditEvent& event, std::string_view caller_text = {});

    /// Writes the numbers of denials that were held back, all of them with `Flush::all`.
    enum class Flush : std::uint8_t { due, all };
    void flush_denials(Flush which);

    /// Goes on in a new file at the same path when the old one was moved away.
    [[nodiscard]] Result<void> reopen();

    /// Writes and syncs what there is; for the end of the process.
    void finish();

    /// False after a failure that further records cannot mend by themselves.
    [[nodiscard]] bool is_good() const noexcept { return !sync_failed_ && last_write_good_; }
    [[nodiscard]] std::uint64_t num_records() const noexcept { return chain_.seq; }

 private:
    struct Batch;
    using Files = std::vector<std::shared_ptr<AuditFile>>;
    struct Held {
        BootTime since{};
        std::uint64_t num_repeated = 0;
        std::chrono::system_clock::time_point first, last;  // of those that were held back
    };
    // (uid, socket, method, reason): the object is left out, or an attacker would choose the key.
    using DenialKey = std::tuple<uid_t, std::string, std::string, std::string>;

    void append(const AuditEvent& event, std::string_view caller_text);
    void schedule_write();
    static void settle(Batch& batch, const Result<void>& outcome);
    void schedule_sync();
    Task<void> sync_now(Files files, std::vector<std::shared_ptr<Batch>> batches);
    void rotate_if_long();
    void drop_oldest() const;

    Io& io_;
    Strand strand_;
    AuditConfig config_;
    std::string boot_id_;
    ChainState chain_;  // after everything in buffer_
    ChainState chain_on_file_;
    std::shared_ptr<AuditFile> file_;  // shared with a sync that runs
    Files set_aside_;                  // and not synced yet
    std::size_t next_rotation_ = 0;    // length of file_; after a failure, a later one
    std::optional<Journal> journal_;
    fmt::memory_buffer buffer_;
    std::shared_ptr<Batch> batch_;  // those who wait for the records in buffer_, if any
    std::vector<std::shared_ptr<Batch>> unsynced_;
    Timer sync_timer_;
    bool write_scheduled_ = false;
    bool sync_scheduled_ = false;
    bool sync_running_ = false;
    bool sync_failed_ = false;
    bool last_write_good_ = true;
    std::map<DenialKey, Held> held_;
};

}  // namespace attestd
