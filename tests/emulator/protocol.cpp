#include "tests/emulator/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "quote/base/reader.h"

namespace attestd::devsim {
namespace {

using Json = nlohmann::ordered_json;

constexpr JsonLimits kLimits{.max_len = 65536, .max_depth = 4};
constexpr std::int64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::int64_t kMaxDelayMs = 600'000;

Result<JsonDocument> parse(std::string_view body) {
    return JsonDocument::parse(body, "request", kLimits);
}

template <std::size_t N>
Result<ByteArray<N>> hex_member(const JsonValue& value) {
    ATTESTD_TRY(const std::string text, value.text());
    return array_from_hex<N>(text, value.where());
}

template <std::size_t N>
Result<void> take_hex(JsonObject& from, std::string_view key, std::optional<ByteArray<N>>& out) {
    const auto value = from.optional(key);
    if (!value) return {};
    ATTESTD_TRY(out, hex_member<N>(*value));
    return {};
}

Result<void> take_bool(JsonObject& from, std::string_view key, std::optional<bool>& out) {
    const auto value = from.optional(key);
    if (!value) return {};
    ATTESTD_TRY(out, value->boolean());
    return {};
}

Result<void> take_registers(JsonObject& from, Control& out) {
    ATTESTD_CHECK(take_hex(from, "measurement", out.measurement));
    ATTESTD_CHECK(take_hex(from, "mrconfigid", out.mrconfigid));
    ATTESTD_CHECK(take_hex(from, "host_data", out.host_data));
    for (std::size_t i = 0; i < out.rtmr.size(); ++i) {
        ATTESTD_CHECK(take_hex(from, fmt::format("rtmr{}", i), out.rtmr[i]));
    }
    return {};
}

Result<void> take_faults(JsonObject& from, Control& out) {
    if (const auto value = from.optional("fail")) {
        ATTESTD_TRY(const std::string name, value->text());
        out.fault = fault_named(name);
        if (!out.fault) {
            return value->fail_here(Errc::bad_value,
                                    "timeout, error, garbage, wrong_report_data or none");
        }
    }
    if (const auto value = from.optional("delay_ms")) {
        ATTESTD_TRY(const std::int64_t ms, value->integer(0, kMaxDelayMs));
        out.delay = std::chrono::milliseconds(ms);
    }
    return {};
}

// Names as in errno(3).
std::optional<int> errno_named(std::string_view name) {
    constexpr std::array<int, 15> kKnown{EACCES, EAGAIN, EBUSY, EFAULT, EFBIG,
                                         EINTR,  EINVAL, EIO,   ENODEV, ENOENT,
                                         ENOTTY, ENXIO,  EPERM, EROFS,  ETIMEDOUT};
    const auto* const found = std::find_if(
        kKnown.begin(), kKnown.end(), [&](int known) { return name == ::strerrorname_np(known); });
    if (found == kKnown.end()) return std::nullopt;
    return *found;
}

Result<void> take_count(JsonObject& from, std::string_view key, std::uint32_t& out) {
    const auto value = from.optional(key);
    if (!value) return {};
    ATTESTD_TRY(const std::int64_t number, value->integer(0, kMaxU32));
    out = static_cast<std::uint32_t>(number);
    return {};
}

Result<DeviceFaults> device_faults(const JsonValue& value) {
    DeviceFaults out;
    ATTESTD_TRY(JsonObject from, value.object());
    if (const auto error = from.optional("errno")) {
        ATTESTD_TRY(const std::string name, error->text());
        const auto number = errno_named(name);
        if (!number) return error->fail_here(Errc::bad_value, "a name of errno(3)");
        out.error = *number;
    }
    out.partly = from.optional("times").has_value();
    ATTESTD_CHECK(take_count(from, "times", out.times));
    ATTESTD_CHECK(take_count(from, "lost_commits", out.lost_commits));
    ATTESTD_CHECK(take_count(from, "foreign_writes", out.foreign_writes));
    ATTESTD_CHECK(take_count(from, "vanishing", out.vanishing));
    ATTESTD_CHECK(take_count(from, "stuck_rmdirs", out.stuck_rmdirs));
    ATTESTD_CHECK(take_count(from, "read_len", out.read_len));
    ATTESTD_CHECK(take_count(from, "firmware_error", out.firmware));
    ATTESTD_CHECK(take_count(from, "vmm_error", out.vmm));
    ATTESTD_CHECK(take_count(from, "status", out.status));
    ATTESTD_CHECK(take_count(from, "certs_len", out.certs_len));
    std::optional<bool> empty, zero_key, fixed, svsm;
    ATTESTD_CHECK(take_bool(from, "empty", empty));
    ATTESTD_CHECK(take_bool(from, "zero_key", zero_key));
    ATTESTD_CHECK(take_bool(from, "fixed_registers", fixed));
    ATTESTD_CHECK(take_bool(from, "svsm", svsm));
    out.svsm = svsm.value_or(false);
    out.empty = empty.value_or(false);
    out.fixed_registers = fixed.value_or(false);
    out.zero_key = zero_key.value_or(false);
    if (const auto provider = from.optional("provider")) {
        ATTESTD_TRY(out.provider, provider->text());
    }
    ATTESTD_CHECK(from.finish());
    return out;
}

Result<std::int64_t> integer(JsonObject& from, std::string_view key, std::int64_t max) {
    ATTESTD_TRY(const JsonValue value, from.required(key));
    return value.integer(0, max);
}

}  // namespace

Result<ReportData> parse_evidence_request(std::string_view body) {
    ATTESTD_TRY(const JsonDocument document, parse(body));
    ATTESTD_TRY(JsonObject object, document.root().object());
    ATTESTD_TRY(const JsonValue report_data, object.required("report_data"));
    ATTESTD_CHECK(object.finish());
    return hex_member<64>(report_data);
}

std::string evidence_json(Tee tee, const MachineEvidence& evidence) {
    Json out;
    out["tee"] = tee_name(tee);
    out["evidence"] = to_base64(evidence.evidence);
    out["endorsements"] = Json::array();
    for (const Bytes& bytes : evidence.endorsements)
        out["endorsements"].push_back(to_base64(bytes));
    if (!evidence.event_log.empty()) out["event_log"] = to_base64(evidence.event_log);
    return out.dump();
}

Result<DerivedKeyRequest> parse_key_request(std::string_view body) {
    ATTESTD_TRY(const JsonDocument document, parse(body));
    ATTESTD_TRY(JsonObject object, document.root().object());
    ATTESTD_TRY(const std::int64_t select, integer(object, "guest_field_select", kMaxU32));
    ATTESTD_TRY(const std::int64_t vmpl, integer(object, "vmpl", kMaxU32));
    ATTESTD_TRY(const std::int64_t guest_svn, integer(object, "guest_svn", kMaxU32));
    ATTESTD_TRY(const JsonValue tcb, object.required("tcb_version"));
    ATTESTD_CHECK(object.finish());
    ATTESTD_TRY(const ByteArray<8> tcb_bytes, hex_member<8>(tcb));
    return DerivedKeyRequest{.guest_field_select = static_cast<std::uint64_t>(select),
                             .vmpl = static_cast<std::uint32_t>(vmpl),
                             .guest_svn = static_cast<std::uint32_t>(guest_svn),
                             .tcb_version = load_le<std::uint64_t>(tcb_bytes)};
}

std::string key_json(ByteView key) { return Json{{"key", to_base64(key)}}.dump(); }

Result<Control> parse_control(std::string_view body) {
    ATTESTD_TRY(const JsonDocument document, parse(body));
    ATTESTD_TRY(JsonObject object, document.root().object());
    Control out;
    ATTESTD_CHECK(take_bool(object, "debug", out.debug));
    ATTESTD_CHECK(take_bool(object, "endorsements", out.endorsements));
    ATTESTD_CHECK(take_registers(object, out));
    ATTESTD_CHECK(take_faults(object, out));
    if (const auto device = object.optional("device")) {
        ATTESTD_TRY(out.device, device_faults(*device));
    }
    if (const auto tcb = object.optional("tcb")) {
        ATTESTD_TRY(out.tcb, tcb->text());
    }
    ATTESTD_CHECK(object.finish());
    return out;
}

std::string state_json(const Machine& machine) {
    Json out;
    out["tee"] = tee_name(machine.tee());
    out["debug"] = machine.debug();
    out["tcb"] = machine.tcb();
    for (const auto& [name, hex] : machine.registers()) out[name] = hex;
    out["endorsements"] = machine.gives_endorsements();
    out["fail"] = fault_name(machine.fault());
    out["delay_ms"] = machine.delay().count();
    return out.dump();
}

std::string problem_json(const Error& error, unsigned status) {
    Json out;
    out["code"] = errc_name(error.code);
    out["title"] = errc_meaning(error.code);
    out["detail"] = error.detail;
    out["status"] = status;
    return out.dump();
}

}  // namespace attestd::devsim
