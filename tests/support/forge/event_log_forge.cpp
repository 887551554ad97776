#include "tests/support/forge/event_log_forge.h"

#include "tests/support/forge/writer.h"

namespace attestd::forge {
namespace {

constexpr std::uint32_t kEvNoAction = 0x3;
constexpr std::uint16_t kAlgSha384 = 0xc;
constexpr std::size_t kSha1Len = 20;

Sha384 digest_of(const LogEvent& event) { return event.digest.value_or(sha384(event.data)); }

// TCG_PCClientPCREvent with a Spec ID event that announces SHA-384 alone.
Bytes spec_id_record() {
    Writer body;
    body.bytes(as_bytes("Spec ID Event03")).u8(0).u32(0).u8(0).u8(2).u8(0).u8(2);
    body.u32(1).u16(kAlgSha384).u16(48).u8(0);
    Writer record;
    record.u32(1).u32(kEvNoAction).zeros(kSha1Len).u32(static_cast<std::uint32_t>(body.size()));
    record.bytes(std::move(body).take());
    return std::move(record).take();
}

Bytes text(std::string_view value) { return to_bytes(as_bytes(value)); }

LogEvent separator(std::uint32_t index) { return {index, kEvSeparator, Bytes(4, 0), {}}; }

}  // namespace

std::vector<LogEvent> boot_events(std::string_view command_line) {
    return {
        {1, kEvEfiAction, text("attestd synthetic firmware"), {}},
        separator(1),
        {2, kEvEfiAction, text("Calling EFI Application from Boot Option"), {}},
        separator(2),
        {3, kEvIpl, text(command_line), {}},
        separator(3),
    };
}

Bytes event_log(const std::vector<LogEvent>& events, std::size_t area_len) {
    Writer out;
    out.bytes(spec_id_record());
    for (const LogEvent& event : events) {
        out.u32(event.index).u32(event.type).u32(1).u16(kAlgSha384).bytes(digest_of(event));
        out.u32(static_cast<std::uint32_t>(event.data.size())).bytes(event.data);
    }
    while (out.size() < area_len) out.u8(0xff);
    return std::move(out).take();
}

std::array<ByteArray<48>, 4> replay(const std::vector<LogEvent>& events) {
    std::array<ByteArray<48>, 4> rtmr{};
    for (const LogEvent& event : events) {
        if (event.index < 1 || event.index > rtmr.size() || event.type == kEvNoAction) continue;
        ByteArray<48>& reg = rtmr[event.index - 1];
        reg = sha384({reg, digest_of(event)});
    }
    return rtmr;
}

}  // namespace attestd::forge
