#include "agent/events/event_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr std::int64_t kJournalVersion = 1;
constexpr unsigned kJournalMode = 0600;
constexpr JsonLimits kLineLimits{4096, 2};  // content is up to 2048 bytes when all is escaped
constexpr std::size_t kMaxJournalLen = (kMaxRuntimeEvents + 1) * kLineLimits.max_len;

tl::unexpected<Error> journal_damaged(const std::filesystem::path& path, std::string_view why) {
    return fail(Errc::event_lost,
                fmt::format("{}: {}: what RTMR3 was extended with in this boot is not known any "
                            "more; remove the file with the next boot",
                            path.string(), why));
}

Result<std::string> journal_text(JsonObject& in, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, in.required(key));
    return value.text();
}

struct JournalHead {
    std::string boot_id;
    Sha384 base;
};

Result<JournalHead> parse_journal_head(std::string_view line) {
    ATTESTD_TRY(const auto document, JsonDocument::parse(line, "first line", kLineLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue version, in.required("attestd_events"));
    ATTESTD_CHECK(version.integer(kJournalVersion, kJournalVersion));
    JournalHead out;
    ATTESTD_TRY(out.boot_id, journal_text(in, "boot_id"));
    ATTESTD_TRY(const std::string base, journal_text(in, "rtmr3"));
    ATTESTD_TRY(out.base, array_from_hex<sizeof(Sha384)>(base, "rtmr3"));
    ATTESTD_CHECK(in.finish());
    return out;
}

Result<RuntimeEvent> parse_journal_line(std::string_view line) {
    ATTESTD_TRY(const auto document, JsonDocument::parse(line, "event", kLineLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    RuntimeEvent out;
    ATTESTD_TRY(out.domain, journal_text(in, "domain"));
    ATTESTD_TRY(out.operation, journal_text(in, "operation"));
    ATTESTD_TRY(out.content, journal_text(in, "content"));
    ATTESTD_CHECK(in.finish());
    ATTESTD_CHECK(check_runtime_event(out));
    return out;
}

Result<Fd> open_folder_of(const std::filesystem::path& path) {
    return open_file(path.parent_path(), O_RDONLY | O_DIRECTORY);
}

}  // namespace

Result<EventJournal> EventJournal::open(std::filesystem::path path, std::string boot_id) {
    EventJournal out(std::move(path), std::move(boot_id));
    const auto bytes = read_file(out.path_, kMaxJournalLen);
    if (!bytes && bytes.error().code == Errc::not_found) return out;
    if (!bytes && bytes.error().code == Errc::too_large)
        return journal_damaged(out.path_, bytes.error().detail);
    if (!bytes) return tl::make_unexpected(bytes.error());
    ATTESTD_CHECK(out.read(*bytes));
    if (out.head_len_ == 0) return out;
    ATTESTD_TRY(out.file_, open_file(out.path_, O_WRONLY | O_APPEND | O_NOFOLLOW));
    const std::size_t sound = out.ends_.empty() ? out.head_len_ : out.ends_.back();
    if (sound != bytes->size()) ATTESTD_CHECK(out.cut(sound));
    return out;
}

// The first line was put there whole; a later line without its end was not synced, let alone
// measured.
Result<void> EventJournal::read(ByteView bytes) {
    const std::string_view text = as_text(bytes);
    const auto head_end = text.find('\n');
    if (head_end == text.npos) return journal_damaged(path_, "has no first line");
    auto head = parse_journal_head(text.substr(0, head_end));
    if (!head) return journal_damaged(path_, to_string(head.error()));
    if (head->boot_id != boot_id_) return {};
    base_ = head->base;
    std::size_t at = head_end + 1;
    for (;;) {
        const auto end = text.find('\n', at);
        if (end == text.npos) break;
        auto event = parse_journal_line(text.substr(at, end - at));
        if (!event)
            return journal_damaged(path_,
                                   fmt::format("at byte {}: {}", at, to_string(event.error())));
        at = end + 1;
        events_.push_back(*std::move(event));
        ends_.push_back(at);
    }
    head_len_ = head_end + 1;
    return {};
}

Sha384 EventJournal::value_after(std::size_t num) const {
    Sha384 value = base_;
    for (std::size_t i = 0; i < num; ++i)
        value = sha384({ByteView(value), ByteView(runtime_event_digest(events_.at(i)))});
    return value;
}

Result<void> EventJournal::begin(const Sha384& base) {
    const nlohmann::ordered_json head{
        {"attestd_events", kJournalVersion}, {"boot_id", boot_id_}, {"rtmr3", to_hex(base)}};
    const std::string line = head.dump() + "\n";
    ATTESTD_TRY(const Fd folder, open_folder_of(path_));
    ATTESTD_CHECK(replace_file(folder, path_.filename().string(), as_bytes(line), kJournalMode));
    ATTESTD_TRY(file_, open_file(path_, O_WRONLY | O_APPEND | O_NOFOLLOW));
    base_ = base;
    head_len_ = line.size();
    events_.clear();
    ends_.clear();
    is_broken_ = false;
    return {};
}

Result<void> EventJournal::append(const RuntimeEvent& event) {
    if (is_broken_)
        return fail(Errc::io_failed, path_.string() + ": an earlier failure left it unusable");
    const nlohmann::ordered_json members{
        {"domain", event.domain}, {"operation", event.operation}, {"content", event.content}};
    const std::string line = members.dump() + "\n";
    const std::size_t before = ends_.empty() ? head_len_ : ends_.back();
    Result<void> written = write_all(file_, as_bytes(line), path_.string());
    if (written && ::fdatasync(file_.get()) != 0) written = fail_errno(errno, path_.string());
    if (!written) {
        is_broken_ = !cut(before).has_value();
        return written;
    }
    events_.push_back(event);
    ends_.push_back(before + line.size());
    return {};
}

Result<void> EventJournal::take_back() {
    events_.pop_back();
    ends_.pop_back();
    auto done = cut(ends_.empty() ? head_len_ : ends_.back());
    is_broken_ = !done.has_value();
    return done;
}

Result<void> EventJournal::cut(std::size_t len) {
    if (::ftruncate(file_.get(), static_cast<off_t>(len)) == 0 && ::fdatasync(file_.get()) == 0)
        return {};
    return fail_errno(errno, path_.string());
}

}  // namespace attestd
