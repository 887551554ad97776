// Certificate tables: written by the host (`spec/snp.md` section 8, pitfall 10).
#include "quote/amd/cert_table.h"

#include "tests/support/catch.h"
#include "tests/support/forge/report_forge.h"
#include "tests/support/forge/writer.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"

namespace attestd {
namespace {

const Bytes kGuid = [] {
    const Bytes table = forge::certificate_table({{forge::guid::kVcek, {}}});
    return Bytes(table.begin(), table.begin() + 16);
}();

// One entry with these numbers in a table of 1024 bytes, and its terminator.
Bytes one_entry(std::uint32_t offset, std::uint32_t length) {
    forge::Writer out;
    out.bytes(kGuid).u32(offset).u32(length).zeros_to(1024);
    return std::move(out).take();
}

TEST_CASE("certificate table: ranges outside the blob or in the header are refused",
          "[quote][amd]") {
    struct Row {
        const char* name;
        std::uint32_t offset, length;
        Errc want;
    };
    const Row row = GENERATE(values<Row>({
        {"a sum that wraps 32 bits", 0xffffff00, 0x200, Errc::bad_length},
        {"a sum that wraps to the end", 0xffffffff, 1, Errc::bad_length},
        {"both at their maximum", 0xffffffff, 0xffffffff, Errc::bad_length},
        {"one byte beyond the end", 48, 1024 - 48 + 1, Errc::bad_length},
        {"an offset at the end with a byte", 1024, 1, Errc::bad_length},
        {"an empty entry beyond the end", 1025, 0, Errc::bad_length},
        {"offset 0", 0, 8, Errc::bad_length},
        {"the terminator", 24, 8, Errc::bad_length},
        {"the last byte of the header", 47, 8, Errc::bad_length},
    }));
    INFO(row.name);
    REQUIRE_ERRC(row.want, parse_cert_table(one_entry(row.offset, row.length)));
}

TEST_CASE("certificate table: an entry may fill all bytes after the header", "[quote][amd]") {
    const Bytes table = one_entry(48, 1024 - 48);
    const auto entries = parse_cert_table(table);
    REQUIRE_OK(entries);
    REQUIRE(entries->size() == 1);
    CHECK(entries->at(0).guid == forge::guid::kVcek);
    CHECK(entries->at(0).data.data() == table.data() + 48);
    CHECK(entries->at(0).data.size() == 976);
}

TEST_CASE("certificate table: empty and all-zero blobs are empty tables", "[quote][amd]") {
    CHECK(parse_cert_table({}).value().empty());
    CHECK(parse_cert_table(Bytes(1)).value().empty());
    CHECK(parse_cert_table(Bytes(4096)).value().empty());
}

TEST_CASE("certificate table: known entries once, unknown ones any number of times",
          "[quote][amd]") {
    const Bytes vcek{1}, other{2};
    REQUIRE_ERRC(Errc::bad_value, parse_cert_table(forge::certificate_table(
                                      {{forge::guid::kVcek, vcek}, {forge::guid::kVcek, other}})));
    const std::string_view google = "9f4116cd-c503-4f5a-8f6f-fb68882f4ce2";
    const Bytes table = forge::certificate_table({{google, vcek}, {google, other}});
    const auto entries = parse_cert_table(table);
    REQUIRE_OK(entries);
    CHECK(entries->at(1).kind == CertTableEntryKind::other);
    CHECK(entries->at(1).guid == google);
}

TEST_CASE("certificate table: every GUID stands for its kind", "[quote][amd]") {
    const Bytes table = forge::certificate_table({{forge::guid::kVcek, {1}},
                                                  {forge::guid::kVlek, {2}},
                                                  {forge::guid::kAsk, {3}},
                                                  {forge::guid::kArk, {4}},
                                                  {forge::guid::kCrl, {5}}});
    const auto entries = parse_cert_table(table);
    REQUIRE_OK(entries);
    using Kind = CertTableEntryKind;
    const std::vector<Kind> want{Kind::vcek, Kind::vlek, Kind::ask, Kind::ark, Kind::crl};
    REQUIRE(entries->size() == want.size());
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(entries->at(i).kind == want[i]);
}

TEST_CASE("certificate table: without terminator, with over 64 entries or 64 KiB it is refused",
          "[quote][amd]") {
    REQUIRE_ERRC(Errc::truncated, parse_cert_table(ByteView(one_entry(24, 0)).first(24)));
    REQUIRE_ERRC(Errc::truncated, parse_cert_table(ByteView(one_entry(48, 0)).first(47)));
    const std::string_view other = "9f4116cd-c503-4f5a-8f6f-fb68882f4ce2";
    std::vector<forge::TableEntry> entries(64, {other, {}});
    CHECK(parse_cert_table(forge::certificate_table(entries)).value().size() == 64);
    entries.push_back({other, {}});
    REQUIRE_ERRC(Errc::too_large, parse_cert_table(forge::certificate_table(entries)));
    REQUIRE_ERRC(Errc::too_large, parse_cert_table(Bytes(kMaxCertTableLen + 1)));
}

TEST_CASE("certificate table: no mutant of one reads beyond it", "[quote][amd]") {
    const Bytes table = forge::certificate_table(
        {{forge::guid::kVcek, Bytes(20, 1)}, {forge::guid::kAsk, Bytes(30, 2)}});
    std::size_t outside = 0, read = 0;
    const auto check = [&](ByteView mutant, std::size_t) {
        const auto entries = parse_cert_table(mutant);
        if (!entries) return;
        ++read;
        for (const CertTableEntry& entry : *entries) {
            outside += entry.data.data() < mutant.data() ||
                       entry.data.data() + entry.data.size() > mutant.data() + mutant.size();
        }
    };
    test::for_each_bit_flip(table, check);
    test::for_each_truncation(table, check);
    CHECK(read > 100);
    CHECK(outside == 0);
}

TEST_CASE("certificate table: recorded ones read, in DER and in PEM", "[quote][amd]") {
    NEED_VECTORS(dir, "snp/tsm");
    const Bytes genoa = test::load_file(dir / "genoa-auxblob.bin");
    CHECK(looks_like_cert_table(genoa));
    const auto entries = parse_cert_table(genoa);
    REQUIRE_OK(entries);
    CHECK(as_text(entries->at(0).data).find("-----BEGIN") == 0);
    for (const char* name : {"ext-report-aws.bin", "ext-report-gcp.bin"}) {
        const Bytes blob = test::load_file(dir / name);
        const auto table = parse_cert_table(ByteView(blob).subspan(1184));
        INFO(name);
        REQUIRE_OK(table);
        CHECK_FALSE(table->empty());
    }
}

}  // namespace
}  // namespace attestd
