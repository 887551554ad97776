#include "quote/boot/event_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "quote/base/encoding.h"
#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::uint32_t kEventTag = 6, kIpl = 0xd;
constexpr std::uint32_t kVariableDriverConfig = 0x80000001, kVariableBoot = 0x80000002,
                        kVariableBoot2 = 0x8000000c, kVariableAuthority = 0x800000e0,
                        kEfiAction = 0x80000007;
constexpr std::size_t kMaxTextLen = 256;

struct TypeName {
    std::uint32_t type;
    std::string_view name;
};
constexpr auto kTypes = std::to_array<TypeName>({
    {0x0, "EV_PREBOOT_CERT"},
    {0x1, "EV_POST_CODE"},
    {0x3, "EV_NO_ACTION"},
    {0x4, "EV_SEPARATOR"},
    {0x5, "EV_ACTION"},
    {0x6, "EV_EVENT_TAG"},
    {0x7, "EV_S_CRTM_CONTENTS"},
    {0x8, "EV_S_CRTM_VERSION"},
    {0x9, "EV_CPU_MICROCODE"},
    {0xa, "EV_PLATFORM_CONFIG_FLAGS"},
    {0xb, "EV_TABLE_OF_DEVICES"},
    {0xc, "EV_COMPACT_HASH"},
    {0xd, "EV_IPL"},
    {0xe, "EV_IPL_PARTITION_DATA"},
    {0x11, "EV_NONHOST_INFO"},
    {0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
    {0x80000002, "EV_EFI_VARIABLE_BOOT"},
    {0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION"},
    {0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER"},
    {0x80000005, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
    {0x80000006, "EV_EFI_GPT_EVENT"},
    {0x80000007, "EV_EFI_ACTION"},
    {0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
    {0x80000009, "EV_EFI_HANDOFF_TABLES"},
    {0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
    {0x8000000b, "EV_EFI_HANDOFF_TABLES2"},
    {0x8000000c, "EV_EFI_VARIABLE_BOOT2"},
    {0x800000e0, "EV_EFI_VARIABLE_AUTHORITY"},
});

bool is_variable(std::uint32_t type) noexcept {
    return type == kVariableDriverConfig || type == kVariableBoot || type == kVariableBoot2 ||
           type == kVariableAuthority;
}

ByteView without_nul(ByteView text) noexcept {
    return !text.empty() && text.back() == 0 ? text.first(text.size() - 1) : text;
}

bool is_text(ByteView bytes) noexcept {
    return !bytes.empty() && std::all_of(bytes.begin(), bytes.end(),
                                         [](std::uint8_t b) { return b >= 0x20 && b < 0x7f; });
}

std::string cut(std::string text) {
    if (text.size() > kMaxTextLen) text = text.substr(0, kMaxTextLen - 3) + "...";
    return text;
}

// The text of an EV_EVENT_TAG: u32 tag, u32 length, bytes.
std::optional<std::string> tag_text(ByteView data) {
    if (data.size() < 8) return std::nullopt;
    const auto tag = load_le<std::uint32_t>(data.first<4>());
    const ByteView body = without_nul(data.subspan(8));
    if (!is_text(body)) return fmt::format("tag 0x{:x}, {} bytes", tag, body.size());
    return fmt::format("tag 0x{:x}: {}", tag, as_text(body));
}

// What boot loaders hash: the text behind "grub_cmd: " or "kernel_cmdline: ", without a closing
// NUL.
ByteView ipl_payload(ByteView data) noexcept {
    const ByteView text = without_nul(data);
    const auto at = as_text(text).find(": ");
    return at == std::string_view::npos ? text : text.subspan(at + 2);
}

Result<EfiVariable> read_variable(ByteView event) {
    Reader in(event);
    EfiVariable out;
    ATTESTD_TRY(out.guid, in.bytes(16, "variable.guid"));
    ATTESTD_TRY(const std::uint64_t name_len, in.u64le("variable.name_length"));
    ATTESTD_TRY(const std::uint64_t data_len, in.u64le("variable.data_length"));
    if (name_len > in.remaining() / 2 || data_len > in.remaining())
        return fail(Errc::bad_length, "variable");
    for (std::uint64_t i = 0; i < name_len; ++i) {
        ATTESTD_TRY(const std::uint16_t unit, in.u16le("variable.name"));
        out.name += unit >= 0x20 && unit < 0x7f ? static_cast<char>(unit) : '?';
    }
    ATTESTD_TRY(out.data, in.bytes(data_len, "variable.data"));
    ATTESTD_CHECK(in.finish("variable"));
    return out;
}

bool covers(std::uint16_t algorithm, ByteView digest, ByteView bytes) {
    if (algorithm == kAlgSha384) return equal(sha384(bytes), digest);
    return algorithm == kAlgSha256 && equal(sha256(bytes), digest);
}

}  // namespace

std::optional<EfiVariable> parse_efi_variable(ByteView event) {
    auto variable = read_variable(event);
    return variable ? std::optional(*std::move(variable)) : std::nullopt;
}

std::string event_type_name(std::uint32_t type) {
    const auto known = std::find_if(kTypes.begin(), kTypes.end(),
                                    [&](const TypeName& t) { return t.type == type; });
    return known == kTypes.end() ? fmt::format("0x{:x}", type) : std::string(known->name);
}

std::string event_text(const BootEvent& event) {
    if (is_variable(event.type)) {
        if (const auto variable = parse_efi_variable(event.data)) {
            return cut(fmt::format("{} = {}", variable->name, to_hex(variable->data)));
        }
    }
    if (event.type == kEventTag) {
        if (auto text = tag_text(event.data)) return cut(*std::move(text));
    }
    if (is_text(without_nul(event.data))) return cut(std::string(as_text(without_nul(event.data))));
    return cut(to_hex(event.data));
}

std::optional<ByteView> verified_part(const BootEvent& event, std::uint16_t algorithm) {
    const ByteView digest = event.digest(algorithm);
    if (digest.empty() || event.type == kEvNoAction) return std::nullopt;
    const auto is = [&](ByteView part) { return covers(algorithm, digest, part); };
    if (is(event.data)) return event.data;
    if (event.type == kVariableBoot || event.type == kVariableBoot2) {
        const auto variable = parse_efi_variable(event.data);
        if (variable && is(variable->data)) return variable->data;
    }
    if (event.type == kIpl && is(ipl_payload(event.data))) return ipl_payload(event.data);
    if (event.type == kEfiAction && is(without_nul(event.data))) return without_nul(event.data);
    return std::nullopt;
}

DataTrust data_trust(const BootEvent& event, std::uint16_t algorithm) {
    if (event.type == kEvNoAction) return DataTrust::not_extended;
    return verified_part(event, algorithm) ? DataTrust::verified : DataTrust::not_verified;
}

std::string_view data_trust_name(DataTrust trust) noexcept {
    switch (trust) {
        case DataTrust::verified:
            return "verified";
        case DataTrust::not_verified:
            return "not-verified";
        case DataTrust::not_extended:
            break;
    }
    return "not-extended";
}

}  // namespace attestd
