#include "agent/audit/audit_log.h"

#include "agent/audit/file_names.h"
#include "agent/log.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr auto kSyncInterval = std::chrono::milliseconds(500);  // "within a second", with room
constexpr auto kHoldDenials = std::chrono::minutes(1);
constexpr std::size_t kMaxHeld = 1024;          // further kinds of denial share one entry
constexpr std::size_t kMaxBufferLen = 1 << 20;  // denials beyond it are dropped and counted

constexpr std::size_t kRotationRetryLen = 1 << 20;  // grown by so much, rotation is tried again

// What a file made anew continues: the newest that was set aside, if a crash came in between.
Result<ChainState> end_of_earlier(const std::filesystem::path& path) {
    ChainState chain;
    std::error_code ec;
    const bool is_there = std::filesystem::file_size(path, ec) != 0 && !ec;
    ATTESTD_TRY(const auto earlier, files_set_aside(path));
    if (is_there || earlier.empty()) return chain;
    ATTESTD_TRY(const AuditFile last, AuditFile::open(earlier.back(), chain));
    return chain;
}

Result<void> rename_file(const std::filesystem::path& path, std::uint64_t next_seq) {
    const std::filesystem::path to = set_aside_path(path, next_seq);
    std::error_code ec;
    std::filesystem::rename(path, to, ec);
    if (ec) return fail_errno(ec.value(), to.string());
    return {};
}

}  // namespace

// Records written together, and those who wait for them.
struct AuditLog::Batch {
    explicit Batch(Executor home) : written(home) {}
    WaitList written;
    std::optional<Result<void>> outcome;
};

void AuditLog::settle(Batch& batch, const Result<void>& outcome) {
    batch.outcome = outcome;
    batch.written.notify_all();
}

Result<std::unique_ptr<AuditLog>> AuditLog::open(Io& io, Strand strand, const AuditConfig& config,
                                                 std::string boot_id) {
    ATTESTD_TRY(ChainState chain, end_of_earlier(config.path));
    ATTESTD_TRY(AuditFile file, AuditFile::open(config.path, chain));
    const auto torn = file.torn();
    auto log =
        std::make_unique<AuditLog>(io, strand, config, std::move(boot_id), chain, std::move(file));
    if (torn) {
        AuditEvent event;
        event.decision = Decision::event;
        event.method = "audit.torn";
        const std::string detail = fmt::format(
            "{} bytes after the last whole record were cut off and kept in "
            "{}, SHA-256 {}",
            torn->len, torn->kept_in.string(), to_hex(torn->digest));
        event.detail = detail;
        log->note_event(event);
        log_event(LogLevel::warn, "audit.torn", {{"detail", detail}});
    }
    return log;
}

AuditLog::AuditLog(Io& io, Strand strand, AuditConfig config, std::string boot_id, ChainState chain,
                   AuditFile file)
    : io_(io),
      strand_(std::move(strand)),
      config_(std::move(config)),
      boot_id_(std::move(boot_id)),
      chain_(chain),
      chain_on_file_(chain),
      file_(std::make_shared<AuditFile>(std::move(file))),
      next_rotation_(config_.max_len),
      sync_timer_(io) {
    if (config_.journal) journal_.emplace();
}

void AuditLog::append(const AuditEvent& event, std::string_view caller_text) {
    append_line(buffer_, chain_, boot_id_, std::chrono::system_clock::now(), event, caller_text);
    schedule_write();
}

Task<Result<void>> AuditLog::record(AuditEvent event, std::string_view caller_text) {
    if (sync_failed_) {
        co_return fail(
            Errc::audit_failed,
            "a sync failed: earlier records may be lost; restart after mending the disk");
    }
    append(event, caller_text);
    if (!batch_) batch_ = std::make_shared<Batch>(io_.get_executor());
    const auto batch = batch_;
    co_await batch->written.wait();
    co_return *batch->outcome;
}

void AuditLog::append_release(std::string_view members, std::chrono::microseconds latency) {
    append_line(buffer_, chain_, boot_id_, std::chrono::system_clock::now(), members, latency);
}

void AuditLog::note_event(const AuditEvent& event, std::string_view caller_text) {
    if (buffer_.size() < kMaxBufferLen) append(event, caller_text);
}

void AuditLog::note_denial(const AuditEvent& event, std::string_view caller_text) {
    const uid_t uid = event.caller == nullptr ? 0 : event.caller->peer.uid;
    DenialKey key{uid, event.caller == nullptr ? std::string() : event.caller->socket, event.method,
                  event.reason};
    if (held_.size() >= kMaxHeld && !held_.contains(key)) key = DenialKey{};
    const auto [it, is_new] = held_.try_emplace(std::move(key));
    if (!is_new) {
        Held& held = it->second;
        held.last = std::chrono::system_clock::now();
        if (held.num_repeated++ == 0) held.first = held.last;
        return;
    }
    it->second.since = BootClock::now();
    if (buffer_.size() < kMaxBufferLen) append(event, caller_text);
}

void AuditLog::flush_denials(Flush which) {
    const BootTime now = BootClock::now();
    for (auto it = held_.begin(); it != held_.end();) {
        const auto& [key, held] = *it;
        if (which == Flush::due && now - held.since < kHoldDenials) {
            ++it;
            continue;
        }
        if (held.num_repeated != 0) {
            Caller caller{};
            caller.peer.uid = std::get<0>(key);
            caller.socket = std::get<1>(key);
            const std::string facts =
                fmt::format(",\"uid\":{},\"socket\":\"{}\"", caller.peer.uid, caller.socket);
            AuditEvent event;
            event.method = std::get<2>(key);
            event.reason = std::get<3>(key);
            event.repeated = held.num_repeated;
            event.first = held.first;
            event.last = held.last;
            append(event, facts);
        }
        it = held_.erase(it);
    }
}

void AuditLog::schedule_write() {
    if (std::exchange(write_scheduled_, true)) return;
    // Behind everything that is ready to run now: its records come along.
    const auto write = [this] {
        write_scheduled_ = false;
        static_cast<void>(write_now());  // those who wait are told by their batch
    };
    asio::post(io_, write);
}

Result<void> AuditLog::write_now() {
    if (buffer_.size() == 0) return {};
    auto batch = std::exchange(batch_, nullptr);
    const std::string_view lines(buffer_.data(), buffer_.size());
    auto written = file_->append(as_bytes(lines));
    if (written && journal_) journal_->send(lines);
    buffer_.clear();
    if (!written) {
        if (std::exchange(last_write_good_, false)) {
            log_event(LogLevel::error, "audit.write-failed", {{"detail", written.error().detail}});
        }
        chain_ = chain_on_file_;  // those records never were
        if (batch) settle(*batch, written);
        return written;
    }
    if (!std::exchange(last_write_good_, true)) log_event(LogLevel::info, "audit.write-recovered");
    chain_on_file_ = chain_;
    if (batch && config_.sync == AuditSync::each) {
        unsynced_.push_back(std::move(batch));
    } else if (batch) {
        settle(*batch, written);
    }
    rotate_if_long();
    schedule_sync();
    return {};
}

// A failure costs nothing but length: the old file takes records as before.
void AuditLog::rotate_if_long() {
    if (config_.max_len == 0 || file_->len() < next_rotation_) return;
    const auto begin_new = [this]() -> Result<void> {
        if (!file_->was_moved()) ATTESTD_CHECK(rename_file(config_.path, chain_on_file_.seq));
        ChainState chain = chain_on_file_;
        ATTESTD_TRY(AuditFile fresh, AuditFile::open(config_.path, chain));
        set_aside_.push_back(std::exchange(file_, std::make_shared<AuditFile>(std::move(fresh))));
        return {};
    };
    const auto done = begin_new();
    if (!done) {
        next_rotation_ = file_->len() + kRotationRetryLen;
        log_event(LogLevel::error, "audit.not-rotated", {{"why", to_string(done.error())}});
        return;
    }
    next_rotation_ = config_.max_len;
    drop_oldest();
}

void AuditLog::drop_oldest() const {
    if (config_.keep == 0) return;
    const auto all = files_set_aside(config_.path);
    if (!all) return log_event(LogLevel::error, "audit.not-dropped", {{"why", all.error().detail}});
    for (std::size_t i = 0; i + config_.keep < all->size(); ++i) {
        const std::filesystem::path& file = (*all)[i];
        std::error_code ec;
        std::filesystem::remove(file, ec);
        if (ec) log_event(LogLevel::error, "audit.not-dropped", {{"file", file.string()}});
    }
}

void AuditLog::schedule_sync() {
    if (sync_running_ || std::exchange(sync_scheduled_, true)) return;
    const auto start = [this](error_code ec) {
        if (ec)
            return;  // cancelled: only by the end of this object, which must not be touched then
        sync_scheduled_ = false;
        sync_running_ = true;
        Files files = std::exchange(set_aside_, {});
        files.push_back(file_);
        spawn(io_, sync_now(std::move(files), std::exchange(unsynced_, {})));
    };
    if (config_.sync == AuditSync::each) {
        asio::post(io_, [start] { start(error_code()); });
        return;
    }
    sync_timer_.expires_after(kSyncInterval);
    sync_timer_.async_wait(start);
}

Task<void> AuditLog::sync_now(Files files, std::vector<std::shared_ptr<Batch>> batches) {
    const ChainState before = chain_on_file_;
    const auto sync = [files, path = config_.path]() -> Result<void> {
        for (const auto& file : files) ATTESTD_CHECK(file->sync());
        return files.size() > 1 ? sync_folder_of(path) : Result<void>();
    };
    auto synced = co_await run_blocking(strand_, sync);
    sync_running_ = false;
    if (!synced && !std::exchange(sync_failed_, true)) {
        log_event(LogLevel::error, "audit.sync-failed", {{"detail", synced.error().detail}});
    }
    for (const auto& batch : batches) settle(*batch, synced);
    if (before.seq != chain_on_file_.seq || !unsynced_.empty()) schedule_sync();
}

Result<void> AuditLog::reopen() {
    if (!file_->was_moved()) return {};
    static_cast<void>(write_now());
    ChainState chain = chain_on_file_;
    ATTESTD_TRY(AuditFile fresh, AuditFile::open(config_.path, chain));
    chain_ = chain_on_file_ = chain;
    set_aside_.push_back(std::exchange(file_, std::make_shared<AuditFile>(std::move(fresh))));
    next_rotation_ = config_.max_len;
    return {};
}

void AuditLog::finish() {
    flush_denials(Flush::all);
    static_cast<void>(write_now());
    set_aside_.push_back(file_);
    for (const auto& file : set_aside_) {
        if (const auto synced = file->sync(); !synced)
            log_event(LogLevel::error, "audit.sync-failed", {{"detail", synced.error().detail}});
    }
}

}  // namespace attestd
