#include "agent/audit/record.h"

#include "agent/log.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxTextLen = 256;  // of anything that comes from a peer

std::string_view decision_name(Decision decision) noexcept {
    if (decision == Decision::event) return "event";
    return decision == Decision::allow ? "allow" : "deny";
}

void put(fmt::memory_buffer& out, std::string_view text) {
    out.append(text.data(), text.data() + text.size());
}

void put_hex(fmt::memory_buffer& out, ByteView bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const std::size_t begin = out.size();
    out.resize(begin + 2 * bytes.size());
    char* to = out.data() + begin;
    for (const std::uint8_t byte : bytes) {
        *to++ = kDigits[byte >> 4];
        *to++ = kDigits[byte & 15];
    }
}

// Quoted. Nearly everything is plain and is copied as it stands.
void put_text(fmt::memory_buffer& out, std::string_view text) {
    out.push_back('"');
    for (const char c : text.substr(0, kMaxTextLen)) {
        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
            out.push_back(c);
        } else {
            put(out, escaped(std::string_view(&c, 1)));
        }
    }
    out.push_back('"');
}

void put_member(fmt::memory_buffer& out, std::string_view key, std::string_view text) {
    if (text.empty()) return;
    put(out, ",\"");
    put(out, key);
    put(out, "\":");
    put_text(out, text);
}

void put_member(fmt::memory_buffer& out, std::string_view key, const Sha256* digest) {
    if (digest == nullptr) return;
    put(out, ",\"");
    put(out, key);
    put(out, "\":\"");
    put_hex(out, *digest);
    out.push_back('"');
}

void put_number(fmt::memory_buffer& out, std::string_view key, std::uint64_t number) {
    put(out, ",\"");
    put(out, key);
    put(out, "\":");
    const fmt::format_int digits(number);
    out.append(digits.data(), digits.data() + digits.size());
}

// `width` decimal digits.
void put_digits(fmt::memory_buffer& out, std::uint64_t number, std::size_t width) {
    const std::size_t begin = out.size();
    out.resize(begin + width);
    for (std::size_t i = width; i > 0; --i, number /= 10)
        out[begin + i - 1] = static_cast<char>('0' + number % 10);
}

// RFC 3339 with microseconds. By hand: each record has one.
void put_time(fmt::memory_buffer& out, std::chrono::system_clock::time_point now) {
    using namespace std::chrono;
    const auto day = floor<days>(now);
    const year_month_day date(day);
    const auto put_part = [&out](auto part, std::size_t width, char end) {
        put_digits(out, static_cast<std::uint64_t>(part), width);
        out.push_back(end);
    };
    const hh_mm_ss time(floor<microseconds>(now - day));
    put_part(static_cast<int>(date.year()), 4, '-');
    put_part(static_cast<unsigned>(date.month()), 2, '-');
    put_part(static_cast<unsigned>(date.day()), 2, 'T');
    put_part(time.hours().count(), 2, ':');
    put_part(time.minutes().count(), 2, ':');
    put_part(time.seconds().count(), 2, '.');
    put_part(time.subseconds().count(), 6, 'Z');
}

void put_member(fmt::memory_buffer& out, std::string_view key,
                std::chrono::system_clock::time_point time) {
    put(out, ",\"");
    put(out, key);
    put(out, "\":\"");
    put_time(out, time);
    out.push_back('"');
}

void put_workloads(fmt::memory_buffer& out, const std::vector<std::string_view>& ids) {
    put(out, ",\"rule_ids\":[");
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i != 0) out.push_back(',');
        put_text(out, ids[i]);
    }
    out.push_back(']');
}

void put_inspected(fmt::memory_buffer& out, const InspectedProcess& process) {
    const auto& [device, inode, num_links, len, ctime_ns] = process.facts.exe;
    put_member(out, "exe_dev_ino", fmt::format("{}:{}", device, inode));
    put_member(out, "exe_sha256", process.facts.sha256 ? &*process.facts.sha256 : nullptr);
    put_member(out, "exe_verity", process.facts.verity ? &*process.facts.verity : nullptr);
    put_member(out, "exe_path", process.facts.path);
    put_member(out, "exe_refused", inspect::digest_state_name(process.facts.digest_state));
}

void put_members(fmt::memory_buffer& out, const AuditEvent& event, std::string_view caller_text) {
    if (event.connection != 0) put_number(out, "conn", event.connection);
    put(out, caller_text);
    if (event.workloads != nullptr) put_workloads(out, *event.workloads);
    put_member(out, "policy_sha256", event.policy);
    put_member(out, "evidence_sha256", event.evidence);
    if (event.epoch != 0) put_number(out, "epoch", event.epoch);
    put_member(out, "method", event.method);
    put_member(out, "object", event.object);
    put_member(out, "decision", decision_name(event.decision));
    put_member(out, "reason", event.reason);
    put_member(out, "detail", event.detail);
    if (event.repeated == 0) return;
    put_number(out, "repeated", event.repeated);
    put_member(out, "first_ts", event.first);
    put_member(out, "last_ts", event.last);
}

// What stands before the members, and the place where the line began.
std::size_t begin_line(fmt::memory_buffer& out, const ChainState& chain, std::string_view boot_id,
                       std::chrono::system_clock::time_point now) {
    const std::size_t begin = out.size();
    put(out, "{\"ts\":\"");
    put_time(out, now);
    put(out, "\"");
    put_member(out, "boot_id", boot_id);
    put_number(out, "seq", chain.seq);
    put_member(out, "prev", &chain.prev);
    return begin;
}

void end_line(fmt::memory_buffer& out, ChainState& chain, std::size_t begin,
              std::chrono::microseconds latency) {
    put_number(out, "latency_us", static_cast<std::uint64_t>(latency.count()));
    out.push_back('}');
    const std::string_view line(out.data() + begin, out.size() - begin);
    chain.prev = sha256(as_bytes(line));
    ++chain.seq;
    out.push_back('\n');
}

}  // namespace

std::string caller_members(const Caller& caller) {
    fmt::memory_buffer out;
    if (!caller.tcp_address.empty()) {
        put_member(out, "tcp_address", caller.tcp_address);
        put_member(out, "socket", caller.socket);
        return fmt::to_string(out);
    }
    put_member(out, "identity_level", identity_level_name(caller.level));
    if (caller.weak_pid) put(out, ",\"weak_pid\":true");
    put_number(out, "pid", static_cast<std::uint64_t>(caller.peer.pid));
    put_number(out, "pidfd_ino", caller.pidfd_inode);
    put_number(out, "start_time", caller.start_time);
    put_number(out, "uid", caller.peer.uid);
    put_number(out, "gid", caller.peer.gid);
    put_member(out, "unit", caller.cgroup.unit);
    put_member(out, "container_id", caller.cgroup.container_id);
    put_member(out, "pod_uid", caller.cgroup.pod_uid);
    put_member(out, "label", caller.label);
    put_member(out, "socket", caller.socket);
    if (caller.inspected) put_inspected(out, *caller.inspected);
    return fmt::to_string(out);
}

std::string line_members(const AuditEvent& event, std::string_view caller_text) {
    fmt::memory_buffer out;
    put_members(out, event, caller_text);
    return fmt::to_string(out);
}

void append_line(fmt::memory_buffer& out, ChainState& chain, std::string_view boot_id,
                 std::chrono::system_clock::time_point now, const AuditEvent& event,
                 std::string_view caller_text) {
    const std::size_t begin = begin_line(out, chain, boot_id, now);
    put_members(out, event, caller_text);
    end_line(out, chain, begin, event.latency);
}

void append_line(fmt::memory_buffer& out, ChainState& chain, std::string_view boot_id,
                 std::chrono::system_clock::time_point now, std::string_view members,
                 std::chrono::microseconds latency) {
    const std::size_t begin = begin_line(out, chain, boot_id, now);
    put(out, members);
    end_line(out, chain, begin, latency);
}

}  // namespace attestd
