// What was forged, read by the product's own parsers: two writers of the formats that agree.
#include "quote/amd/cert_table.h"
#include "quote/amd/leaf_extension.h"
#include "quote/amd/snp_report.h"
#include "quote/intel/pck_extension.h"
#include "quote/intel/quote.h"
#include "quote/x509/certificate.h"
#include "quote/x509/crl.h"
#include "tests/support/catch.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::parser_test {
namespace {

const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

const forge::IntelHierarchy& intel() {
    static const forge::IntelHierarchy made(forge::shared_intel_keys(),
                                            forge::IntelValidity::around(kNow));
    return made;
}

forge::AmdHierarchy amd(forge::Product product) {
    return {product, forge::shared_amd_keys(), forge::AmdValidity::around(kNow)};
}

TEST_CASE("forged quotes of every kind parse, zero padding apart", "[forge][quote]") {
    struct Row {
        forge::QuoteSpec spec;
        const char* format;
    };
    const Row row =
        GENERATE(values<Row>({{forge::sgx_v3(), "sgx-quote-v3"},
                              {forge::sgx_v4(), "sgx-quote-v4"},
                              {forge::sgx_v5(), "sgx-quote-v5"},
                              {forge::tdx_v4(), "tdx-quote-v4"},
                              {forge::tdx_v5(forge::BodyType::td10), "tdx-quote-v5"},
                              {forge::tdx_v5(forge::BodyType::td15), "tdx-quote-v5"},
                              {forge::tdx_v5(forge::BodyType::td15ex), "tdx-quote-v5"}}));
    forge::QuoteParts parts = forge::make_parts(row.spec, intel(), intel().pck({}));
    const std::size_t len = forge::assemble(parts).size();
    parts.padding.assign(70, 0);
    const Bytes quote = forge::assemble(parts);
    const auto parsed = parse_intel_quote(quote);
    REQUIRE_OK(parsed);
    CHECK(parsed->quote.format() == row.format);
    CHECK(parsed->consumed == len);
    CHECK(equal(parsed->signed_part, parts.signed_part));
    CHECK(parsed->cert_data_type == 5);
    CHECK(parsed->qe_report.isv_svn == 4);
}

TEST_CASE("a forged TD body's fields are read back", "[forge][quote]") {
    forge::TdBody body;
    body.report_data.fill(0x5a);
    body.mrservicetd.fill(0x5b);
    body.vmid = 2;
    forge::QuoteSpec spec = forge::tdx_v5(forge::BodyType::td15ex);
    spec.body = body;
    const Bytes quote = forge::forge_quote(spec, intel(), intel().pck({}));
    const auto parsed = parse_intel_quote(quote);
    REQUIRE_OK(parsed);
    const auto& td = std::get<TdReport>(parsed->quote.body);
    CHECK(td.report_data == body.report_data);
    CHECK(td.mr_td == body.mrtd);
    CHECK(td.rtmr == body.rtmr);
    CHECK(td.mr_service_td == body.mrservicetd);
    REQUIRE(td.ex);
    CHECK(td.ex->vm_id == 2);
    CHECK(td.ex->init_cpu_svn == body.init_cpusvn);
}

TEST_CASE("a forged PCK certificate's SGX extension is read back", "[forge][quote]") {
    forge::PckFields fields;
    fields.components[4] = 0xff;
    fields.pcesvn = 0x1234;
    const auto certificate = Certificate::parse(intel().pck(fields));
    REQUIRE_OK(certificate);
    const auto extension = parse_pck_extension(*certificate);
    REQUIRE_OK(extension);
    REQUIRE(*extension);
    CHECK((*extension)->ppid == fields.ppid);
    CHECK((*extension)->tcb_components == fields.components);
    CHECK((*extension)->pce_svn == fields.pcesvn);
    CHECK((*extension)->fmspc == fields.fmspc);
    CHECK((*extension)->platform_instance_id == fields.platform_instance_id);
    CHECK((*extension)->smt_enabled == true);
}

TEST_CASE("forged reports of every version and product parse", "[forge][quote]") {
    const auto product =
        GENERATE(forge::Product::milan, forge::Product::genoa, forge::Product::turin);
    const std::uint32_t version = GENERATE(2U, 3U, 5U);
    forge::SnpFields fields = forge::snp_fields(product, version);
    fields.host_data.fill(0x77);
    const Bytes report = forge::forge_report(fields, amd(product).keys().vcek);
    const auto parsed = parse_snp_report(report);
    REQUIRE_OK(parsed);
    CHECK(parsed->report.version == version);
    CHECK(parsed->report.measurement == fields.measurement);
    CHECK(parsed->report.host_data == fields.host_data);
    CHECK(parsed->report.reported_tcb == fields.reported_tcb);
    CHECK(parsed->report.chip_id == fields.chip_id);
    CHECK(parsed->report.current_version == SnpVersion{1, 55, 29});
    CHECK(parsed->report.names_product() == (version >= 3));
    CHECK(parsed->report.cpuid_family == (version >= 3 ? fields.cpuid_family : 0));
    CHECK(parsed->report.current_mit_vector == (version >= 5 ? 0x3fU : 0U));
    CHECK_FALSE(parsed->signature_zero);
}

TEST_CASE("a forged VCEK's extensions are read back", "[forge][quote]") {
    const auto product =
        GENERATE(forge::Product::milan, forge::Product::genoa, forge::Product::turin);
    const forge::SnpTcb tcb = forge::SnpTcb::typical(product);
    const ByteArray<64> chip_id = forge::default_chip_id(product);
    const auto certificate = Certificate::parse(amd(product).vcek(chip_id, tcb));
    REQUIRE_OK(certificate);
    const auto leaf = parse_amd_leaf_extension(*certificate);
    REQUIRE_OK(leaf);
    REQUIRE(*leaf);
    CHECK((*leaf)->is_vcek());
    CHECK(equal((*leaf)->hw_id, ByteView(chip_id).first(forge::hwid_len(product))));
}

TEST_CASE("forged authorities and revocation lists parse", "[forge][quote]") {
    const forge::AmdHierarchy milan = amd(forge::Product::milan);
    for (const Bytes& der : {milan.ark(), milan.ask(), intel().root, intel().pck_ca}) {
        REQUIRE_OK(Certificate::parse(der));
    }
    const Window month{kNow, kNow + std::chrono::days(30)};
    REQUIRE_OK(Crl::parse(milan.crl(month, {{milan.ask_spec().serial, kNow}})));
    REQUIRE_OK(Crl::parse(forge::issue(intel().root_crl_spec(month), intel().root_issuer())));
}

TEST_CASE("a forged certificate table is read back", "[forge][quote]") {
    const Bytes vcek{1, 2, 3}, ask{4, 5};
    const Bytes table =
        forge::certificate_table({{forge::guid::kVcek, vcek}, {forge::guid::kAsk, ask}}, 4096);
    const auto entries = parse_cert_table(table);
    REQUIRE_OK(entries);
    REQUIRE(entries->size() == 2);
    CHECK(entries->at(0).kind == CertTableEntryKind::vcek);
    CHECK(equal(entries->at(1).data, ask));
}

}  // namespace
}  // namespace attestd::parser_test
