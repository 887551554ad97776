#include "agent/audit/audit_log.h"

#include "agent/log.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr auto kSyncInterval = std::chrono::milliseconds(500);  // "within a second", with room
constexpr auto kHoldDenials = std::chrono::minutes(1);
constexpr std::size_t kMaxHeld = 1024;          // further kinds of denial share one entry
constexpr std::size_t kMaxBufferLen = 1 << 20;  // denials beyond it are dropped and counted

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
    ChainState chain;
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
      sync_timer_(io) {}

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
    auto written = file_->append(as_bytes(std::string_view(buffer_.data(), buffer_.size())));
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
    schedule_sync();
    return {};
}

void AuditLog::schedule_sync() {
    if (sync_running_ || std::exchange(sync_scheduled_, true)) return;
    const auto start = [this](error_code ec) {
        if (ec)
            return;  // cancelled: only by the end of this object, which must not be touched then
        sync_scheduled_ = false;
        sync_running_ = true;
        spawn(io_, sync_now(file_, std::exchange(unsynced_, {})));
    };
    if (config_.sync == AuditSync::each) {
        asio::post(io_, [start] { start(error_code()); });
        return;
    }
    sync_timer_.expires_after(kSyncInterval);
    sync_timer_.async_wait(start);
}

Task<void> AuditLog::sync_now(std::shared_ptr<AuditFile> file,
                              std::vector<std::shared_ptr<Batch>> batches) {
    const ChainState before = chain_on_file_;
    const auto sync = [file] { return file->sync(); };
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
    file_ = std::make_shared<AuditFile>(std::move(fresh));
    return {};
}

void AuditLog::finish() {
    flush_denials(Flush::all);
    static_cast<void>(write_now());
    if (const auto synced = file_->sync(); !synced) {
        log_event(LogLevel::error, "audit.sync-failed", {{"detail", synced.error().detail}});
    }
}

}  // namespace attestd
