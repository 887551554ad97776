#include "quote/amd/service_manifest.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/encoding.h"
#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxServices = 64;
constexpr std::size_t kHeaderLen = 24, kServiceEntryLen = 24;

using Guid = ByteArray<16>;

// 63849ebb-3d92-4670-a1ff-58f9c94b87bb as it is stored: the first three groups little-endian.
constexpr Guid kAllServices{0xbb, 0x9e, 0x84, 0x63, 0x92, 0x3d, 0x70, 0x46,
                            0xa1, 0xff, 0x58, 0xf9, 0xc9, 0x4b, 0x87, 0xbb};
constexpr std::string_view kVtpm = "c476f1eb-0123-45a5-9641-b4e7dde5bfe3";
constexpr std::string_view kUefiVariables = "a4453a59-9e1b-4787-a033-1986d6adbe55";

std::string guid_text(Guid guid) {
    std::reverse(guid.begin(), guid.begin() + 4);
    std::reverse(guid.begin() + 4, guid.begin() + 6);
    std::reverse(guid.begin() + 6, guid.begin() + 8);
    std::string out = to_hex(guid);
    for (const std::size_t at : {20U, 16U, 12U, 8U}) out.insert(at, 1, '-');
    return out;
}

// Entry and the range that it names, which must lie behind all entries.
Result<SvsmService> parse_entry(Reader& in, ByteView whole, std::size_t data_at) {
    const Reader before = in;
    SvsmService out;
    ATTESTD_TRY(const Guid guid, in.array<16>("manifest.service.guid"));
    out.guid = guid_text(guid);
    ATTESTD_TRY(const std::uint32_t offset, in.u32le("manifest.service.offset"));
    ATTESTD_TRY(const std::uint32_t size, in.u32le("manifest.service.size"));
    if (offset < data_at || offset > whole.size() || size > whole.size() - offset) {
        return before.fail_here(Errc::bad_length, "manifest.service",
                                fmt::format("{} bytes at {} do not lie between {} and {}", size,
                                            offset, data_at, whole.size()));
    }
    out.data = whole.subspan(offset, size);
    return out;
}

}  // namespace

std::string_view SvsmService::name() const noexcept {
    return guid == kVtpm ? "vtpm" : guid == kUefiVariables ? "uefi-variables" : "";
}

Result<std::vector<SvsmService>> parse_service_manifest(ByteView bytes) {
    if (bytes.size() > kMaxServiceManifestLen)
        return fail(Errc::too_large, "service manifest: over 1 MiB");
    Reader in(bytes);
    ATTESTD_TRY(const Guid guid, in.array<16>("manifest.guid"));
    if (guid != kAllServices)
        return fail(Errc::unknown_format, "manifest.guid at byte 0: no list of services");
    ATTESTD_TRY(const std::uint32_t total, in.u32le("manifest.size"));
    if (total != bytes.size()) {
        return fail(
            Errc::bad_length,
            fmt::format("manifest.size at byte 16: {}, {} bytes are there", total, bytes.size()));
    }
    ATTESTD_TRY(const std::uint32_t count, in.u32le("manifest.count"));
    if (count > kMaxServices) {
        return fail(Errc::too_large, fmt::format("manifest.count at byte 20: {} services, at most "
                                                 "{} are read",
                                                 count, kMaxServices));
    }
    std::vector<SvsmService> out;
    for (std::uint32_t i = 0; i < count; ++i) {
        ATTESTD_TRY(SvsmService service,
                    parse_entry(in, bytes, kHeaderLen + count * kServiceEntryLen));
        const bool twice = std::any_of(out.begin(), out.end(), [&](const SvsmService& other) {
            return other.guid == service.guid;
        });
        if (twice) {
            return fail(Errc::duplicate_key,
                        fmt::format("manifest: the service {} comes twice", service.guid));
        }
        out.push_back(std::move(service));
    }
    return out;
}

bool looks_like_service_manifest(ByteView bytes) noexcept {
    return bytes.size() >= kHeaderLen && equal(bytes.first(kAllServices.size()), kAllServices);
}

}  // namespace attestd
