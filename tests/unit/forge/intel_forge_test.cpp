// Forged Intel certificates, revocation lists and documents, checked by OpenSSL.
#include <fcntl.h>
#include <openssl/x509v3.h>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/collateral_forge.h"
#include "tests/support/forge/intel_forge.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/forge/openssl_reader.h"

namespace attestd::intel_forge_test {
using namespace attestd::forge;
using namespace attestd::test;
namespace {

const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

const IntelHierarchy& hierarchy() {
    static const IntelHierarchy intel(shared_intel_keys(), IntelValidity::around(kNow));
    return intel;
}

ChainCheck pck_chain(const IntelHierarchy& intel, Bytes leaf) {
    return {std::move(leaf), {intel.pck_ca}, intel.root, {}, kNow};
}

TEST_CASE("Intel forge: a PCK chain of either CA verifies with OpenSSL", "[forge]") {
    const PckCa ca = GENERATE(PckCa::platform, PckCa::processor);
    const IntelHierarchy intel(shared_intel_keys(), IntelValidity::around(kNow), ca);
    const Bytes leaf = intel.pck(ca == PckCa::platform ? PckFields{} : processor_fields());
    CHECK(verify_chain(pck_chain(intel, leaf)) == "ok");
    CHECK(verify_chain({intel.tcb_signing, {}, intel.root, {}, kNow}) == "ok");
}

TEST_CASE("Intel forge: the root is shaped like the genuine one", "[forge]") {
    const X509Ptr root = read_certificate(hierarchy().root);
    REQUIRE(root);
    CHECK(subject_part(root.get(), NID_commonName) == "Intel SGX Root CA");
    CHECK(subject_part(root.get(), NID_organizationName) == "Intel Corporation");
    CHECK(subject_part(root.get(), NID_localityName) == "Santa Clara");
    CHECK(subject_part(root.get(), NID_stateOrProvinceName) == "CA");
    CHECK(subject_part(root.get(), NID_countryName) == "US");
    CHECK(X509_get_pathlen(root.get()) == 1);
    CHECK(X509_get_key_usage(root.get()) == (KU_KEY_CERT_SIGN | KU_CRL_SIGN));
    for (const int nid : {NID_basic_constraints, NID_key_usage}) {
        const int at = X509_get_ext_by_NID(root.get(), nid, -1);
        REQUIRE(at >= 0);
        CHECK(X509_EXTENSION_get_critical(X509_get_ext(root.get(), at)) == 1);
    }
    CHECK(X509_check_ca(X509Ptr(read_certificate(hierarchy().tcb_signing)).get()) == 0);
}

TEST_CASE("Intel forge: revocation lists are read and obeyed by OpenSSL", "[forge]") {
    const IntelHierarchy& intel = hierarchy();
    const Window month{kNow - std::chrono::hours(1), kNow + std::chrono::days(30)};
    const CertificateSpec leaf = intel.pck_spec({});
    ChainCheck chain = pck_chain(intel, issue(leaf, intel.pck_issuer()));
    CrlSpec pck_crl = intel.pck_crl_spec(month);
    CrlSpec root_crl = intel.root_crl_spec(month);
    SECTION("nothing revoked") {
        chain.crls = {issue(pck_crl, intel.pck_issuer()), issue(root_crl, intel.root_issuer())};
        CHECK(verify_chain(chain) == "ok");
    }
    SECTION("leaf revoked") {
        pck_crl.revoked = {{leaf.serial, kNow}};
        chain.crls = {issue(pck_crl, intel.pck_issuer()), issue(root_crl, intel.root_issuer())};
        CHECK(verify_chain(chain) == "certificate revoked");
    }
    SECTION("intermediate revoked") {
        root_crl.revoked = {{intel.pck_ca_spec().serial, kNow}};
        chain.crls = {issue(pck_crl, intel.pck_issuer()), issue(root_crl, intel.root_issuer())};
        CHECK(verify_chain(chain) == "certificate revoked");
    }
    SECTION("expired") {
        chain.at = kNow + std::chrono::days(31);
        chain.crls = {issue(pck_crl, intel.pck_issuer()), issue(root_crl, intel.root_issuer())};
        CHECK(verify_chain(chain) == "CRL has expired");
    }
}

TEST_CASE("Intel forge: a changed spec gives the defect that was asked for", "[forge]") {
    const IntelHierarchy& intel = hierarchy();
    CertificateSpec leaf = intel.pck_spec({});
    SECTION("expired") {
        leaf.validity.until = kNow - std::chrono::days(1);
        CHECK(verify_chain(pck_chain(intel, issue(leaf, intel.pck_issuer()))) ==
              "certificate has expired");
    }
    SECTION("another key signs under the CA's name") {
        const Issuer impostor{intel.pck_issuer().name, intel.keys.attestation};
        CHECK(verify_chain(pck_chain(intel, issue(leaf, impostor))) ==
              "certificate signature failure");
    }
    SECTION("renamed") {
        common_name(leaf.subject) = "Somebody";
        const X509Ptr read = read_certificate(issue(leaf, intel.pck_issuer()));
        REQUIRE(read);
        CHECK(subject_part(read.get(), NID_commonName) == "Somebody");
    }
    SECTION("without its SGX extension") {
        const std::size_t before = leaf.extensions.size();
        remove_extension(leaf.extensions, kSgxExtensionOid);
        CHECK(leaf.extensions.size() == before - 1);
        CHECK(read_certificate(issue(leaf, intel.pck_issuer())));
    }
}

TEST_CASE("Intel forge: the SGX extension has 18 TCB pairs and seven or five outer ones",
          "[forge]") {
    CHECK(sgx_extension_pairs({}).size() == 7);
    CHECK(sgx_extension_pairs(processor_fields()).size() == 5);
    PckFields fields;
    fields.components[4] = 0xff;
    const std::string hex = to_hex(sgx_extension(sgx_extension_pairs(fields)).value);
    // Component 5 as a pair: its OID, then an INTEGER of two content bytes.
    CHECK(hex.find("060b2a864886f84d010d010205020200ff") != std::string::npos);
    CHECK(hex.find("060b2a864886f84d010d010211"
                   "02010d") != std::string::npos);  // PCESVN 13
    CHECK(hex.find("060a2a864886f84d010d0104"
                   "040670c06f000000") != std::string::npos);  // FMSPC
}

TEST_CASE("Intel forge: documents are signed over their exact bytes", "[forge]") {
    const IntelHierarchy& intel = hierarchy();
    const Window month{kNow - std::chrono::hours(1), kNow + std::chrono::days(30)};
    const Collateral collateral = sign_collateral(tdx_collateral(intel, {}, month), intel);
    const auto good = [&](const std::string& text, const std::string& signature) {
        const Bytes rs = from_hex(signature, "signature").value();
        return rs.size() == 64 &&
               verifies(intel.tcb_signing, EVP_sha256(), as_bytes(text),
                        der_signature(ByteView(rs).first(32), ByteView(rs).last(32)));
    };
    CHECK(good(collateral.tcb_info, collateral.tcb_info_signature));
    CHECK(good(collateral.qe_identity, collateral.qe_identity_signature));
    CHECK_FALSE(good(collateral.tcb_info + " ", collateral.tcb_info_signature));
}

TEST_CASE("Intel forge: TCB info begins as Intel's does and is compact", "[forge]") {
    const Window month{kNow, kNow + std::chrono::days(30)};
    const std::string text = to_json(tdx_tcb_info({}, month));
    CHECK(text.starts_with(
        R"({"id":"TDX","version":3,"issueDate":"2026-11-22T08:00:00Z","nextUpdate":"2026-12-22T08:00:00Z",)"
        R"("fmspc":"70C06F000000","pceId":"0000","tcbType":0,"tcbEvaluationDataNumber":19,"tdxModule":{)"));
    CHECK(text.find(R"({"svn":3,"category":"BIOS","type":"Early Microcode Update"})") !=
          std::string::npos);
    const std::string sgx = to_json(sgx_tcb_info({}, month));
    CHECK(sgx.find("tdx") == std::string::npos);
}

TEST_CASE("Intel forge: the one-file collateral is laid out like the recorded ones", "[forge]") {
    const IntelHierarchy& intel = hierarchy();
    const Window month{kNow, kNow + std::chrono::days(30)};
    const std::string text = to_json(sign_collateral(tdx_collateral(intel, {}, month), intel));
    CHECK(text.starts_with("{\n \"pck_crl_issuer_chain\": \"-----BEGIN CERTIFICATE-----\\n"));
    CHECK(text.ends_with("\"\n}"));
}

TEST_CASE("forge keys: a key saved in a folder is the same when loaded again", "[forge]") {
    const TempDir folder;
    const Fd dir = open_file(folder.path(), O_RDONLY | O_DIRECTORY).value();
    const auto made = SigningKey::load_or_create(dir, "key.pem", KeyKind::p256);
    REQUIRE_OK(made);
    const auto loaded = SigningKey::load_or_create(dir, "key.pem", KeyKind::p256);
    REQUIRE_OK(loaded);
    CHECK(made->point() == loaded->point());
    CHECK((std::filesystem::status(folder.path() / "key.pem").permissions() &
           (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) ==
          std::filesystem::perms::none);
    REQUIRE_ERRC(Errc::bad_value, SigningKey::load_or_create(dir, "key.pem", KeyKind::p384));
}

}  // namespace
}  // namespace attestd::intel_forge_test
