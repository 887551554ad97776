#include "quote/amd/cert_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "quote/base/encoding.h"
#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::size_t kTableEntryLen = 24;
constexpr std::size_t kMaxEntries = 64;

struct KnownGuid {
    std::string_view text;
    CertTableEntryKind kind;
};

constexpr std::array<KnownGuid, 5> kKnown{{
    {"63da758d-e664-4564-adc5-f4b93be8accd", CertTableEntryKind::vcek},
    {"a8074bc2-a25a-483e-aae6-39c045a0b8a1", CertTableEntryKind::vlek},
    {"4ab7b379-bbac-4fe4-a02f-05aef327c782", CertTableEntryKind::ask},
    {"c0b406a4-a803-4952-9743-3fb6014cd0ae", CertTableEntryKind::ark},
    {"92f81bc3-5811-4d3d-97ff-d19f88dc67ea", CertTableEntryKind::crl},
}};

// The bytes stand in the order of the text form (RFC 4122).
std::string guid_text(ByteView guid) {
    const std::string hex = to_hex(guid);
    return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                       hex.substr(16, 4), hex.substr(20));
}

CertTableEntryKind kind_of(std::string_view guid) noexcept {
    const auto known =
        std::find_if(kKnown.begin(), kKnown.end(), [&](const auto& k) { return k.text == guid; });
    return known == kKnown.end() ? CertTableEntryKind::other : known->kind;
}

struct RawEntry {
    ByteView guid;
    std::uint32_t offset, length;
};

Result<std::vector<RawEntry>> parse_header(Reader& in) {
    std::vector<RawEntry> entries;
    for (;;) {
        ATTESTD_TRY(Reader entry, in.sub(kTableEntryLen, "certificate_table.entry"));
        RawEntry raw{};
        if (all_zero(entry.rest())) return entries;
        if (entries.size() == kMaxEntries)
            return fail(Errc::too_large, "certificate_table: over 64 entries");
        ATTESTD_TRY(raw.guid, entry.bytes(16, "certificate_table.guid"));
        ATTESTD_TRY(raw.offset, entry.u32le("certificate_table.offset"));
        ATTESTD_TRY(raw.length, entry.u32le("certificate_table.length"));
        entries.push_back(raw);
    }
}

}  // namespace

Result<std::vector<CertTableEntry>> parse_cert_table(ByteView bytes) {
    std::vector<CertTableEntry> out;
    if (bytes.size() > kMaxCertTableLen)
        return fail(Errc::too_large, "certificate_table: over 64 KiB");
    if (all_zero(bytes)) return out;
    Reader in(bytes);
    ATTESTD_TRY(const std::vector<RawEntry> raw_entries, parse_header(in));
    const std::size_t header_len = in.offset();
    for (const RawEntry& raw : raw_entries) {
        const std::uint64_t end =
            std::uint64_t{raw.offset} + raw.length;  // a 32-bit sum would wrap
        CertTableEntry entry{guid_text(raw.guid), CertTableEntryKind::other, {}};
        if (raw.offset < header_len || end > bytes.size()) {
            return fail(
                Errc::bad_length,
                fmt::format(
                    "certificate_table entry {}: bytes {} to {} of a table of {} with {} of header",
                    entry.guid, raw.offset, end, bytes.size(), header_len));
        }
        entry.kind = kind_of(entry.guid);
        entry.data = bytes.subspan(raw.offset, raw.length);
        const bool doubled = entry.kind != CertTableEntryKind::other &&
                             std::any_of(out.begin(), out.end(),
                                         [&](const auto& e) { return e.kind == entry.kind; });
        if (doubled)
            return fail(Errc::bad_value,
                        fmt::format("certificate_table: entry {} stands there twice", entry.guid));
        out.push_back(std::move(entry));
    }
    return out;
}

bool looks_like_cert_table(ByteView bytes) {
    if (bytes.size() < 2 * kTableEntryLen) return false;
    const std::string guid = guid_text(bytes.first(16));
    if (kind_of(guid) != CertTableEntryKind::other) return true;
    // Some hosts put an entry of their own first.
    return kind_of(guid_text(bytes.subspan(kTableEntryLen, 16))) != CertTableEntryKind::other;
}

}  // namespace attestd
