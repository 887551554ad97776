#include "quote/boot/runtime_event.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/encoding.h"
#include "quote/base/reader.h"
#include "quote/boot/event_log.h"

namespace attestd {
namespace {

constexpr std::uint32_t kAaelTag = 0x4141454c;  // "LEAA" in the file
constexpr std::uint32_t kTaggedEvent = 6;       // EV_EVENT_TAG
constexpr std::size_t kTagHeaderLen = 8;
constexpr std::size_t kMaxEventNameLen = 128;
constexpr std::string_view kAgentDomain = "attestd";
constexpr std::string_view kConfigOperation = "config";
constexpr std::string_view kSpecIdSignature{"Spec ID Event03\0", 16};

bool is_event_name(std::string_view text) noexcept {
    const auto allowed = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '/' || c == '-';
    };
    return !text.empty() && text.size() <= kMaxEventNameLen &&
           std::all_of(text.begin(), text.end(), allowed);
}

bool is_event_content(std::string_view text) noexcept {
    return text.size() <= kMaxEventContentLen &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

void append_le(Bytes& out, std::uint64_t value, std::size_t len) {
    for (std::size_t i = 0; i < len; ++i)
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void append_all(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// Record 0: SHA-384 digests and no others.
void put_spec_id(Bytes& out) {
    Bytes body = to_bytes(as_bytes(kSpecIdSignature));
    append_le(body, 0, 4);           // platform class: client
    append_le(body, 0x02000200, 4);  // minor 0, major 2, errata 0, 64-bit words
    append_le(body, 1, 4);
    append_le(body, kAlgSha384, 2);
    append_le(body, sizeof(Sha384), 2);
    append_le(body, 0, 1);
    append_le(out, 1, 4);
    append_le(out, kEvNoAction, 4);
    append_le(out, 0, 8);
    append_le(out, 0, 8);
    append_le(out, 0, 4);
    append_le(out, body.size(), 4);
    append_all(out, body);
}

}  // namespace

Result<void> check_runtime_event(const RuntimeEvent& event) {
    if (!is_event_name(event.domain) || !is_event_name(event.operation)) {
        return fail(Errc::bad_value,
                    "the name of an event is 1 to 128 characters of A-Z a-z 0-9 _ . / -");
    }
    if (is_event_content(event.content)) return {};
    return fail(Errc::bad_value,
                fmt::format("the content of an event is at most {} printable ASCII characters; "
                            "send a digest of anything else",
                            kMaxEventContentLen));
}

RuntimeEvent config_event(const Sha256& config_digest) {
    return {std::string(kAgentDomain), std::string(kConfigOperation), to_hex(config_digest)};
}

std::optional<std::string> last_config(const std::vector<RuntimeEvent>& events) {
    const auto found = std::find_if(events.rbegin(), events.rend(), [](const RuntimeEvent& event) {
        return event.domain == kAgentDomain && event.operation == kConfigOperation;
    });
    if (found == events.rend()) return std::nullopt;
    return found->content;
}

Bytes runtime_event_data(const RuntimeEvent& event) {
    const std::string text = event.domain + ' ' + event.operation + ' ' + event.content;
    Bytes out;
    append_le(out, kAaelTag, 4);
    append_le(out, text.size(), 4);
    append_all(out, as_bytes(text));
    return out;
}

Sha384 runtime_event_digest(const RuntimeEvent& event) { return sha384(runtime_event_data(event)); }

std::optional<RuntimeEvent> parse_runtime_event(ByteView data) {
    if (data.size() < kTagHeaderLen) return std::nullopt;
    const std::string_view text = as_text(data.subspan(kTagHeaderLen));
    if (load_le<std::uint32_t>(data.first<4>()) != kAaelTag ||
        load_le<std::uint32_t>(data.subspan<4, 4>()) != text.size()) {
        return std::nullopt;
    }
    const auto first = text.find(' ');
    const auto second = first == text.npos ? first : text.find(' ', first + 1);
    if (second == text.npos) return std::nullopt;
    RuntimeEvent out{std::string(text.substr(0, first)),
                     std::string(text.substr(first + 1, second - first - 1)),
                     std::string(text.substr(second + 1))};
    if (!check_runtime_event(out)) return std::nullopt;
    return out;
}

Bytes write_runtime_log(const std::vector<RuntimeEvent>& events) {
    Bytes out;
    put_spec_id(out);
    for (const RuntimeEvent& event : events) {
        const Bytes data = runtime_event_data(event);
        append_le(out, kRuntimeRegister + 1, 4);
        append_le(out, kTaggedEvent, 4);
        append_le(out, 1, 4);
        append_le(out, kAlgSha384, 2);
        append_all(out, sha384(data));
        append_le(out, data.size(), 4);
        append_all(out, data);
    }
    return out;
}

}  // namespace attestd
