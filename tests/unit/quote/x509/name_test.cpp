// Distinguished names: the parts that the vendors write, once each, in text that can be shown.
#include "quote/x509/name.h"

#include "tests/support/catch.h"
#include "tests/support/forge/der.h"
#include "tests/support/forge/x509_forge.h"

namespace attestd {
namespace {

namespace fder = forge::der;

Bytes attribute(std::string_view oid, std::string_view text,
                fder::Tag tag = fder::Tag::utf8_string) {
    return fder::set_of_one(fder::sequence({fder::oid(oid), fder::text(tag, text)}));
}

Result<DistinguishedName> parse(const Bytes& der) {
    DerReader in(der);
    return parse_name(in, "name");
}

TEST_CASE("name: all six parts are read, in any order", "[quote][x509]") {
    const Bytes der = fder::sequence(
        {attribute(forge::oid::kCountry, "US", fder::Tag::printable_string),
         attribute(forge::oid::kCommonName, "ARK"), attribute(forge::oid::kState, "CA"),
         attribute(forge::oid::kLocality, "Santa Clara"),
         attribute(forge::oid::kOrganization, "AMD"),
         attribute(forge::oid::kOrganizationalUnit, "Engineering")});
    const auto name = parse(der);
    REQUIRE_OK(name);
    CHECK(name->common_name == "ARK");
    CHECK(name->country == "US");
    CHECK(name->state == "CA");
    CHECK(name->locality == "Santa Clara");
    CHECK(name->organization == "AMD");
    CHECK(name->organizational_unit == "Engineering");
    CHECK(equal(name->der, der));
}

TEST_CASE("name: what the vendors never write is refused", "[quote][x509]") {
    const Bytes cn = attribute(forge::oid::kCommonName, "A");
    struct Row {
        const char* name;
        Bytes der;
    };
    const std::vector<Row> rows{
        {"a part twice", fder::sequence({cn, cn})},
        {"a part that is not known", fder::sequence({attribute("2.5.4.12", "title")})},
        {"an OID outside 2.5.4", fder::sequence({attribute("1.2.840.113549.1.9.1", "mail")})},
        {"an empty part", fder::sequence({attribute(forge::oid::kCommonName, "")})},
        {"IA5String",
         fder::sequence({attribute(forge::oid::kCommonName, "A", fder::Tag::ia5_string)})},
        {"two attributes in one RDN",
         fder::sequence({fder::element(
             fder::Tag::set, Bytes{0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 'A',
                                   0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c, 0x01, 'B'})})},
        {"a third member beside OID and text",
         fder::sequence({fder::set_of_one(
             fder::sequence({fder::oid(forge::oid::kCommonName),
                             fder::text(fder::Tag::utf8_string, "A"), fder::null()}))})},
        {"a SET in place of the SEQUENCE", fder::set_of_one(cn)},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        REQUIRE_ERRC(Errc::bad_der, parse(row.der));
    }
}

// Names reach findings, logs and JSON: bytes that are no text, or steer a terminal, must not.
TEST_CASE("name: text that is not printable ASCII is refused", "[quote][x509]") {
    const char* const text = GENERATE("Intel\x1b[2J", "Intel\xff", "Int\nel",
                                      "Int\x7f"
                                      "el",
                                      "Int\xc3\xa9l");
    REQUIRE_ERRC(Errc::bad_der, parse(fder::sequence({attribute(forge::oid::kCommonName, text)})));
    using namespace std::string_view_literals;
    REQUIRE_ERRC(Errc::bad_der,
                 parse(fder::sequence({attribute(forge::oid::kCommonName, "Intel\0CA"sv)})));
}

TEST_CASE("name: an error names the offset within the whole", "[quote][x509]") {
    const Bytes der = fder::sequence({attribute(forge::oid::kCommonName, "A"), fder::sequence({})});
    DerReader in(der, 1000);
    const auto name = parse_name(in, "subject");
    REQUIRE_ERRC(Errc::bad_der, name);
    CHECK(name.error().detail.find("subject at byte 1014") == 0);
}

TEST_CASE("name: names are the same only when their bytes are", "[quote][x509]") {
    const Bytes utf8 = fder::sequence({attribute(forge::oid::kCommonName, "A")});
    const Bytes printable =
        fder::sequence({attribute(forge::oid::kCommonName, "A", fder::Tag::printable_string)});
    const auto a = parse(utf8), b = parse(printable);
    REQUIRE_OK(a);
    REQUIRE_OK(b);
    CHECK(a->same_as(*a));
    CHECK_FALSE(a->same_as(*b));
}

}  // namespace
}  // namespace attestd
