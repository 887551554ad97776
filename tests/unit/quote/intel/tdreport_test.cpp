// TDREPORT (`spec/tdx.md` section 2).
#include "quote/intel/tdreport.h"

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"

namespace attestd {
namespace {

using test::ByteRange;

void put(Bytes& report, std::size_t at, ByteView bytes) {
    std::copy(bytes.begin(), bytes.end(), report.begin() + static_cast<std::ptrdiff_t>(at));
}

void rehash(Bytes& report) {
    put(report, 32, sha384(ByteView(report).subspan(256, 239)));
    put(report, 80, sha384(ByteView(report).subspan(512, 512)));
}

// Every field filled with a value of its own.
Bytes sound() {
    Bytes report(1024);
    report[0] = 0x81;
    report[2] = 1;
    const auto fill = [&](std::size_t at, std::size_t len, std::uint8_t value) {
        put(report, at, Bytes(len, value));
    };
    fill(16, 16, 0x11);
    fill(128, 64, 0x12);
    fill(224, 32, 0x13);
    fill(264, 16, 0x21);
    fill(280, 48, 0x22);
    fill(328, 48, 0x23);
    fill(376, 8, 0x24);
    fill(384, 16, 0x25);
    fill(512, 8, 0x31);
    fill(520, 8, 0x32);
    for (std::uint8_t i = 0; i < 8; ++i)
        fill(528 + 48u * i, 48, static_cast<std::uint8_t>(0x40 + i));
    fill(912, 48, 0x50);
    fill(960, 32, 0x51);
    report[1016] = 2;
    report[1020] = 1;
    report[1021] = 3;
    rehash(report);
    return report;
}

TEST_CASE("TDREPORT: each field is read from its place", "[quote][intel]") {
    const auto report = parse_tdreport(sound());
    REQUIRE_OK(report);
    const auto first = [](const auto& field) { return to_hex(field).substr(0, 2); };
    CHECK(first(report->mac.cpu_svn) == "11");
    CHECK(first(report->mac.report_data) == "12");
    CHECK(first(report->mac.mac) == "13");
    CHECK(first(report->tcb_info.tee_tcb_svn) == "21");
    CHECK(first(report->tcb_info.mr_seam) == "22");
    CHECK(first(report->tcb_info.mr_signer_seam) == "23");
    CHECK(first(report->tcb_info.seam_attributes) == "24");
    CHECK(first(report->tcb_info.tee_tcb_svn2) == "25");
    CHECK(first(report->td_info.td_attributes) == "31");
    CHECK(first(report->td_info.xfam) == "32");
    CHECK(first(report->td_info.mr_td) == "40");
    CHECK(first(report->td_info.mr_owner_config) == "43");
    CHECK(first(report->td_info.rtmr[0]) == "44");
    CHECK(first(report->td_info.rtmr[3]) == "47");
    CHECK(first(report->td_info.mr_service_td) == "50");
    CHECK(first(report->td_info.td_id) == "51");
    CHECK(report->td_info.vm_id == 2);
    CHECK(report->td_info.valid == 0x301);
}

TEST_CASE("TDREPORT: each defect has its own error", "[quote][intel]") {
    struct Row {
        const char* name;
        void (*spoil)(Bytes&);
        Errc want;
    };
    const Row row = GENERATE(values<Row>({
        {"empty", [](Bytes& r) { r.clear(); }, Errc::bad_length},
        {"one byte short", [](Bytes& r) { r.pop_back(); }, Errc::bad_length},
        {"one byte more", [](Bytes& r) { r.push_back(0); }, Errc::bad_length},
        {"of an enclave", [](Bytes& r) { r[0] = 0; }, Errc::unsupported_type},
        {"subtype 1", [](Bytes& r) { r[1] = 1; }, Errc::unsupported_version},
        {"version 2", [](Bytes& r) { r[2] = 2; }, Errc::unsupported_version},
        {"first reserved byte", [](Bytes& r) { r[3] = 1; }, Errc::reserved_not_zero},
        {"reserved bytes before CPUSVN", [](Bytes& r) { r[15] = 1; }, Errc::reserved_not_zero},
        {"reserved bytes after REPORTDATA", [](Bytes& r) { r[192] = 1; }, Errc::reserved_not_zero},
        {"reserved end of TEE_TCB_INFO",
         [](Bytes& r) {
             r[400] = 1;
             rehash(r);
         },
         Errc::reserved_not_zero},
        {"the gap after TEE_TCB_INFO", [](Bytes& r) { r[511] = 1; }, Errc::reserved_not_zero},
        {"reserved middle of TDINFO",
         [](Bytes& r) {
             r[992] = 1;
             rehash(r);
         },
         Errc::reserved_not_zero},
        {"reserved after VMID",
         [](Bytes& r) {
             r[1017] = 1;
             rehash(r);
         },
         Errc::reserved_not_zero},
        {"MRSERVICETD in version 0", [](Bytes& r) { r[2] = 0; }, Errc::reserved_not_zero},
        {"another MRSEAM", [](Bytes& r) { r[280] ^= 1; }, Errc::bad_value},
        {"another RTMR", [](Bytes& r) { r[720] ^= 1; }, Errc::bad_value},
        {"another TEE_TCB_INFO_HASH", [](Bytes& r) { r[32] ^= 1; }, Errc::bad_value},
        {"another TEE_INFO_HASH", [](Bytes& r) { r[127] ^= 1; }, Errc::bad_value},
    }));
    INFO(row.name);
    Bytes report = sound();
    row.spoil(report);
    REQUIRE_ERRC(row.want, parse_tdreport(report));
}

TEST_CASE("TDREPORT: version 0 without service TD is read", "[quote][intel]") {
    Bytes report = sound();
    report[2] = 0;
    put(report, 912, Bytes(48));
    rehash(report);
    REQUIRE_OK(parse_tdreport(report));
}

// Only these are covered by the MAC alone, which none but the CPU can check.
TEST_CASE("TDREPORT: a flipped bit is refused but in CPUSVN, REPORTDATA and MAC",
          "[quote][intel]") {
    const Bytes report = sound();
    std::vector<std::size_t> wrong;
    test::for_each_bit_flip(report, [&](ByteView mutant, std::size_t bit) {
        const std::size_t at = bit / 8;
        const bool mac_only = ByteRange{16, 16}.contains(at) || ByteRange{128, 64}.contains(at) ||
                              ByteRange{224, 32}.contains(at);
        if (parse_tdreport(mutant).has_value() != mac_only) wrong.push_back(bit);
    });
    CHECK(wrong == std::vector<std::size_t>{});
}

TEST_CASE("TDREPORT: the recorded one parses, the one of random filler does not",
          "[quote][intel]") {
    NEED_VECTORS(dir, "tdx/parse");
    const auto report = parse_tdreport(test::load_file(dir / "tdreport-1.bin"));
    REQUIRE_OK(report);
    CHECK(report->mac.version == 1);
    CHECK(report->tcb_info.valid == 0x301ff);
    CHECK(to_hex(report->td_info.td_attributes) == "0000001000000000");
    CHECK(to_hex(report->td_info.xfam) == "e742060000000000");
    CHECK_FALSE(all_zero(report->td_info.mr_service_td));
    REQUIRE_ERRC(Errc::unsupported_type, parse_tdreport(test::load_file(dir / "tdreport-2.bin")));
}

}  // namespace
}  // namespace attestd
