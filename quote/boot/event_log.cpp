#include "quote/boot/event_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::string_view kSpecId{"Spec ID Event03\0", 16};
constexpr std::string_view kStartupLocality{"StartupLocality\0", 16};
constexpr std::size_t kMaxRecords = 65536;
constexpr std::size_t kMaxAlgorithms = 8;
constexpr std::size_t kSha1Len = 20;
constexpr std::uint32_t kPaddingRegister = 0xffffffff;
constexpr std::uint32_t kMaxCcRegister = 4, kMaxPcr = 23;
constexpr std::uint32_t kFirstDynamicPcr = 17, kLastDynamicPcr = 22;

std::uint16_t known_digest_len(std::uint16_t algorithm) noexcept {
    switch (algorithm) {
        case kAlgSha1:
            return 20;
        case kAlgSha256:
        case kAlgSm3:
            return 32;
        case kAlgSha384:
            return 48;
        case kAlgSha512:
            return 64;
        default:
            return 0;
    }
}

tl::unexpected<Error> bad(Errc code, std::size_t offset, std::string_view why) {
    return fail(code, fmt::format("event log at byte {}: {}", offset, why));
}

// TCG_EfiSpecIdEvent: which digests each later record carries.
Result<void> parse_spec_id(Reader in, EventLog& out) {
    ATTESTD_TRY(const ByteView signature, in.bytes(kSpecId.size(), "spec_id.signature"));
    if (as_text(signature) != kSpecId)
        return bad(Errc::bad_value, in.offset(), "does not begin with Spec ID Event03");
    ATTESTD_CHECK(in.u32le("spec_id.platform_class"));
    ATTESTD_CHECK(in.u8("spec_id.minor"));
    ATTESTD_TRY(const std::uint8_t major, in.u8("spec_id.major"));
    if (major != 2)
        return bad(Errc::unsupported_version, in.offset(),
                   fmt::format("specification version {}", major));
    ATTESTD_CHECK(in.bytes(2, "spec_id.errata"));
    ATTESTD_TRY(const std::uint32_t count, in.u32le("spec_id.algorithms"));
    if (count == 0 || count > kMaxAlgorithms)
        return bad(Errc::bad_length, in.offset(), fmt::format("{} algorithms", count));
    for (std::uint32_t i = 0; i < count; ++i) {
        ATTESTD_TRY(const std::uint16_t algorithm, in.u16le("spec_id.algorithm"));
        ATTESTD_TRY(const std::uint16_t len, in.u16le("spec_id.digest_size"));
        if (known_digest_len(algorithm) != len) {
            return bad(Errc::unsupported_type, in.offset(),
                       fmt::format("algorithm 0x{:x} with digests of {} bytes", algorithm, len));
        }
        if (out.has(algorithm))
            return bad(Errc::bad_value, in.offset(), "an algorithm stands there twice");
        out.algorithms.emplace_back(algorithm, len);
    }
    ATTESTD_TRY(const std::uint8_t vendor_len, in.u8("spec_id.vendor_size"));
    ATTESTD_CHECK(in.bytes(vendor_len, "spec_id.vendor"));
    return in.finish("spec_id");
}

// Record 0 is in the old form of SHA-1 logs; it is never extended.
Result<void> parse_first_record(Reader& in, EventLog& out) {
    ATTESTD_TRY(const std::uint32_t reg, in.u32le("header.register"));
    ATTESTD_TRY(const std::uint32_t type, in.u32le("header.type"));
    if (reg > 1 || type != kEvNoAction)
        return bad(Errc::bad_value, 0, "does not begin with a specification event");
    ATTESTD_CHECK(in.zeros(kSha1Len, "header.digest"));
    ATTESTD_TRY(const std::uint32_t len, in.u32le("header.size"));
    ATTESTD_TRY(const Reader body, in.sub(len, "header.event"));
    return parse_spec_id(body, out);
}

// Every digest of record 0's set, each once.
Result<void> parse_digests(Reader& in, const EventLog& log, BootEvent& event) {
    ATTESTD_TRY(const std::uint32_t count, in.u32le("event.digest_count"));
    if (count != log.algorithms.size()) {
        return bad(Errc::bad_length, event.offset,
                   fmt::format("{} digests, the log declares {}", count, log.algorithms.size()));
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        ATTESTD_TRY(const std::uint16_t algorithm, in.u16le("event.digest_algorithm"));
        const bool doubled =
            std::any_of(event.digests.begin(), event.digests.end(),
                        [&](const EventDigest& d) { return d.algorithm == algorithm; });
        if (doubled || !log.has(algorithm)) {
            return bad(
                Errc::bad_value, event.offset,
                fmt::format("digest of algorithm 0x{:x}, doubled or not declared", algorithm));
        }
        ATTESTD_TRY(const ByteView value, in.bytes(known_digest_len(algorithm), "event.digest"));
        event.digests.push_back({algorithm, value});
    }
    return {};
}

Result<BootEvent> parse_event(Reader& in, const EventLog& log) {
    BootEvent event{};
    event.offset = in.offset();
    ATTESTD_TRY(event.reg, in.u32le("event.register"));
    ATTESTD_TRY(event.type, in.u32le("event.type"));
    const std::uint32_t max = log.kind == EventLogKind::cc ? kMaxCcRegister : kMaxPcr;
    if (event.reg > max)
        return bad(Errc::bad_value, event.offset, fmt::format("register {}", event.reg));
    ATTESTD_CHECK(parse_digests(in, log, event));
    ATTESTD_TRY(const std::uint32_t len, in.u32le("event.size"));
    ATTESTD_TRY(event.data, in.bytes(len, "event.data"));
    return event;
}

// Firmware fills what is left of its area with ones or zeros.
bool at_padding(ByteView rest) noexcept {
    const auto is = [&](std::uint8_t value) {
        return std::all_of(rest.begin(), rest.end(), [&](std::uint8_t b) { return b == value; });
    };
    if (rest.size() >= 4 && load_le<std::uint32_t>(rest.first<4>()) == kPaddingRegister)
        return is(0xff);
    return is(0);
}

constexpr std::uint32_t kEvSeparator = 4;

template <class Digest, class Extend>
Result<std::map<std::string, Digest>> replay_bank(const EventLog& log, std::uint16_t algorithm,
                                                  std::string_view name, Extend extend) {
    if (!log.has(algorithm)) {
        return fail(Errc::unsupported_type,
                    fmt::format("event log: has no {} digests, so these registers cannot be "
                                "recomputed",
                                name));
    }
    std::map<std::string, Digest> out;
    if (log.kind == EventLogKind::cc) {
        for (std::uint32_t i = 1; i <= kMaxCcRegister; ++i)
            out[register_name(log.kind, i)] = Digest{};
    }
    for (const BootEvent& event : log.events) {
        // MRTD is measured by the TDX module, not extended; EV_NO_ACTION is for reading only.
        const bool never_extended =
            event.type == kEvNoAction || (log.kind == EventLogKind::cc && event.reg == 0);
        if (never_extended) continue;
        const auto [at, fresh] = out.try_emplace(register_name(log.kind, event.reg));
        Digest& value = at->second;
        if (fresh && event.reg == 0 && log.startup_locality) value.back() = *log.startup_locality;
        if (fresh && event.reg >= kFirstDynamicPcr && event.reg <= kLastDynamicPcr)
            value.fill(0xff);
        value = extend(value, event.digest(algorithm));
    }
    return out;
}

void note_locality(const BootEvent& event, EventLog& out) {
    if (event.type != kEvNoAction || event.data.size() != kStartupLocality.size() + 1) return;
    if (as_text(event.data.first(kStartupLocality.size())) == kStartupLocality)
        out.startup_locality = event.data.back();
}

}  // namespace

bool EventLog::has(std::uint16_t algorithm) const noexcept {
    return std::any_of(algorithms.begin(), algorithms.end(),
                       [&](const auto& a) { return a.first == algorithm; });
}

ByteView BootEvent::digest(std::uint16_t algorithm) const noexcept {
    const auto found = std::find_if(digests.begin(), digests.end(),
                                    [&](const EventDigest& d) { return d.algorithm == algorithm; });
    return found == digests.end() ? ByteView() : found->value;
}

Result<EventLog> parse_event_log(ByteView bytes) {
    if (bytes.size() > kMaxEventLogLen) return bad(Errc::too_large, 0, "over 16 MiB");
    EventLog out{};
    Reader in(bytes);
    ATTESTD_CHECK(parse_first_record(in, out));
    // A vTPM has several banks; the registers of TDX and its like have one.
    out.kind = out.has(kAlgSha1) || out.has(kAlgSha256) ? EventLogKind::tpm : EventLogKind::cc;
    while (in.remaining() != 0 && !at_padding(in.rest())) {
        if (out.events.size() == kMaxRecords)
            return bad(Errc::too_large, in.offset(), "over 65536 events");
        ATTESTD_TRY(BootEvent event, parse_event(in, out));
        note_locality(event, out);
        out.events.push_back(std::move(event));
    }
    out.bytes_used = in.offset();
    return out;
}

bool looks_like_event_log(ByteView bytes) noexcept {
    constexpr std::size_t kBodyAt = 32;
    return bytes.size() > kBodyAt + kSpecId.size() &&
           as_text(bytes.subspan(kBodyAt, kSpecId.size())) == kSpecId;
}

std::string register_name(EventLogKind kind, std::uint32_t reg) {
    if (kind == EventLogKind::tpm) return fmt::format("pcr{}", reg);
    return reg == 0 ? "mrtd" : fmt::format("rtmr{}", reg - 1);
}

Result<std::map<std::string, Sha384>> replay_sha384(const EventLog& log) {
    return replay_bank<Sha384>(log, kAlgSha384, "SHA-384", [](ByteView old, ByteView digest) {
        return sha384({old, digest});
    });
}

Result<std::map<std::string, Sha256>> replay_sha256(const EventLog& log) {
    return replay_bank<Sha256>(log, kAlgSha256, "SHA-256", [](ByteView old, ByteView digest) {
        return sha256({old, digest});
    });
}

namespace {

bool same_measurement(const BootEvent& a, const BootEvent& b) {
    const auto same = [](const EventDigest& x, const EventDigest& y) {
        return x.algorithm == y.algorithm && equal(x.value, y.value);
    };
    return a.reg == b.reg &&
           std::equal(a.digests.begin(), a.digests.end(), b.digests.begin(), b.digests.end(), same);
}

// Which events of `one` are those of `other`, measured last of all in their registers; all or none.
std::vector<std::size_t> events_held_twice(const EventLog& one, const EventLog& other) {
    const auto is_touched = [&](std::uint32_t reg) {
        return std::any_of(other.events.begin(), other.events.end(),
                           [reg](const BootEvent& e) { return e.reg == reg; });
    };
    std::vector<std::size_t> last;
    for (std::size_t i = 0; i < one.events.size(); ++i) {
        if (is_touched(one.events[i].reg) && one.events[i].type != kEvNoAction) last.push_back(i);
    }
    if (last.size() < other.events.size()) return {};
    last.erase(last.begin(), last.end() - static_cast<std::ptrdiff_t>(other.events.size()));
    for (std::size_t i = 0; i < last.size(); ++i) {
        if (!same_measurement(one.events[last[i]], other.events[i])) return {};
    }
    return last;
}

}  // namespace

Result<Bytes> merge_event_logs(ByteView first, ByteView second) {
    ATTESTD_TRY(const EventLog one, parse_event_log(first));
    Bytes out = to_bytes(first.first(one.bytes_used));
    if (second.empty()) return out;
    ATTESTD_TRY(const EventLog other, parse_event_log(second));
    if (one.algorithms != other.algorithms)
        return fail(Errc::bad_value, "event logs: their digests are of different algorithms");
    if (other.events.empty()) return out;
    const auto twice = events_held_twice(one, other);
    for (auto it = twice.rbegin(); it != twice.rend(); ++it) {
        const auto at = [&](std::size_t i) {
            return i < one.events.size() ? one.events[i].offset : one.bytes_used;
        };
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(at(*it)),
                  out.begin() + static_cast<std::ptrdiff_t>(at(*it + 1)));
    }
    const std::size_t begin = other.events.front().offset;
    const ByteView records = second.subspan(begin, other.bytes_used - begin);
    out.insert(out.end(), records.begin(), records.end());
    if (out.size() > kMaxEventLogLen) return bad(Errc::too_large, 0, "over 16 MiB");
    return out;
}

std::vector<std::string> event_log_notes(const EventLog& log) {
    std::vector<std::string> out;
    std::map<std::uint32_t, std::size_t> separators;
    for (const BootEvent& event : log.events) {
        if (event.type != kEvSeparator) continue;
        const std::string name = register_name(log.kind, event.reg);
        if (++separators[event.reg] == 2) {
            out.push_back(fmt::format(
                "{} has a second separator, at byte {}: events behind the first one are not "
                "firmware's, and could pass for it",
                name, event.offset));
        }
        if (!event.data.empty() && !all_zero(event.data))
            out.push_back(fmt::format("{}: the separator at byte {} reports an error of firmware",
                                      name, event.offset));
    }
    return out;
}

}  // namespace attestd
