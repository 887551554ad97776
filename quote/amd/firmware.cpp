#include "quote/amd/firmware.h"

#include <fmt/format.h>

#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::size_t kFooterGap = 32;        // bytes between the table and the end of the image
constexpr std::size_t kEntryTrailerLen = 18;  // u16 size, GUID
constexpr std::size_t kMaxSections = 64;

using Guid = ByteArray<16>;

// GUIDs as they are stored: the first three groups little-endian.
constexpr Guid kFooter{0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                       0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
constexpr Guid kSevMetadata{0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
                            0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc};
constexpr Guid kResetBlock{0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
                           0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e};
constexpr Guid kHashTable{0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
                          0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54};
constexpr Guid kSvsmInfo{0x12, 0xa6, 0x89, 0xa7, 0x97, 0x05, 0x4b, 0x4c,
                         0xa4, 0x9f, 0xcb, 0xb1, 0xfe, 0x9d, 0x1d, 0xdd};

tl::unexpected<Error> bad(Errc code, std::string_view why) {
    return fail(code, fmt::format("firmware: {}", why));
}

Result<FirmwareSectionType> section_type(std::uint32_t value) {
    switch (value) {
        case 1:
        case 2:
        case 3:
        case 4:
        case 0x10:
            return static_cast<FirmwareSectionType>(value);
        default:
            return bad(Errc::unsupported_type, fmt::format("metadata section of type {}", value));
    }
}

Result<void> parse_metadata(ByteView image, ByteView entry, Firmware& out) {
    Reader offset_reader(entry);
    ATTESTD_TRY(const std::uint32_t from_end, offset_reader.u32le("firmware.metadata_offset"));
    if (from_end > image.size()) return bad(Errc::bad_length, "metadata lies before the image");
    Reader in(image.subspan(image.size() - from_end), image.size() - from_end);
    ATTESTD_TRY(const ByteView signature, in.bytes(4, "firmware.metadata.signature"));
    if (as_text(signature) != "ASEV")
        return bad(Errc::bad_value, "metadata does not begin with ASEV");
    ATTESTD_CHECK(in.u32le("firmware.metadata.size"));
    ATTESTD_TRY(const std::uint32_t version, in.u32le("firmware.metadata.version"));
    if (version != 1)
        return bad(Errc::unsupported_version, fmt::format("metadata version {}", version));
    ATTESTD_TRY(const std::uint32_t count, in.u32le("firmware.metadata.count"));
    if (count > kMaxSections)
        return bad(Errc::too_large, fmt::format("{} metadata sections", count));
    for (std::uint32_t i = 0; i < count; ++i) {
        FirmwareSection section{};
        ATTESTD_TRY(section.gpa, in.u32le("firmware.section.gpa"));
        ATTESTD_TRY(section.size, in.u32le("firmware.section.size"));
        ATTESTD_TRY(const std::uint32_t type, in.u32le("firmware.section.type"));
        ATTESTD_TRY(section.type, section_type(type));
        if (section.gpa % kPageLen != 0 || section.size % kPageLen != 0) {
            return bad(Errc::bad_length, "a metadata section does not consist of whole pages");
        }
        out.sections.push_back(section);
    }
    return {};
}

Result<void> parse_entry(ByteView image, const Guid& guid, ByteView data, Firmware& out) {
    if (guid == kSevMetadata) return parse_metadata(image, data, out);
    Reader in(data);
    if (guid == kResetBlock) {
        ATTESTD_TRY(out.ap_entry, in.u32le("firmware.reset_block"));
    }
    if (guid == kHashTable) {
        ATTESTD_TRY(out.hash_table_gpa, in.u32le("firmware.hash_table"));
    }
    if (guid == kSvsmInfo) {
        ATTESTD_TRY(out.svsm_entry, in.u32le("firmware.svsm_info"));
    }
    return {};
}

// Takes the entry that ends where `table` does: data, u16 size of all, GUID. Shortens `table` by
// it.
struct TableEntry {
    Guid guid;
    std::size_t len;  // with its trailer
    ByteView data;
};
Result<TableEntry> last_entry(ByteView table) {
    if (table.size() < kEntryTrailerLen)
        return bad(Errc::truncated, "the table at its end is cut short");
    Reader trailer(table.last(kEntryTrailerLen));
    TableEntry out{};
    ATTESTD_TRY(const std::uint16_t len, trailer.u16le("firmware.table.size"));
    ATTESTD_TRY(out.guid, trailer.array<16>("firmware.table.guid"));
    if (len < kEntryTrailerLen || len > table.size()) {
        return bad(Errc::bad_length, "an entry of the table at its end has a wrong size");
    }
    out.len = len;
    out.data = table.subspan(table.size() - len, len - kEntryTrailerLen);
    return out;
}

}  // namespace

Result<Firmware> parse_firmware(ByteView image) {
    if (image.size() > kMaxFirmwareLen) return bad(Errc::too_large, "over 64 MiB");
    if (image.empty() || image.size() % kPageLen != 0) {
        return bad(Errc::bad_length,
                   fmt::format("{} bytes, must be whole pages of 4096", image.size()));
    }
    Firmware out;
    out.image = image;
    const ByteView before_gap = image.first(image.size() - kFooterGap);
    ATTESTD_TRY(const TableEntry footer, last_entry(before_gap));
    if (footer.guid != kFooter)
        return bad(Errc::unknown_format, "no table of entries at its end: not OVMF");
    // The footer's size is that of the whole table, itself included.
    ByteView table = footer.data;
    while (!table.empty()) {
        ATTESTD_TRY(const TableEntry entry, last_entry(table));
        ATTESTD_CHECK(parse_entry(image, entry.guid, entry.data, out));
        table = table.first(table.size() - entry.len);
    }
    return out;
}

}  // namespace attestd
