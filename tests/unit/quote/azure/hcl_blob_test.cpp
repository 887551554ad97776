// The paravisor's blob (`spec/snp.md` section 13): each field in its place, each length against the
// real one, and every recorded blob.
#include "quote/azure/hcl_blob.h"

#include <nlohmann/json.hpp>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"

namespace attestd::hcl_blob_test {
namespace {

using forge::HclSpec;

HclSpec sound() {
    HclSpec spec;
    spec.hardware_report.assign(1184, 0x77);
    spec.runtime = forge::runtime_json({});
    return spec;
}

HclSpec sound_tdx() {
    HclSpec spec = sound();
    spec.version = 2;
    spec.report_type = 4;
    spec.hardware_report.assign(1024, 0x66);
    return spec;
}

}  // namespace

TEST_CASE("HCL blob: each field is read from its place", "[quote][azure]") {
    const HclSpec spec = GENERATE(0, 1) == 0 ? sound() : sound_tdx();
    const Bytes bytes = forge::hcl_blob(spec);
    const auto blob = parse_hcl_blob(bytes);
    REQUIRE_OK(blob);
    CHECK(looks_like_hcl_blob(bytes));
    CHECK(blob->version == spec.version);
    CHECK(blob->request_type == 2);
    CHECK(blob->data_version == 1);
    CHECK(static_cast<std::uint32_t>(blob->report_type) == spec.report_type);
    CHECK(blob->hash == HclHash::sha256);
    CHECK(equal(blob->hardware_report, spec.hardware_report));
    CHECK(as_text(blob->runtime_data) == spec.runtime);
    CHECK(blob->report_size == 0x4d4 + spec.runtime.size());
    CHECK(blob->padding == bytes.size() - blob->report_size);
}

TEST_CASE("HCL blob: what the header must not say is refused by name", "[quote][azure]") {
    struct Row {
        const char* name;
        void (*spoil)(HclSpec&);
        Errc want;
    };
    const auto row = GENERATE(values<Row>({
        {"version 0", [](HclSpec& s) { s.version = 0; }, Errc::unsupported_version},
        {"version 3", [](HclSpec& s) { s.version = 3; }, Errc::unsupported_version},
        {"request type 1", [](HclSpec& s) { s.request_type = 1; }, Errc::unsupported_type},
        {"status 1", [](HclSpec& s) { s.status = 1; }, Errc::bad_value},
        {"data version 2", [](HclSpec& s) { s.data_version = 2; }, Errc::unsupported_version},
        {"report type 0", [](HclSpec& s) { s.report_type = 0; }, Errc::unsupported_type},
        {"report type 3 (VBS)", [](HclSpec& s) { s.report_type = 3; }, Errc::unsupported_type},
        {"hash type 0", [](HclSpec& s) { s.hash = 0; }, Errc::unsupported_type},
        {"hash type 4", [](HclSpec& s) { s.hash = 4; }, Errc::unsupported_type},
        {"report_size one less", [](HclSpec& s) { s.report_size = 0x4d3 + s.runtime.size(); },
         Errc::bad_length},
        {"report_size one more", [](HclSpec& s) { s.report_size = 0x4d5 + s.runtime.size(); },
         Errc::bad_length},
        {"report_size 0", [](HclSpec& s) { s.report_size = 0; }, Errc::bad_length},
        {"data_size 0", [](HclSpec& s) { s.data_size = 0; }, Errc::bad_length},
        {"data_size without its header", [](HclSpec& s) { s.data_size = s.runtime.size(); },
         Errc::bad_length},
        {"variable_data_size 0", [](HclSpec& s) { s.variable_data_size = 0; }, Errc::bad_length},
        {"variable_data_size of 4 GiB less one",
         [](HclSpec& s) { s.variable_data_size = 0xffffffff; }, Errc::bad_length},
        {"sizes that agree and wrap around 32 bits",
         [](HclSpec& s) {
             s.variable_data_size = 0xfffffff0;
             s.data_size = 4;
             s.report_size = 0x4c4;
         },
         Errc::bad_length},
        {"sizes that agree and reach past the end",
         [](HclSpec& s) {
             s.variable_data_size = 2000;
             s.data_size = 2020;
             s.report_size = 0x4c0 + 2020;
         },
         Errc::truncated},
        {"a TDREPORT with a byte behind it",
         [](HclSpec& s) {
             s.report_type = 4;
             s.hardware_report.assign(1025, 1);
         },
         Errc::reserved_not_zero},
        {"an SNP report called a TDREPORT", [](HclSpec& s) { s.report_type = 4; },
         Errc::reserved_not_zero},
        {"over the longest", [](HclSpec& s) { s.blob_len = 16385; }, Errc::too_large},
    }));
    INFO(row.name);
    HclSpec spec = sound();
    row.spoil(spec);
    REQUIRE_ERRC(row.want, parse_hcl_blob(forge::hcl_blob(spec)));
}

TEST_CASE("HCL blob: reserved bytes and the padding are zero", "[quote][azure]") {
    const Bytes bytes = forge::hcl_blob(sound());
    for (std::size_t at = 0x14; at < 0x20; ++at) {
        Bytes mutant = bytes;
        mutant[at] = 1;
        REQUIRE_ERRC(Errc::reserved_not_zero, parse_hcl_blob(mutant));
    }
    for (const std::size_t at : {0x4d4 + sound().runtime.size(), bytes.size() - 1}) {
        Bytes mutant = bytes;
        mutant[at] = 1;
        REQUIRE_ERRC(Errc::reserved_not_zero, parse_hcl_blob(mutant));
    }
}

TEST_CASE("HCL blob: no mutation leads past the end, no flip outside report and data passes",
          "[quote][azure]") {
    const Bytes bytes = forge::hcl_blob(sound_tdx());
    const test::ByteRange report{0x20, 1024}, data{0x4d4, sound_tdx().runtime.size()};
    std::size_t wrong = 0;
    test::for_each_bit_flip(bytes, [&](ByteView mutant, std::size_t bit) {
        // A hash type of 3 (SHA-512) is one bit away from 1: the binding will not hold.
        const bool may_parse =
            report.contains(bit / 8) || data.contains(bit / 8) || bit == 0x4cc * 8 + 1;
        wrong += parse_hcl_blob(mutant).has_value() == may_parse ? 0 : 1;
    });
    CHECK(wrong == 0);
    const std::size_t used = 0x4d4 + sound_tdx().runtime.size();
    test::for_each_truncation(bytes, [&](ByteView mutant, std::size_t len) {
        wrong += parse_hcl_blob(mutant).has_value() == (len >= used) ? 0 : 1;
    });
    CHECK(wrong == 0);
}

TEST_CASE("HCL blob: REPORT_DATA is the hash that the blob names, then zeros", "[quote][azure]") {
    const std::uint32_t hash = GENERATE(1U, 2U, 3U);
    HclSpec spec = sound();
    spec.hash = hash;
    const Bytes bytes = forge::hcl_blob(spec);
    CHECK(parse_hcl_blob(bytes)->bound_report_data() ==
          forge::bound_report_data(spec.runtime, hash));
}

TEST_CASE("HCL blob: every recorded blob reads as recorded", "[quote][azure]") {
    NEED_VECTORS(dir, "snp/hcl");
    std::size_t compared = 0;
    for (const auto& folder : std::filesystem::directory_iterator(dir)) {
        INFO(folder.path());
        const auto want = nlohmann::json::parse(test::load_text(folder.path() / "expected.json"));
        const Bytes bytes = test::load_file(folder.path() / "hcl.bin");
        const auto blob = parse_hcl_blob(bytes);
        REQUIRE_OK(blob);
        CHECK(blob->version == want["hcl_version"].get<std::uint32_t>());
        CHECK(blob->report_size == want["report_size"].get<std::uint32_t>());
        CHECK(blob->request_type == want["request_type"].get<std::uint32_t>());
        CHECK(blob->data_size == want["data_size"].get<std::uint32_t>());
        CHECK(blob->data_version == want["data_version"].get<std::uint32_t>());
        CHECK(static_cast<std::uint32_t>(blob->report_type) ==
              want["report_type"].get<std::uint32_t>());
        CHECK(static_cast<std::uint32_t>(blob->hash) == want["hash_type"].get<std::uint32_t>());
        CHECK(blob->runtime_data.size() == want["variable_data_size"].get<std::size_t>());
        CHECK(to_hex(sha256(blob->runtime_data)) == want["var_data_sha256"].get<std::string>());
        const std::size_t at = blob->report_type == HclReportType::snp ? 0x50 : 0x80;
        CHECK(equal(blob->hardware_report.subspan(at, 64), blob->bound_report_data()) ==
              want["binding_ok"].get<bool>());
        ++compared;
    }
    CHECK(compared == 6);
}

}  // namespace attestd::hcl_blob_test
