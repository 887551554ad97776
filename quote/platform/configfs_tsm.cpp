#include "quote/platform/configfs_tsm.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "quote/amd/cert_table.h"
#include "quote/boot/event_log.h"
#include "quote/platform/echo.h"
#include "quote/platform/internal/tsm_entry.h"

namespace attestd {

/// Why an attempt failed, and whether a fresh entry may do better: another process was at ours.
struct TsmTrouble {
    TsmTrouble(Error e)  // NOLINT(google-explicit-constructor): lets ATTESTD_TRY pass an Error on
        : error(std::move(e)) {}
    TsmTrouble(Error e, bool was_disturbed) : error(std::move(e)), disturbed(was_disturbed) {}

    Error error;
    bool disturbed = false;
};

namespace {

template <class T>
using Attempt = tl::expected<T, TsmTrouble>;

constexpr std::size_t kMaxTextLen = 4096;      // a page: what the kernel's text attributes have
constexpr std::size_t kMaxReportLen = 131072;  // the largest quote buffer of any kernel known
constexpr std::size_t kMaxManifestLen = 65536;
constexpr std::size_t kNameDigits = 32;  // of a fresh entry, after the prefix
constexpr std::size_t kMaxStuck = 16;
constexpr std::uint32_t kMaxPrivlevel = 3;
constexpr auto kFirstPause = std::chrono::seconds(1);
constexpr auto kLongestPause = std::chrono::seconds(8);
constexpr const char* kBootLog = "/sys/firmware/acpi/tables/data/CCEL";

enum class Then : std::uint8_t {
    give_up,      // asking again would give the same
    again_once,   // at once, one time
    again_later,  // after a growing pause, until the deadline
    fresh_entry,  // this entry is not ours any more
    dead,         // and no request after this one
};

/// What reading a blob's errno means (`spec/guest-interfaces.md` section 2.3).
struct Rule {
    int error;
    Then then;
    Errc code;
    const char* says;
};

constexpr std::array kRules{
    Rule{EINVAL, Then::give_up, Errc::platform_failed,
         "the driver or firmware refuses the request; check privlevel and the kernel's log"},
    Rule{EWOULDBLOCK, Then::again_once, Errc::platform_failed,
         "the driver lost its own result twice; report it to the kernel's maintainers"},
    Rule{EBUSY, Then::again_later, Errc::timed_out,
         "the host still owns the buffer of an earlier request; ask the host's operator about its "
         "quote service"},
    Rule{ETIMEDOUT, Then::again_later, Errc::unavailable,
         "the host's quote service does not answer; ask the host's operator"},
    Rule{EINTR, Then::again_later, Errc::timed_out,
         "signals interrupt the request; block them in the thread that makes it"},
    Rule{EIO, Then::again_once, Errc::platform_failed,
         "the host or the firmware reported an error; see the kernel's log"},
    Rule{EFBIG, Then::give_up, Errc::platform_failed,
         "the report is larger than the kernel's interface allows; a newer kernel allows more"},
    Rule{ENXIO, Then::give_up, Errc::unavailable,
         "the provider is gone or reported a failure; see the kernel's log, reload tdx_guest or "
         "sev-guest"},
    Rule{ENOENT, Then::fresh_entry, Errc::platform_failed,
         "somebody removed the entry during the request; find out who writes below it"},
    Rule{ENOTTY, Then::dead, Errc::platform_failed,
         "the driver has given up its key after an earlier failure: dead until this machine "
         "restarts"},
    Rule{EACCES, Then::give_up, Errc::access_denied,
         "attestd.service hands the entry's files to its user; outside of it run as root"},
};

constexpr Rule kOtherwise{0, Then::give_up, Errc::platform_failed, "see the kernel's log"};

const Rule& rule_for(int error) noexcept {
    const auto* const rule =
        std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) { return r.error == error; });
    return rule == kRules.end() ? kOtherwise : *rule;
}

TsmTrouble trouble_for(int error, std::string_view step, const std::string& path) {
    const Rule& rule = rule_for(error);
    return {{rule.code, fmt::format("{} {}: {}: {}", step, path, errno_words(error), rule.says)},
            /*was_disturbed=*/rule.then == Then::fresh_entry};
}

Attempt<std::string> read_text(const TsmEntry& entry, const std::string& attribute) {
    const auto bytes = entry.read(attribute, kMaxTextLen);
    if (!bytes) {
        return tl::make_unexpected(
            trouble_for(bytes.error().value, "read", entry.path_of(attribute)));
    }
    std::string text(as_text(*bytes));
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

Attempt<std::uint64_t> read_number(const TsmEntry& entry, const std::string& attribute) {
    ATTESTD_TRY(const std::string text, read_text(entry, attribute));
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && !text.empty()) return value;
    return fail(Errc::platform_failed,
                fmt::format("read {}: is not a number", entry.path_of(attribute)));
}

Attempt<void> write_attribute(const TsmEntry& entry, const std::string& attribute, ByteView bytes) {
    const auto written = entry.write(attribute, bytes);
    if (written) return {};
    return tl::make_unexpected(
        trouble_for(written.error().value, "write", entry.path_of(attribute)));
}

Attempt<Tee> read_provider(const TsmEntry& entry) {
    ATTESTD_TRY(const std::string provider, read_text(entry, "provider"));
    if (provider == "tdx_guest") return Tee::tdx;
    if (provider == "sev_guest") return Tee::snp;
    const std::string shown = provider.substr(0, 64);
    return fail(Errc::platform_unsupported,
                fmt::format("read {}: unsupported platform: {}", entry.path_of("provider"), shown));
}

// A generation that does not add up is somebody else's doing, or a request that the kernel dropped.
TsmTrouble wrong_generation(const TsmEntry& entry, std::uint64_t want, std::uint64_t have,
                            std::string_view when) {
    const char* const why = have < want ? "the kernel dropped the request"
                                        : "another process wrote to the entry; find out which";
    return {
        {Errc::platform_failed, fmt::format("read {}: {} and not {} {}: {}",
                                            entry.path_of("generation"), have, want, when, why)},
        /*was_disturbed=*/true};
}

bool is_leftover(const std::string& name, const std::string& prefix) {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    return name.size() == prefix.size() + kNameDigits && name.starts_with(prefix) &&
           std::all_of(name.begin() + static_cast<std::ptrdiff_t>(prefix.size()), name.end(),
                       is_hex);
}

Result<SystemFile> open_reports(System& system) {
    auto reports = open_file(system, kTsmReportDir, O_RDONLY | O_DIRECTORY);
    if (reports) return std::move(*reports);
    const int error = reports.error().value;
    const std::string what = fmt::format("open {}: {}", kTsmReportDir, errno_words(error));
    if (error != ENOENT && error != ENOTDIR) return fail(Errc::access_denied, what);
    return fail(Errc::platform_unsupported,
                what +
                    ": it takes Linux 6.7 with CONFIG_TSM_REPORTS and configfs: modprobe "
                    "configfs; mount -t configfs none /sys/kernel/config; modprobe tdx_guest or "
                    "sev-guest");
}

}  // namespace

ConfigfsTsm::ConfigfsTsm(System& system, ConfigfsTsmOptions options)
    : system_(system), options_(std::move(options)), keys_(system) {}

Result<Evidence> ConfigfsTsm::collect(const ReportData& report_data, Deadline deadline) {
    if (is_dead_)
        return fail(Errc::platform_failed, "configfs_tsm: dead until this machine restarts");
    remove_stuck();
    auto first = collect_once(report_data, deadline);
    if (first) return *std::move(first);
    if (!first.error().disturbed) return tl::make_unexpected(std::move(first.error().error));
    auto second = collect_once(report_data, deadline);
    if (second) return *std::move(second);
    return tl::make_unexpected(std::move(second.error().error));
}

auto ConfigfsTsm::open_entry() -> Attempt<TsmEntry> {
    ATTESTD_TRY(SystemFile reports, open_reports(system_));
    // Root makes entries of its own; another user can only use what was handed over to it.
    if (system_.effective_uid() != 0) {
        auto ours = TsmEntry::prepared(system_, reports, options_.prepared);
        if (ours) return *std::move(ours);
    }
    ATTESTD_TRY(TsmEntry made, TsmEntry::make(system_, std::move(reports), options_.prefix));
    return made;
}

auto ConfigfsTsm::collect_once(const ReportData& report_data, Deadline deadline)
    -> Attempt<Evidence> {
    ATTESTD_TRY(TsmEntry entry, open_entry());
    auto evidence = ask(entry, report_data, deadline);
    if (!entry.remove() && stuck_.size() < kMaxStuck) stuck_.push_back(entry.name());
    if (evidence && evidence->tee == Tee::tdx) evidence->event_log = read_boot_event_log(system_);
    return evidence;
}

void ConfigfsTsm::remove_stuck() {
    if (stuck_.empty()) return;
    const auto reports = open_file(system_, kTsmReportDir, O_RDONLY | O_DIRECTORY);
    if (!reports) return;
    std::erase_if(stuck_, [&](const std::string& name) {
        return system_.rmdir_at(reports->get(), name).has_value();
    });
}

auto ConfigfsTsm::ask(const TsmEntry& entry, const ReportData& report_data, Deadline deadline)
    -> Attempt<Evidence> {
    ATTESTD_TRY(const Tee tee, read_provider(entry));
    ATTESTD_TRY(const std::uint64_t before, read_number(entry, "generation"));
    if (entry.is_fresh() && before != 0) {
        return tl::make_unexpected(wrong_generation(entry, 0, before, "at the start"));
    }
    ATTESTD_TRY(const unsigned num_options, write_options(entry, tee));
    ATTESTD_CHECK(write_attribute(entry, "inblob", report_data));
    const std::uint64_t want = before + num_options + 1;
    const auto require = [&](std::string_view when) -> Attempt<void> {
        ATTESTD_TRY(const std::uint64_t have, read_number(entry, "generation"));
        if (have == want) return {};
        return tl::make_unexpected(wrong_generation(entry, want, have, when));
    };
    ATTESTD_CHECK(require("after the request"));
    ATTESTD_TRY(Evidence evidence, read_evidence(entry, tee, deadline));
    ATTESTD_CHECK(require("after the report"));
    if (const auto echo = check_echo(evidence, report_data); !echo) {
        return tl::make_unexpected(
            Error{echo.error().code,
                  fmt::format("read {}: {}", entry.path_of("outblob"), echo.error().detail)});
    }
    return evidence;
}

auto ConfigfsTsm::write_options(const TsmEntry& entry, Tee tee) const -> Attempt<unsigned> {
    unsigned num_written = 0;
    if (tee != Tee::snp) return num_written;
    const auto put = [&](const std::string& attribute, const std::string& text) -> Attempt<void> {
        ++num_written;
        return write_attribute(entry, attribute, as_bytes(text));
    };
    if (options_.privlevel) {
        ATTESTD_TRY(const std::uint64_t lowest, read_number(entry, "privlevel_floor"));
        const std::uint64_t level = std::max<std::uint64_t>(*options_.privlevel, lowest);
        if (level > kMaxPrivlevel)
            return tl::make_unexpected(Error{
                Errc::platform_failed, fmt::format("privlevel {}: 0 to 3 is possible", level)});
        ATTESTD_CHECK(put("privlevel", std::to_string(level)));
    }
    if (options_.service) {
        ATTESTD_CHECK(put("service_provider", options_.service->provider));
        if (!options_.service->guid.empty())
            ATTESTD_CHECK(put("service_guid", options_.service->guid));
        if (!options_.service->manifest_version.empty())
            ATTESTD_CHECK(put("service_manifest_version", options_.service->manifest_version));
    }
    return num_written;
}

auto ConfigfsTsm::read_evidence(const TsmEntry& entry, Tee tee, Deadline deadline)
    -> Attempt<Evidence> {
    Evidence out{tee, {}, {}, {}, std::string(name())};
    ATTESTD_TRY(out.quote, read_blob(entry, "outblob", kMaxReportLen, deadline));
    if (tee != Tee::snp) return out;
    auto table = read_blob(entry, "auxblob", kMaxCertTableLen, deadline);
    // An entry without the file is as good as an empty one. If the entry has gone, the generation
    // cannot be read either.
    if (!table && !table.error().disturbed) return tl::make_unexpected(std::move(table).error());
    // Empty: the host has no certificates for us.
    if (table && !all_zero(*table)) out.endorsements.push_back(*std::move(table));
    if (options_.service) {
        ATTESTD_TRY(out.service_manifest,
                    read_blob(entry, "manifestblob", kMaxManifestLen, deadline));
        if (out.service_manifest.empty())
            return tl::make_unexpected(
                Error{Errc::platform_failed,
                      fmt::format("read {}: the service gave no manifest, so nothing says that it "
                                  "made the report",
                                  entry.path_of("manifestblob"))});
    }
    return out;
}

// The first read makes the report, which takes the host's time and can fail for a while.
auto ConfigfsTsm::read_blob(const TsmEntry& entry, const std::string& attribute,
                            std::size_t max_len, Deadline deadline) -> Attempt<Bytes> {
    std::chrono::seconds pause = kFirstPause;
    bool was_again = false;
    for (;;) {
        auto bytes = entry.read(attribute, max_len);
        if (bytes) return *std::move(bytes);
        const int error = bytes.error().value;
        const Rule& rule = rule_for(error);
        const TsmTrouble trouble = trouble_for(error, "read", entry.path_of(attribute));
        if (rule.then == Then::dead) is_dead_ = true;
        if (rule.then == Then::again_once && !std::exchange(was_again, true)) continue;
        if (rule.then != Then::again_later) return tl::make_unexpected(trouble);
        const auto next = system_.now() + pause;
        if (next >= deadline) return tl::make_unexpected(trouble);
        system_.sleep_until(next);
        pause = std::min(2 * pause, kLongestPause);
    }
}

Result<Secret> ConfigfsTsm::derive_key(const DerivedKeyRequest& request, Deadline deadline) {
    auto key = keys_.derive_key(request, deadline);
    if (key || key.error().code != Errc::not_found) return key;
    return fail(Errc::platform_unsupported,
                "configfs-tsm gives no keys, and " + key.error().detail);
}

std::size_t ConfigfsTsm::remove_leftovers() {
    const auto reports = open_file(system_, kTsmReportDir, O_RDONLY | O_DIRECTORY);
    if (!reports) return 0;
    const auto names = system_.list(reports->get());
    if (!names) return 0;
    std::size_t num_removed = 0;
    for (const std::string& name : *names) {
        if (!is_leftover(name, options_.prefix)) continue;
        if (system_.rmdir_at(reports->get(), name)) ++num_removed;
    }
    return num_removed;
}

Bytes read_boot_event_log(System& system) {
    auto bytes = read_path(system, kBootLog, kMaxEventLogLen);
    if (!bytes) return {};
    const auto log = parse_event_log(*bytes);
    if (log) bytes->resize(log->bytes_used);
    return *std::move(bytes);
}

}  // namespace attestd
