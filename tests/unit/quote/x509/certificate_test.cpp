// Certificates: the same in our eyes and in OpenSSL's, and strict where OpenSSL is not.
#include "quote/x509/certificate.h"

#include <openssl/x509.h>

#include "tests/support/catch.h"
#include "tests/support/forge/intel_forge.h"
#include "tests/support/mutations.h"
#include "tests/unit/forge/openssl_reader.h"
#include "tests/unit/quote/x509/recorded.h"
#include "tests/unit/quote/x509/reference.h"

namespace attestd::certificate_test {
namespace {

namespace fder = forge::der;
using test::intel;
using test::kNow;

void compare_extensions(const Certificate& ours, const X509* theirs) {
    REQUIRE(ours.extensions().size() == static_cast<std::size_t>(X509_get_ext_count(theirs)));
    for (int i = 0; i < X509_get_ext_count(theirs); ++i) {
        X509_EXTENSION* const extension = X509_get_ext(theirs, i);
        const ASN1_OBJECT* const oid = X509_EXTENSION_get_object(extension);
        const ASN1_OCTET_STRING* const value = X509_EXTENSION_get_data(extension);
        const CertificateExtension& mine = ours.extensions().at(static_cast<std::size_t>(i));
        CHECK(equal(mine.oid, {OBJ_get0_data(oid), OBJ_length(oid)}));
        CHECK(mine.critical == (X509_EXTENSION_get_critical(extension) == 1));
        CHECK(equal(mine.value, {ASN1_STRING_get0_data(value),
                                 static_cast<std::size_t>(ASN1_STRING_length(value))}));
    }
}

void compare(const test::NamedDer& given) {
    INFO(given.name);
    const auto ours = Certificate::parse(given.der);
    REQUIRE_OK(ours);
    const test::X509Ptr owned = test::read_certificate(given.der);
    REQUIRE(owned);
    X509* const theirs = owned.get();
    CHECK(equal(ours->der(), given.der));
    CHECK(equal(ours->subject().der,
                test::written<X509_NAME>(X509_get_subject_name(theirs), i2d_X509_NAME)));
    CHECK(equal(ours->issuer().der,
                test::written<X509_NAME>(X509_get_issuer_name(theirs), i2d_X509_NAME)));
    CHECK(ours->subject().common_name == test::subject_part(theirs, NID_commonName));
    CHECK(ours->subject().organization == test::subject_part(theirs, NID_organizationName));
    CHECK(ours->subject().country == test::subject_part(theirs, NID_countryName));
    CHECK(equal(ours->serial(), test::magnitude(X509_get0_serialNumber(theirs))));
    CHECK(ours->validity().from == test::time_of(X509_get0_notBefore(theirs)));
    CHECK(ours->validity().until == test::time_of(X509_get0_notAfter(theirs)));
    CHECK(equal(ours->spki(),
                test::written<X509_PUBKEY>(X509_get_X509_PUBKEY(theirs), i2d_X509_PUBKEY)));
    Bytes tbs(static_cast<std::size_t>(i2d_re_X509_tbs(theirs, nullptr)));
    unsigned char* at = tbs.data();
    i2d_re_X509_tbs(theirs, &at);
    CHECK(equal(ours->tbs(), tbs));
    const ASN1_BIT_STRING* signature = nullptr;
    X509_get0_signature(&signature, nullptr, theirs);
    CHECK(equal(ours->signature(), {ASN1_STRING_get0_data(signature),
                                    static_cast<std::size_t>(ASN1_STRING_length(signature))}));
    CHECK((ours->basic_constraints() && ours->basic_constraints()->ca) ==
          ((X509_get_extension_flags(theirs) & EXFLAG_CA) != 0));
    // OpenSSL gives all ones when there is no key usage.
    const std::uint32_t usage = X509_get_key_usage(theirs);
    CHECK((ours->key_usage() && ours->key_usage()->cert_sign()) ==
          (usage != UINT32_MAX && (usage & KU_KEY_CERT_SIGN) != 0));
    CHECK((ours->key_usage() && ours->key_usage()->crl_sign()) ==
          (usage != UINT32_MAX && (usage & KU_CRL_SIGN) != 0));
    compare_extensions(*ours, theirs);

    const auto key = ours->key();
    REQUIRE_OK(key);
    EVP_PKEY* const their_key = X509_get0_pubkey(theirs);
    CHECK(EVP_PKEY_get_bits(their_key) == (key->kind() == KeyKind::p256   ? 256
                                           : key->kind() == KeyKind::p384 ? 384
                                                                          : 4096));
    CHECK(ours->signed_by(*key) == (X509_verify(theirs, their_key) == 1));  // true for roots alone
    clear_crypto_errors();
}

TEST_CASE("certificate: every recorded one reads as OpenSSL reads it", "[quote][x509]") {
    const auto all = test::recorded_certificates();
    if (all.empty()) ATTESTD_SKIP("no vectors");
    CHECK(all.size() > 60);
    for (const auto& given : all) compare(given);
}

TEST_CASE("certificate: forged ones of every kind read as OpenSSL reads them", "[quote][x509]") {
    for (const auto& given : test::forged_certificates()) compare(given);
}

TEST_CASE("certificate: copies and moves keep their views alive", "[quote][x509]") {
    std::optional<Certificate> original = Certificate::parse(intel().pck({})).value();
    const Bytes subject = to_bytes(original->subject().der), serial = to_bytes(original->serial());
    const Certificate copy = *original;
    std::vector<Certificate> moved;
    moved.push_back(std::move(*original));
    original.reset();
    moved.reserve(100);
    for (const Certificate* certificate :
         {&copy, static_cast<const Certificate*>(&moved.front())}) {
        CHECK(equal(certificate->subject().der, subject));
        CHECK(equal(certificate->serial(), serial));
        CHECK(certificate->subject().common_name == "Intel SGX PCK Certificate");
        CHECK(equal(certificate->der().subspan(4, certificate->tbs().size()), certificate->tbs()));
    }
    CHECK(copy.der().data() == moved.front().der().data());  // shared, not copied
}

struct Spoilt {
    const char* name;
    void (*spoil)(forge::CertificateSpec&);
    Errc want;
};

forge::Extension extension(std::string_view oid, Bytes value) {
    return {std::string(oid), true, std::move(value)};
}

TEST_CASE("certificate: each defect of a signed one has its own error", "[quote][x509]") {
    const Spoilt row = GENERATE(values<Spoilt>({
        {"version 1", [](auto& c) { c.version = 0; }, Errc::bad_der},
        {"version 2", [](auto& c) { c.version = 1; }, Errc::unsupported_version},
        {"version 4", [](auto& c) { c.version = 3; }, Errc::unsupported_version},
        {"an extension twice", [](auto& c) { c.extensions.push_back(c.extensions[0]); },
         Errc::bad_der},
        {"another algorithm inside",
         [](auto& c) { c.inner_algorithm = forge::Signature::ecdsa_sha384; },
         Errc::chain_algorithm},
        {"PSS inside, ECDSA outside",
         [](auto& c) { c.inner_algorithm = forge::Signature::rsa_pss_sha384; },
         Errc::chain_algorithm},
        {"a part of the subject that is not known",
         [](auto& c) {
             c.subject.push_back({"2.5.4.12", "title"});
         },
         Errc::bad_der},
        {"cA FALSE written out",
         [](auto& c) {
             forge::find_extension(c.extensions, forge::oid::kBasicConstraints).value =
                 fder::sequence({fder::boolean(fder::Bool::no)});
         },
         Errc::bad_der},
        {"a path length of 256",
         [](auto& c) {
             forge::find_extension(c.extensions, forge::oid::kBasicConstraints).value =
                 fder::sequence({fder::boolean(fder::Bool::yes), fder::integer(256)});
         },
         Errc::bad_der},
        {"basic constraints with a third member",
         [](auto& c) {
             forge::find_extension(c.extensions, forge::oid::kBasicConstraints).value =
                 fder::sequence({fder::boolean(fder::Bool::yes), fder::integer(1), fder::null()});
         },
         Errc::bad_der},
        {"empty key usage",
         [](auto& c) {
             forge::find_extension(c.extensions, forge::oid::kKeyUsage).value =
                 fder::bit_string({}, 0);
         },
         Errc::bad_der},
        {"a key usage bit among the unused ones",
         [](auto& c) {
             forge::find_extension(c.extensions, forge::oid::kKeyUsage).value =
                 fder::bit_string(Bytes{0x06}, 2);
         },
         Errc::bad_der},
        {"key usage of three bytes",
         [](auto& c) {
             forge::find_extension(c.extensions, forge::oid::kKeyUsage).value =
                 fder::bit_string(Bytes{6, 0, 1}, 0);
         },
         Errc::bad_der},
        {"over 16 KiB",
         [](auto& c) {
             c.extensions.push_back({"1.2.3", false, Bytes(kMaxCertificateLen)});
         },
         Errc::too_large},
    }));
    INFO(row.name);
    forge::CertificateSpec spec = intel().root_spec();
    row.spoil(spec);
    REQUIRE_ERRC(row.want, Certificate::parse(forge::issue(spec, intel().root_issuer())));
}

TEST_CASE("certificate: signature algorithms of no vendor are refused", "[quote][x509]") {
    const auto algorithm =
        GENERATE(forge::Signature::ecdsa_sha384, forge::Signature::rsa_pkcs1_sha384);
    const forge::SigningKey key(algorithm == forge::Signature::ecdsa_sha384 ? KeyKind::p384
                                                                            : KeyKind::rsa4096);
    forge::CertificateSpec spec = intel().root_spec();
    spec.spki = key.spki();
    REQUIRE_ERRC(Errc::chain_algorithm,
                 Certificate::parse(forge::issue(spec, {spec.subject, key, algorithm})));
}

TEST_CASE("certificate: a critical extension that is not known is reported", "[quote][x509]") {
    forge::CertificateSpec spec = intel().root_spec();
    spec.extensions.push_back(extension("2.5.29.30", fder::sequence({})));  // name constraints
    const auto certificate = Certificate::parse(forge::issue(spec, intel().root_issuer()));
    REQUIRE_OK(certificate);
    REQUIRE(certificate->unknown_critical());
    CHECK(equal(*certificate->unknown_critical(), Bytes{0x55, 0x1d, 30}));
    CHECK_FALSE(Certificate::parse(intel().root).value().unknown_critical());
}

TEST_CASE("certificate: serial number 0 and one with the top bit set are read", "[quote][x509]") {
    forge::CertificateSpec spec = intel().root_spec();
    spec.serial = {};
    CHECK(equal(Certificate::parse(forge::issue(spec, intel().root_issuer())).value().serial(),
                Bytes{0}));
    spec.serial = {0xff, 0x01};
    CHECK(equal(Certificate::parse(forge::issue(spec, intel().root_issuer())).value().serial(),
                Bytes{0xff, 0x01}));
}

// Keys whose point has the wrong length, or lies on no curve (pitfalls 20 and 30 of spec/tdx.md).
TEST_CASE("certificate: a key that is none is refused when it is asked for", "[quote][x509]") {
    const Bytes good = intel().keys.root.point();
    const auto spki = [](const char* curve, Bytes point) {
        return fder::sequence({fder::sequence({fder::oid("1.2.840.10045.2.1"), fder::oid(curve)}),
                               fder::bit_string(point)});
    };
    Bytes off_curve = good;
    off_curve[63] ^= 1;
    const auto with_prefix = [](std::uint8_t prefix, ByteView rest) {
        Bytes out(rest.size() + 1, prefix);
        std::copy(rest.begin(), rest.end(), out.begin() + 1);
        return out;
    };
    struct Row {
        const char* name;
        Bytes spki;
        Errc want;
    };
    const char* const p256 = "1.2.840.10045.3.1.7";
    const std::vector<Row> rows{
        {"not on the curve", spki(p256, with_prefix(4, off_curve)), Errc::bad_value},
        {"one byte short", spki(p256, with_prefix(4, ByteView(good).first(63))), Errc::bad_value},
        {"one byte more", spki(p256, with_prefix(4, with_prefix(0, good))), Errc::bad_value},
        {"all zero", spki(p256, with_prefix(4, Bytes(64))), Errc::bad_value},
        {"infinity", spki(p256, Bytes{0}), Errc::bad_der},
        {"no point at all", spki(p256, {}), Errc::bad_der},
        {"compressed", spki(p256, with_prefix(2, ByteView(good).first(32))), Errc::bad_der},
        {"P-521", spki("1.3.132.0.35", with_prefix(4, good)), Errc::chain_algorithm},
        {"X25519",
         fder::sequence({fder::sequence({fder::oid("1.3.101.110")}), fder::bit_string(Bytes(32))}),
         Errc::chain_algorithm},
        {"RSA of 2048 bits",
         fder::sequence({fder::sequence({fder::oid("1.2.840.113549.1.1.1"), fder::null()}),
                         fder::bit_string(fder::sequence(
                             {fder::integer(ByteView(Bytes(256, 0xff))), fder::integer(65537)}))}),
         Errc::bad_value},
        {"trailing bytes in the algorithm",
         fder::sequence(
             {fder::sequence({fder::oid("1.2.840.10045.2.1"), fder::oid(p256), fder::null()}),
              fder::bit_string(with_prefix(4, good))}),
         Errc::bad_der},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        forge::CertificateSpec spec = intel().root_spec();
        spec.spki = row.spki;
        const auto certificate = Certificate::parse(forge::issue(spec, intel().root_issuer()));
        REQUIRE_OK(certificate);
        REQUIRE_ERRC(row.want, certificate->key());
    }
}

TEST_CASE(
    "certificate: an error within the names or extensions names its offset in the certificate",
    "[quote][x509]") {
    forge::CertificateSpec spec = intel().root_spec();
    spec.subject.push_back({"2.5.4.12", "title"});
    const Bytes der = forge::issue(spec, intel().root_issuer());
    const auto certificate = Certificate::parse(der);
    REQUIRE_ERRC(Errc::bad_der, certificate);
    const std::string text = certificate.error().detail;
    const auto number = text.find("at byte ");
    REQUIRE(number != text.npos);
    const auto offset = static_cast<std::ptrdiff_t>(std::stoul(text.substr(number + 8)));
    const std::string_view title = "title";
    const auto at = std::search(der.begin(), der.end(), title.begin(), title.end());
    CHECK(std::abs(offset - (at - der.begin())) <= 16);
}

TEST_CASE("certificate: no prefix and no longer form of one is one", "[quote][x509]") {
    const Bytes der = intel().pck({});
    REQUIRE_OK(Certificate::parse(der));
    std::size_t wrong = 0;
    const auto note = [&](ByteView mutant, std::size_t) {
        wrong += Certificate::parse(mutant) ? 1 : 0;
    };
    test::for_each_truncation(der, note);
    test::for_each_extra_byte(der, note);
    CHECK(wrong == 0);
}

TEST_CASE(
    "certificate: a flipped bit is refused, or seen in the bytes that are signed or the signature",
    "[quote][x509]") {
    const Bytes der = intel().pck({});
    const Certificate original = Certificate::parse(der).value();
    const PublicKey issuer = Certificate::parse(intel().pck_ca).value().key().value();
    REQUIRE(original.signed_by(issuer));
    std::size_t accepted = 0, parsed = 0;
    test::for_each_bit_flip(der, {0, der.size()}, 3, [&](ByteView mutant, std::size_t) {
        const auto certificate = Certificate::parse(mutant);
        if (!certificate) return;
        ++parsed;
        accepted += certificate->signed_by(issuer) ? 1 : 0;
    });
    CHECK(accepted == 0);
    CHECK(parsed > 500);
}

}  // namespace
}  // namespace attestd::certificate_test
