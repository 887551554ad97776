// SNP reports: length, reserved ranges by version, enumerations (`spec/snp.md` sections 1 to 5).
#include "quote/amd/snp_report.h"

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/report_forge.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"

namespace attestd {
namespace {

using test::ByteRange;

// Filled where the format allows it. Nothing here is signed: parsing does not ask.
Bytes sound(std::uint32_t version) {
    forge::SnpFields fields = forge::snp_fields(forge::Product::milan, version);
    fields.host_data.fill(0x55);
    Bytes report = forge::report_bytes(fields);
    for (std::size_t i = 0; i < 48; ++i)
        report[0x2a0 + i] = report[0x2a0 + 72 + i] = static_cast<std::uint8_t>(i + 1);
    return report;
}

std::vector<ByteRange> reserved(std::uint32_t version) {
    std::vector<ByteRange> out{
        {0x4c, 4},         {0x1eb, 1}, {0x1ef, 1}, {0x2a0 + 48, 24}, {0x2a0 + 72 + 48, 24},
        {0x2a0 + 144, 368}};
    out.push_back(version == 2 ? ByteRange{0x188, 24} : ByteRange{0x18b, 21});
    out.push_back(version == 5 ? ByteRange{0x208, 152} : ByteRange{0x1f8, 168});
    return out;
}

bool in(const std::vector<ByteRange>& ranges, std::size_t byte) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const ByteRange& r) { return r.contains(byte); });
}

TEST_CASE("SNP report: each reserved bit of each version is refused, each other one is read",
          "[quote][snp]") {
    const std::uint32_t version = GENERATE(2U, 3U, 4U, 5U);
    const Bytes report = sound(version);
    REQUIRE_OK(parse_snp_report(report));
    const auto ranges = reserved(version);
    // Judged by value: VERSION, POLICY, VMPL, SIGNATURE_ALGO, key information.
    const std::vector<ByteRange> judged{{0, 4}, {8, 8}, {0x30, 8}, {0x48, 4}};
    std::vector<std::size_t> wrong;
    test::for_each_bit_flip(report, [&](ByteView mutant, std::size_t bit) {
        if (in(judged, bit / 8)) return;
        const auto parsed = parse_snp_report(mutant);
        const bool good = in(ranges, bit / 8)
                              ? !parsed && parsed.error().code == Errc::reserved_not_zero
                              : parsed.has_value();
        if (!good) wrong.push_back(bit);
    });
    INFO("version " << version);
    CHECK(wrong == std::vector<std::size_t>{});
}

TEST_CASE("SNP report: only 1184 bytes are one", "[quote][snp]") {
    const Bytes report = sound(3);
    std::size_t other = 0;
    const auto check = [&](ByteView mutant, std::size_t) {
        const auto parsed = parse_snp_report(mutant);
        other += !parsed && parsed.error().code == Errc::bad_length ? 0 : 1;
    };
    test::for_each_truncation(report, check);
    test::for_each_extra_byte(report, check);
    CHECK(other == 0);
}

TEST_CASE("SNP report: each defect has its own error and names its offset", "[quote][snp]") {
    struct Row {
        const char* name;
        std::size_t at;
        std::uint8_t value;
        Errc want;
        const char* where;
    };
    const Row row = GENERATE(values<Row>({
        {"version 0", 0, 0, Errc::unsupported_version, "byte 0x000"},
        {"version 1", 0, 1, Errc::unsupported_version, "byte 0x000"},
        {"version 6", 0, 6, Errc::unsupported_version, "byte 0x000"},
        {"version 2^24 + 3", 3, 1, Errc::unsupported_version, "byte 0x000"},
        {"policy bit 17 clear", 0x0a, 0x01, Errc::bad_value, "byte 0x008"},
        {"policy bit 26", 0x0b, 0x04, Errc::bad_value, "byte 0x008"},
        {"policy bit 63", 0x0f, 0x80, Errc::bad_value, "byte 0x008"},
        {"VMPL 4", 0x30, 4, Errc::bad_value, "byte 0x030"},
        {"VMPL of the host", 0x33, 0xff, Errc::bad_value, "byte 0x030"},
        {"signature algorithm 0", 0x34, 0, Errc::unsupported_type, "byte 0x034"},
        {"signature algorithm 2", 0x34, 2, Errc::unsupported_type, "byte 0x034"},
        {"key information bit 5", 0x48, 0x20, Errc::reserved_not_zero, "byte 0x048"},
        {"key information bit 31", 0x4b, 0x80, Errc::reserved_not_zero, "byte 0x048"},
        {"signing key 2", 0x48, 2 << 2, Errc::unsupported_type, "byte 0x048"},
        {"signing key 6", 0x48, 6 << 2, Errc::unsupported_type, "byte 0x048"},
    }));
    INFO(row.name);
    Bytes report = sound(3);
    report[row.at] = row.value;
    const auto parsed = parse_snp_report(report);
    REQUIRE_ERRC(row.want, parsed);
    CHECK(parsed.error().detail.find(row.where) != std::string::npos);
}

TEST_CASE("SNP report: a reserved byte is named by its offset", "[quote][snp]") {
    Bytes report = sound(3);
    report[0x200] = 1;
    CHECK(parse_snp_report(report).error().detail.find("at byte 512") != std::string::npos);
}

TEST_CASE("SNP report: policy bits that AWS and others set today are read", "[quote][snp]") {
    Bytes report = sound(3);
    report[0x0b] = 0x02;
    const auto parsed = parse_snp_report(report);
    REQUIRE_OK(parsed);
    CHECK(parsed->report.policy.page_swap_disable());
    CHECK_FALSE(parsed->report.policy.debug());
    CHECK(parsed->report.policy.smt());
}

TEST_CASE("SNP report: each policy bit has its name", "[quote][snp]") {
    const auto with = [](unsigned bit) { return SnpGuestPolicy{std::uint64_t{1} << bit}; };
    CHECK(with(16).smt());
    CHECK(with(18).migrate_ma());
    CHECK(with(19).debug());
    CHECK(with(20).single_socket());
    CHECK(with(21).cxl_allow());
    CHECK(with(22).mem_aes_256_xts());
    CHECK(with(23).rapl_dis());
    CHECK(with(24).ciphertext_hiding_dram());
    CHECK(with(25).page_swap_disable());
    CHECK(SnpGuestPolicy{0x3021f}.abi_minor() == 0x1f);
    CHECK(SnpGuestPolicy{0x3021f}.abi_major() == 0x02);
}

TEST_CASE("SNP report: unknown platform information is read, not judged", "[quote][snp]") {
    Bytes report = sound(5);
    std::fill_n(report.begin() + 0x40, 8, std::uint8_t{0xff});
    CHECK(parse_snp_report(report).value().report.platform_info == ~std::uint64_t{0});
}

TEST_CASE("SNP report: key information is taken apart", "[quote][snp]") {
    Bytes report = sound(3);
    report[0x48] = 1 | 2 | 7 << 2;
    const auto parsed = parse_snp_report(report);
    REQUIRE_OK(parsed);
    CHECK(parsed->report.author_key_en);
    CHECK(parsed->report.mask_chip_key);
    CHECK(parsed->report.signing_key == SnpSigningKey::none);
    report[0x48] = 1 << 2;
    CHECK(parse_snp_report(report).value().report.signing_key == SnpSigningKey::vlek);
}

TEST_CASE("SNP report: version 2 names no product, later ones by family and model",
          "[quote][snp]") {
    CHECK_FALSE(parse_snp_report(sound(2)).value().report.product);
    CHECK(parse_snp_report(sound(3)).value().report.product == Product::milan);
    Bytes bergamo = sound(3);
    bergamo[0x189] = 0xa0;
    CHECK(parse_snp_report(bergamo).value().report.product == Product::genoa);
    bergamo[0x188] = 0x1b;
    CHECK_FALSE(parse_snp_report(bergamo).value().report.product);
}

TEST_CASE("SNP report: r and s are turned around, and a signature of zeros is seen",
          "[quote][snp]") {
    Bytes report = sound(3);
    const auto parsed = parse_snp_report(report);
    REQUIRE_OK(parsed);
    CHECK(parsed->r.front() == 48);
    CHECK(parsed->s.back() == 1);
    CHECK_FALSE(parsed->signature_zero);
    std::fill(report.begin() + 0x2a0, report.end(), std::uint8_t{0});
    CHECK(parse_snp_report(report).value().signature_zero);
}

TEST_CASE("SNP report: recorded oddities", "[quote][snp]") {
    NEED_VECTORS(dir, "snp/parse");
    REQUIRE_ERRC(Errc::unsupported_version, parse_snp_report(test::load_file(dir / "fake-v1.bin")));
    CHECK(parse_snp_report(test::load_file(dir / "milan-v2-vlek.bin")).value().report.signing_key ==
          SnpSigningKey::vlek);
    CHECK(parse_snp_report(test::load_file(dir / "milan-v2-vmpl2.bin")).value().report.vmpl == 2);
}

}  // namespace
}  // namespace attestd
