// Forged AMD certificates and SNP reports, checked by OpenSSL and against the specification's
// offsets.
#include <openssl/x509v3.h>

#include <algorithm>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/amd_forge.h"
#include "tests/support/forge/report_forge.h"
#include "tests/unit/forge/openssl_reader.h"

namespace attestd::amd_forge_test {
using namespace attestd::forge;
using namespace attestd::test;
namespace {

const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

AmdHierarchy hierarchy(Product product) {
    return {product, shared_amd_keys(), AmdValidity::around(kNow)};
}

Bytes default_vcek(const AmdHierarchy& amd) {
    return amd.vcek(default_chip_id(amd.product()), SnpTcb::typical(amd.product()));
}

TEST_CASE("AMD forge: a VCEK chain of each product verifies with OpenSSL", "[forge]") {
    const AmdHierarchy amd = hierarchy(GENERATE(Product::milan, Product::genoa, Product::turin));
    CHECK(verify_chain({default_vcek(amd), {amd.ask()}, amd.ark(), {}, kNow}) == "ok");
}

TEST_CASE("AMD forge: a VLEK chain verifies with OpenSSL, and not under the ASK", "[forge]") {
    const AmdHierarchy amd = hierarchy(Product::milan);
    const Bytes vlek = amd.vlek("CN=cc-us-east-2.amazonaws.com", SnpTcb::typical(Product::milan));
    CHECK(verify_chain({vlek, {amd.asvk()}, amd.ark(), {}, kNow}) == "ok");
    CHECK(verify_chain({vlek, {amd.ask()}, amd.ark(), {}, kNow}) != "ok");
}

TEST_CASE("AMD forge: certificates have the sizes and quirks of the genuine ones", "[forge]") {
    const AmdHierarchy amd = hierarchy(Product::milan);
    const Bytes ark = amd.ark(), ask = amd.ask(), vcek = default_vcek(amd);
    CHECK(ark.size() == 1639);
    CHECK(ask.size() == 1677);
    CHECK(vcek.size() == 1351);
    CHECK(default_vcek(hierarchy(Product::turin)).size() == 1289);
    const X509Ptr leaf = read_certificate(vcek);
    REQUIRE(leaf);
    CHECK(ASN1_INTEGER_get(X509_get0_serialNumber(leaf.get())) == 0);
    CHECK(X509_get_ext_by_NID(leaf.get(), NID_basic_constraints, -1) < 0);
    CHECK(X509_get_ext_by_NID(leaf.get(), NID_key_usage, -1) < 0);
    CHECK(subject_part(leaf.get(), NID_commonName) == "SEV-VCEK");
    CHECK(subject_part(leaf.get(), NID_organizationalUnitName) == "Engineering");
    const X509Ptr root = read_certificate(ark);
    REQUIRE(root);
    CHECK(ASN1_INTEGER_get(X509_get0_serialNumber(root.get())) == 0x10000);
}

TEST_CASE("AMD forge: signatures are PSS with a salt of 48 bytes", "[forge]") {
    const X509Ptr leaf = read_certificate(default_vcek(hierarchy(Product::genoa)));
    REQUIRE(leaf);
    int digest = 0, bits = 0;
    std::uint32_t flags = 0;
    REQUIRE(X509_get_signature_info(leaf.get(), &digest, nullptr, &bits, &flags) == 1);
    CHECK(digest == NID_sha384);
    CHECK(X509_get_signature_nid(leaf.get()) == NID_rsassaPss);
}

TEST_CASE("AMD forge: the ARK's revocation list takes the ASK away", "[forge]") {
    const AmdHierarchy amd = hierarchy(Product::milan);
    const Window year{kNow - std::chrono::hours(1), kNow + std::chrono::days(365)};
    // OpenSSL wants a list of every issuer; the ASK issues none, so only the ASK itself is asked
    // about.
    ChainCheck chain{amd.ask(), {}, amd.ark(), {amd.crl(year)}, kNow};
    CHECK(verify_chain(chain) == "ok");
    chain.crls = {amd.crl(year, {{amd.ask_spec().serial, kNow, {}}})};
    CHECK(verify_chain(chain) == "certificate revoked");
}

TEST_CASE("report forge: each product's report verifies under its VCEK", "[forge]") {
    const Product product = GENERATE(Product::milan, Product::genoa, Product::turin);
    const std::uint32_t version = GENERATE(2U, 3U, 5U);
    const AmdHierarchy amd = hierarchy(product);
    const Bytes report = forge_report(snp_fields(product, version), amd.keys().vcek);
    REQUIRE(report.size() == kReportLen);
    Bytes r(report.begin() + 0x2a0, report.begin() + 0x2a0 + 48);
    Bytes s(report.begin() + 0x2e8, report.begin() + 0x2e8 + 48);
    std::reverse(r.begin(), r.end());
    std::reverse(s.begin(), s.end());
    const ByteView body = ByteView(report).first(kReportSignedLen);
    CHECK(verifies(default_vcek(amd), EVP_sha384(), body, der_signature(r, s)));
    CHECK(all_zero(ByteView(report).subspan(0x2d0, 24)));
    CHECK(all_zero(ByteView(report).subspan(0x318)));
}

TEST_CASE("report forge: fields stand at the offsets of the specification", "[forge]") {
    SnpFields fields = snp_fields(Product::turin, 5);
    fields.report_data.fill(0xd1);
    fields.measurement.fill(0xd2);
    fields.chip_id.fill(0xd3);
    fields.current_version = {1, 2, 3};
    fields.committed_version = {4, 5, 6};
    fields.launch_mit_vector = 0x0102030405060708;
    fields.set_signing_key(ReportKey::vlek);
    const Bytes report = report_bytes(fields);
    const auto at = [&](std::size_t offset, std::size_t len) {
        return to_hex(ByteView(report).subspan(offset, len));
    };
    CHECK(at(0x000, 4) == "05000000");
    CHECK(at(0x008, 8) == "0000030000000000");
    CHECK(at(0x034, 4) == "01000000");
    CHECK(at(0x048, 4) == "04000000");
    CHECK(at(0x050, 64) == to_hex(fields.report_data));
    CHECK(at(0x090, 48) == to_hex(fields.measurement));
    CHECK(at(0x160, 32) == std::string(64, 'f'));
    CHECK(at(0x180, 8) == "0101010400000051");
    CHECK(at(0x188, 3) == "1a0201");
    CHECK(at(0x1a0, 64) == to_hex(fields.chip_id));
    CHECK(at(0x1e0, 8) == "0101010400000051");
    CHECK(at(0x1e8, 8) == "0102030004050600");
    CHECK(at(0x1f0, 8) == "0101010400000051");
    CHECK(at(0x1f8, 8) == "0807060504030201");
    CHECK(all_zero(ByteView(report).subspan(0x208)));
}

TEST_CASE("report forge: a version 2 report says neither CPUID nor mitigations", "[forge]") {
    const Bytes report = report_bytes(snp_fields(Product::milan, 2));
    CHECK(all_zero(ByteView(report).subspan(0x188, 0x18)));
    CHECK(all_zero(ByteView(report).subspan(0x1f8)));
}

TEST_CASE("report forge: TCB bytes go there and back in both layouts", "[forge]") {
    const Product product = GENERATE(Product::milan, Product::genoa, Product::turin);
    const ByteArray<8> bytes = tcb_bytes(SnpTcb::typical(product), product);
    CHECK(tcb_bytes(tcb_from_bytes(bytes, product), product) == bytes);
}

TEST_CASE("report forge: a certificate table has its header, contents and padding", "[forge]") {
    const Bytes vcek{1, 2, 3}, ask{4, 5};
    const Bytes table = certificate_table({{guid::kVcek, vcek}, {guid::kAsk, ask}}, 100);
    REQUIRE(table.size() == 100);
    CHECK(to_hex(ByteView(table).first(24)) ==
          "63da758de6644564adc5f4b93be8accd"
          "4800000003000000");
    CHECK(to_hex(ByteView(table).subspan(24, 24)) ==
          "4ab7b379bbac4fe4a02f05aef327c782"
          "4b00000002000000");
    CHECK(all_zero(ByteView(table).subspan(48, 24)));
    CHECK(to_hex(ByteView(table).subspan(72, 5)) == "0102030405");
    CHECK(all_zero(ByteView(table).subspan(77)));
}

}  // namespace
}  // namespace attestd::amd_forge_test
