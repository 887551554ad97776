// Revocation lists: the same in our eyes and in OpenSSL's, and strict where OpenSSL is not.
#include "quote/x509/crl.h"

#include <openssl/x509.h>

#include "quote/x509/certificate.h"
#include "tests/support/catch.h"
#include "tests/support/forge/intel_forge.h"
#include "tests/support/mutations.h"
#include "tests/unit/forge/openssl_reader.h"
#include "tests/unit/quote/x509/recorded.h"
#include "tests/unit/quote/x509/reference.h"

namespace attestd::crl_test {
namespace {

namespace fder = forge::der;
using test::intel;
using test::kNow;

const Window kMonth{kNow, kNow + std::chrono::days(30)};

void compare(const test::NamedDer& given) {
    INFO(given.name);
    const auto ours = Crl::parse(given.der);
    REQUIRE_OK(ours);
    const test::X509CrlPtr theirs = test::read_crl(given.der);
    REQUIRE(theirs);
    CHECK(equal(ours->issuer().der,
                test::written<X509_NAME>(X509_CRL_get_issuer(theirs.get()), i2d_X509_NAME)));
    CHECK(ours->validity().from == test::time_of(X509_CRL_get0_lastUpdate(theirs.get())));
    CHECK(ours->validity().until == test::time_of(X509_CRL_get0_nextUpdate(theirs.get())));
    STACK_OF(X509_REVOKED)* const revoked = X509_CRL_get_REVOKED(theirs.get());
    const int num = revoked == nullptr ? 0 : sk_X509_REVOKED_num(revoked);
    REQUIRE(ours->revoked_serials().size() == static_cast<std::size_t>(num));
    for (int i = 0; i < num; ++i) {
        const Bytes serial =
            test::magnitude(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(revoked, i)));
        CHECK(equal(ours->revoked_serials()[static_cast<std::size_t>(i)], serial));
        CHECK(ours->revokes(serial));
    }
    CHECK_FALSE(ours->revokes(Bytes{0x7b, 0xad}));
    CHECK(ours->number());
}

TEST_CASE("CRL: every recorded one reads as OpenSSL reads it", "[quote][x509]") {
    const auto all = test::recorded_crls();
    if (all.empty()) ATTESTD_SKIP("no vectors");
    CHECK(all.size() > 10);
    for (const auto& given : all) compare(given);
}

TEST_CASE("CRL: forged ones read as OpenSSL reads them", "[quote][x509]") {
    for (const auto& given : test::forged_crls()) compare(given);
}

TEST_CASE("CRL: only the issuer's key verifies it", "[quote][x509]") {
    const Crl crl =
        Crl::parse(forge::issue(intel().root_crl_spec(kMonth), intel().root_issuer())).value();
    CHECK(crl.signed_by(PublicKey::from_point(KeyKind::p256, intel().keys.root.point()).value()));
    CHECK_FALSE(
        crl.signed_by(PublicKey::from_point(KeyKind::p256, intel().keys.pck_ca.point()).value()));
}

TEST_CASE("CRL: serial numbers are compared as numbers of any length", "[quote][x509]") {
    forge::CrlSpec spec = intel().root_crl_spec(kMonth);
    spec.revoked = {{{0x80}, kNow}, {{0x01, 0x00}, kNow}, {{}, kNow}};
    const Crl crl = Crl::parse(forge::issue(spec, intel().root_issuer())).value();
    CHECK(crl.revokes(Bytes{0x80}));
    CHECK(crl.revokes(Bytes{0x01, 0x00}));
    CHECK(crl.revokes(Bytes{0x00}));
    CHECK_FALSE(crl.revokes(Bytes{0x01}));
    CHECK_FALSE(crl.revokes(Bytes{0x80, 0x00}));
}

TEST_CASE("CRL: each defect of a signed one has its own error", "[quote][x509]") {
    struct Row {
        const char* name;
        void (*spoil)(forge::CrlSpec&);
        Errc want;
    };
    const Row row = GENERATE(values<Row>({
        {"without nextUpdate", [](auto& c) { c.validity.until = Time::max(); }, Errc::bad_der},
        {"a critical extension", [](auto& c) { c.extensions[1].critical = true; }, Errc::bad_der},
        {"an issuing distribution point, critical",
         [](auto& c) {
             c.extensions.push_back({"2.5.29.28", true, fder::sequence({})});
         },
         Errc::bad_der},
        {"CRLNumber that is no INTEGER", [](auto& c) { c.extensions[0].value = fder::null(); },
         Errc::bad_der},
        {"CRLNumber with bytes after it", [](auto& c) { c.extensions[0].value.push_back(0); },
         Errc::bad_der},
        {"an extension twice", [](auto& c) { c.extensions.push_back(c.extensions[0]); },
         Errc::bad_der},
        {"over 1 MiB",
         [](auto& c) {
             c.extensions.push_back({"1.2.3", false, Bytes(kMaxCrlLen)});
         },
         Errc::too_large},
    }));
    INFO(row.name);
    forge::CrlSpec spec = intel().root_crl_spec(kMonth);
    row.spoil(spec);
    REQUIRE_ERRC(row.want, Crl::parse(forge::issue(spec, intel().root_issuer())));
}

// The signed part put together by hand, for what the forge does not write.
Bytes by_hand(std::vector<Bytes> members) {
    return forge::sign_der(fder::sequence(members), intel().root_issuer());
}

TEST_CASE("CRL: a signed part of another shape is refused", "[quote][x509]") {
    const Bytes algorithm = fder::sequence({fder::oid("1.2.840.10045.4.3.2")});
    const Bytes other = fder::sequence({fder::oid("1.2.840.10045.4.3.3")});
    const Bytes issuer = to_bytes(Certificate::parse(intel().root).value().subject().der);
    const Bytes from = fder::time(kMonth.from), until = fder::time(kMonth.until);
    const Bytes entry = fder::sequence({fder::integer(5), fder::time(kNow)});
    REQUIRE_OK(Crl::parse(
        by_hand({fder::integer(1), algorithm, issuer, from, until, fder::sequence({entry})})));
    REQUIRE_ERRC(Errc::unsupported_version,
                 Crl::parse(by_hand({fder::integer(0), algorithm, issuer, from, until})));
    REQUIRE_ERRC(Errc::bad_der, Crl::parse(by_hand({algorithm, issuer, from, until})));
    REQUIRE_ERRC(Errc::chain_algorithm,
                 Crl::parse(by_hand({fder::integer(1), other, issuer, from, until})));
    REQUIRE_ERRC(
        Errc::bad_der,
        Crl::parse(by_hand({fder::integer(1), algorithm, issuer, from, until, fder::null()})));
    // RFC 5280 section 5.1.2.6: absent, not empty, when nothing is revoked.
    REQUIRE_ERRC(Errc::bad_der, Crl::parse(by_hand({fder::integer(1), algorithm, issuer, from,
                                                    until, fder::sequence({})})));
    const Bytes negative = fder::sequence({Bytes{0x02, 0x01, 0xff}, fder::time(kNow)});
    REQUIRE_ERRC(Errc::bad_der, Crl::parse(by_hand({fder::integer(1), algorithm, issuer, from,
                                                    until, fder::sequence({negative})})));
}

TEST_CASE("CRL: an entry's extensions are read strictly, and none may be critical",
          "[quote][x509]") {
    const auto parsed = [](const std::vector<Bytes>& behind_date) {
        std::vector<Bytes> entry{fder::integer(5), fder::time(kNow)};
        entry.insert(entry.end(), behind_date.begin(), behind_date.end());
        const Bytes issuer = to_bytes(Certificate::parse(intel().root).value().subject().der);
        return Crl::parse(
            by_hand({fder::integer(1), fder::sequence({fder::oid("1.2.840.10045.4.3.2")}), issuer,
                     fder::time(kMonth.from), fder::time(kMonth.until),
                     fder::sequence({fder::sequence(entry)})}));
    };
    const Bytes reason_id = fder::oid("2.5.29.21"), value = fder::octet_string(fder::enumerated(1));
    const Bytes reason = fder::sequence({reason_id, value});
    const auto with_reason = parsed({fder::sequence({reason})});
    REQUIRE_OK(with_reason);
    CHECK(with_reason->revokes(Bytes{5}));

    struct Row {
        const char* name;
        std::vector<Bytes> behind_date;
    };
    const std::vector<Row> rows{
        {"no list", {reason_id}},
        {"an empty list", {fder::sequence({})}},
        {"a member that is no SEQUENCE",
         {fder::sequence({fder::constructed(16, fder::sequence({}))})}},
        {"a member without a value", {fder::sequence({fder::sequence({reason_id})})}},
        {"a member with more than a value",
         {fder::sequence({fder::sequence({reason_id, value, value})})}},
        {"a member twice", {fder::sequence({reason, reason})}},
        {"a critical one",
         {fder::sequence({fder::sequence({reason_id, fder::boolean(fder::Bool::yes), value})})}},
        {"two lists", {fder::sequence({reason}), fder::sequence({reason})}}};
    for (const Row& row : rows) {
        INFO(row.name);
        REQUIRE_ERRC(Errc::bad_der, parsed(row.behind_date));
    }
}

TEST_CASE("CRL: no prefix, no longer form and no flipped bit passes for the original",
          "[quote][x509]") {
    forge::CrlSpec spec = intel().pck_crl_spec(kMonth);
    spec.revoked = {{{0x11, 0x22}, kNow}};
    const Bytes der = forge::issue(spec, intel().pck_issuer());
    const PublicKey issuer =
        PublicKey::from_point(KeyKind::p256, intel().keys.pck_ca.point()).value();
    REQUIRE(Crl::parse(der).value().signed_by(issuer));
    std::size_t wrong = 0;
    const auto parses = [&](ByteView mutant, std::size_t) { wrong += Crl::parse(mutant) ? 1 : 0; };
    test::for_each_truncation(der, parses);
    test::for_each_extra_byte(der, parses);
    test::for_each_bit_flip(der, [&](ByteView mutant, std::size_t) {
        const auto crl = Crl::parse(mutant);
        wrong += crl && crl->signed_by(issuer) ? 1 : 0;
    });
    CHECK(wrong == 0);
}

}  // namespace
}  // namespace attestd::crl_test
