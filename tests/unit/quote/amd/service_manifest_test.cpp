// Service manifests of an SVSM. No recorded one exists: these follow the text of `spec/snp.md`
// section 8; offsets count from the manifest's beginning.
#include "quote/amd/service_manifest.h"

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/writer.h"
#include "tests/support/mutations.h"

namespace attestd {
namespace {

// GUIDs as they are stored.
constexpr std::string_view kAll = "bb9e846392 3d7046a1ff58f9c94b87bb";
constexpr std::string_view kVtpm = "ebf176c4 2301 a545 9641 b4e7dde5bfe3";
constexpr std::string_view kUefi = "593a45a4 1b9e 8747 a033 1986d6adbe55";

Bytes guid(std::string_view spaced) {
    std::string hex(spaced);
    std::erase(hex, ' ');
    return from_hex(hex, "guid").value();
}

struct Entry {
    std::string_view guid;
    std::uint32_t offset, size;
};

Bytes manifest(const std::vector<Entry>& entries, ByteView data, std::uint32_t size_error = 0) {
    forge::Writer out;
    const auto size = static_cast<std::uint32_t>(24 + 24 * entries.size() + data.size());
    out.bytes(guid(kAll)).u32(size + size_error).u32(static_cast<std::uint32_t>(entries.size()));
    for (const Entry& entry : entries)
        out.bytes(guid(entry.guid)).u32(entry.offset).u32(entry.size);
    out.bytes(data);
    return std::move(out).take();
}

const Bytes kData{'v', 't', 'p', 'm', 'u', 'e', 'f', 'i', '!'};

}  // namespace

TEST_CASE("service manifest: services, their names and their data", "[quote][snp][svsm]") {
    const Bytes bytes = manifest({{kVtpm, 72, 4}, {kUefi, 76, 5}}, kData);
    CHECK(looks_like_service_manifest(bytes));
    const auto services = parse_service_manifest(bytes);
    REQUIRE_OK(services);
    REQUIRE(services->size() == 2);
    CHECK((*services)[0].guid == "c476f1eb-0123-45a5-9641-b4e7dde5bfe3");
    CHECK((*services)[0].name() == "vtpm");
    CHECK(as_text((*services)[0].data) == "vtpm");
    CHECK((*services)[1].guid == "a4453a59-9e1b-4787-a033-1986d6adbe55");
    CHECK((*services)[1].name() == "uefi-variables");
    CHECK(as_text((*services)[1].data) == "uefi!");
    REQUIRE_OK(parse_service_manifest(manifest({}, {})));
    REQUIRE_OK(parse_service_manifest(manifest({{kAll, 48, 0}}, {})));  // an unknown service
}

TEST_CASE("service manifest: ranges outside of it and wrong sizes are refused",
          "[quote][snp][svsm]") {
    struct Row {
        const char* name;
        Entry entry;
        std::uint32_t size_error;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({
        {"a size one too large", {kVtpm, 48, 9}, 1, Errc::bad_length},
        {"a size one too small", {kVtpm, 48, 9}, ~0U, Errc::bad_length},
        {"data in the header", {kVtpm, 47, 9}, 0, Errc::bad_length},
        {"data from byte 0", {kVtpm, 0, 9}, 0, Errc::bad_length},
        {"data past the end", {kVtpm, 48, 10}, 0, Errc::bad_length},
        {"an offset past the end", {kVtpm, 58, 0}, 0, Errc::bad_length},
        {"a sum that wraps around 32 bits", {kVtpm, 0xffffffff, 50}, 0, Errc::bad_length},
        {"a size that wraps around 32 bits", {kVtpm, 48, 0xffffffd9}, 0, Errc::bad_length},
    }));
    INFO(row.name);
    REQUIRE_ERRC(row.want, parse_service_manifest(manifest({row.entry}, kData, row.size_error)));
}

TEST_CASE("service manifest: other formats, doubled services and too many are refused",
          "[quote][snp][svsm]") {
    REQUIRE_ERRC(Errc::truncated, parse_service_manifest({}));
    REQUIRE_ERRC(Errc::unknown_format, parse_service_manifest(Bytes(64, 1)));
    REQUIRE_ERRC(Errc::duplicate_key,
                 parse_service_manifest(manifest({{kVtpm, 72, 1}, {kVtpm, 73, 1}}, kData)));
    Bytes many = manifest({}, {});
    many[20] = 65;
    REQUIRE_ERRC(Errc::too_large, parse_service_manifest(many));
    many[20] = 1;
    REQUIRE_ERRC(Errc::truncated, parse_service_manifest(many));
}

TEST_CASE("service manifest: no cut or longer one is taken", "[quote][snp][svsm]") {
    const Bytes bytes = manifest({{kVtpm, 72, 4}, {kUefi, 76, 5}}, kData);
    std::size_t accepted = 0;
    const auto count = [&](ByteView mutant, std::size_t) {
        accepted += parse_service_manifest(mutant).has_value() ? 1 : 0;
    };
    test::for_each_truncation(bytes, count);
    test::for_each_extra_byte(bytes, count);
    CHECK(accepted == 0);
}

TEST_CASE("service manifest: REPORT_DATA is SHA-512 over nonce and manifest",
          "[quote][snp][svsm]") {
    // Computed apart from this code: printf 'abc' behind 64 zero bytes, sha512sum.
    CHECK(to_hex(svsm_report_data({}, as_bytes("abc"))) ==
          "7682b6b84c6f692545a896ad210299bcc6f74e189d829e165739b11dd83b6f2c8cfacf27e812bf064df756d6"
          "235ac33c062b89ecb80f8215516dbbb844ce8480");
}

}  // namespace attestd
