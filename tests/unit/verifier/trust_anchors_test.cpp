// Trust anchors: the vendors' pinned keys, and keys that make a result test grade.
#include "verifier/trust_anchors.h"

#include "quote/x509/certificate.h"
#include "quote/x509/pem.h"
#include "tests/support/catch.h"
#include "tests/support/vectors.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

Sha256 spki_of(const Bytes& der) { return Certificate::parse(der).value().spki_digest(); }

TEST_CASE("trust anchors: the pins are those of the genuine roots", "[verifier][anchors]") {
    NEED_VECTORS(dir, "");
    const TrustAnchors anchors;
    for (const char* file :
         {"tdx/roots/intel-sgx-root-ca-2033.der", "tdx/roots/intel-sgx-root-ca-2049.der"}) {
        CHECK(anchors.intel_root(spki_of(test::load_file(dir / file))) == Grade::production);
    }
    for (const auto& [file, product] :
         {std::pair{"milan", "Milan"}, {"genoa", "Genoa"}, {"turin", "Turin"}}) {
        const Sha256 spki =
            spki_of(test::load_file(dir / "snp/roots" / (std::string(file) + "-ark.der")));
        CHECK(anchors.amd_root(spki, product) == Grade::production);
        CHECK_FALSE(
            anchors.amd_root(spki, std::string_view(product) == "Milan" ? "Genoa" : "Milan"));
        CHECK_FALSE(anchors.intel_root(spki));
        CHECK_FALSE(anchors.amd_root(
            spki_of(test::load_file(dir / "snp/roots" / (std::string(file) + "-ask.der"))),
            product));
    }
}

TEST_CASE("trust anchors: a genuine root that is added stays production grade, for its product",
          "[verifier][anchors]") {
    NEED_VECTORS(dir, "snp/roots");
    const Bytes ark = test::load_file(dir / "milan-ark.der");
    TrustAnchors anchors;
    REQUIRE_OK(anchors.add_certificate(ark));
    CHECK(anchors.amd_root(spki_of(ark), "Milan") == Grade::production);
    CHECK_FALSE(anchors.amd_root(spki_of(ark), "Turin"));
}

TEST_CASE("trust anchors: an added key is test grade, from DER and from PEM",
          "[verifier][anchors]") {
    const Bytes root = test::intel().root;
    CHECK_FALSE(TrustAnchors{}.intel_root(spki_of(root)));
    TrustAnchors der, pem;
    REQUIRE_OK(der.add_certificate(root));
    REQUIRE_OK(pem.add_certificate(as_bytes(to_pem("CERTIFICATE", root))));
    CHECK(der.intel_root(spki_of(root)) == Grade::test);
    CHECK(pem.intel_root(spki_of(root)) == Grade::test);
    CHECK(der.amd_root(spki_of(root), "Milan") == Grade::test);
}

TEST_CASE("trust anchors: what is no self-signed certificate adds nothing", "[verifier][anchors]") {
    TrustAnchors anchors;
    REQUIRE_ERRC(Errc::chain_malformed, anchors.add_certificate(test::intel().pck_ca));
    CHECK_FALSE(anchors.intel_root(spki_of(test::intel().pck_ca)));
    // Named like its own issuer, but signed by another key.
    const Bytes look_alike =
        forge::issue(test::intel().root_spec(),
                     {forge::intel_name("Intel SGX Root CA"), test::intel().keys.pck_ca});
    REQUIRE_ERRC(Errc::chain_malformed, anchors.add_certificate(look_alike));
    CHECK_FALSE(anchors.intel_root(spki_of(look_alike)));
    // Signed by itself, and named like another's.
    const Bytes other_name = forge::issue(
        test::intel().root_spec(), {forge::intel_name("Another Root"), test::intel().keys.root});
    REQUIRE_ERRC(Errc::chain_malformed, anchors.add_certificate(other_name));
    const std::string two =
        to_pem("CERTIFICATE", test::intel().root) + to_pem("CERTIFICATE", test::intel().root);
    REQUIRE_ERRC(Errc::chain_malformed, anchors.add_certificate(as_bytes(two)));
    REQUIRE_ERRC(Errc::bad_der, anchors.add_certificate(as_bytes("not a certificate")));
    REQUIRE_ERRC(Errc::truncated, anchors.add_certificate(ByteView(test::intel().root).first(100)));
}

}  // namespace
}  // namespace attestd
