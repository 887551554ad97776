// The SGX extension of PCK certificates (`spec/tdx.md` section 4).
#include "quote/intel/pck_extension.h"

#include <algorithm>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/intel_forge.h"

namespace attestd::pck_extension_test {
namespace {

namespace fder = forge::der;

const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

const forge::IntelHierarchy& intel() {
    static const forge::IntelHierarchy made(forge::shared_intel_keys(),
                                            forge::IntelValidity::around(kNow));
    return made;
}

using Pairs = std::vector<Bytes>;

Result<std::optional<PckExtension>> parse(const forge::Extension& extension) {
    forge::CertificateSpec spec = intel().pck_spec({});
    forge::find_extension(spec.extensions, forge::kSgxExtensionOid) = extension;
    const auto certificate = Certificate::parse(forge::issue(spec, intel().pck_issuer()));
    REQUIRE_OK(certificate);
    return parse_pck_extension(*certificate);
}

Bytes pair(std::string_view suffix, Bytes value) {
    return fder::sequence(
        {fder::oid(std::string(forge::kSgxExtensionOid) + "." + std::string(suffix)),
         std::move(value)});
}

// The 18 pairs of the TCB.
Pairs tcb() {
    Pairs out;
    for (int i = 1; i <= 16; ++i) out.push_back(pair("2." + std::to_string(i), fder::integer(7)));
    out.push_back(pair("2.17", fder::integer(13)));
    out.push_back(pair("2.18", fder::octet_string(Bytes(16, 7))));
    return out;
}

TEST_CASE("PCK extension: pairs are read in any order", "[quote][intel]") {
    Pairs pairs = forge::sgx_extension_pairs({});
    std::reverse(pairs.begin(), pairs.end());
    const auto parsed = parse(forge::sgx_extension(pairs));
    REQUIRE_OK(parsed);
    REQUIRE(*parsed);
    const forge::PckFields fields;
    CHECK((*parsed)->ppid == fields.ppid);
    CHECK((*parsed)->tcb_components == fields.components);
    CHECK((*parsed)->pce_svn == fields.pcesvn);
    CHECK((*parsed)->pce_id == fields.pceid);
    CHECK((*parsed)->fmspc == fields.fmspc);
    CHECK((*parsed)->sgx_type == SgxType::scalable);
    CHECK((*parsed)->platform_instance_id == fields.platform_instance_id);
    CHECK((*parsed)->dynamic_platform == true);
}

TEST_CASE("PCK extension: TCB pairs are read in any order, each component into its place",
          "[quote][intel]") {
    Pairs list = tcb();
    list[4] = pair("2.5", fder::integer(255));
    std::rotate(list.begin(), list.begin() + 11, list.end());
    Pairs pairs = forge::sgx_extension_pairs({});
    pairs[1] = pair("2", fder::sequence(list));
    const auto parsed = parse(forge::sgx_extension(pairs));
    REQUIRE_OK(parsed);
    CHECK(to_hex((*parsed)->tcb_components) == "07070707ff0707070707070707070707");
    CHECK((*parsed)->pce_svn == 13);
}

TEST_CASE("PCK extension: the processor CA's five pairs are enough", "[quote][intel]") {
    const auto parsed =
        parse(forge::sgx_extension(forge::sgx_extension_pairs(forge::processor_fields())));
    REQUIRE_OK(parsed);
    CHECK_FALSE((*parsed)->platform_instance_id);
    CHECK_FALSE((*parsed)->smt_enabled);
    CHECK((*parsed)->sgx_type == SgxType::standard);
}

TEST_CASE("PCK extension: a certificate without it has none", "[quote][intel]") {
    CHECK_FALSE(parse_pck_extension(Certificate::parse(intel().root).value()).value());
}

TEST_CASE("PCK extension: a second one makes the certificate unreadable", "[quote][intel]") {
    forge::CertificateSpec spec = intel().pck_spec({});
    spec.extensions.push_back(forge::find_extension(spec.extensions, forge::kSgxExtensionOid));
    REQUIRE_ERRC(Errc::bad_der, Certificate::parse(forge::issue(spec, intel().pck_issuer())));
}

TEST_CASE("PCK extension: each pair must be there", "[quote][intel]") {
    const std::size_t missing = GENERATE(range(0U, 7U));
    Pairs pairs = forge::sgx_extension_pairs({});
    pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(missing));
    REQUIRE_ERRC(Errc::chain_extension, parse(forge::sgx_extension(pairs)));
}

TEST_CASE("PCK extension: no pair may be there twice", "[quote][intel]") {
    const std::size_t doubled = GENERATE(range(0U, 7U));
    Pairs pairs = forge::sgx_extension_pairs({});
    pairs.push_back(pairs[doubled]);
    REQUIRE_ERRC(Errc::chain_extension, parse(forge::sgx_extension(pairs)));
}

TEST_CASE("PCK extension: each TCB pair must be there, once", "[quote][intel]") {
    const std::size_t which = GENERATE(range(0U, 18U));
    Pairs pairs = forge::sgx_extension_pairs({});
    Pairs fewer = tcb(), more = tcb();
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(which));
    more.push_back(more[which]);
    pairs[1] = pair("2", fder::sequence(fewer));
    REQUIRE_ERRC(Errc::chain_extension, parse(forge::sgx_extension(pairs)));
    pairs[1] = pair("2", fder::sequence(more));
    REQUIRE_ERRC(Errc::chain_extension, parse(forge::sgx_extension(pairs)));
}

TEST_CASE("PCK extension: a value of the wrong type, length or range is refused",
          "[quote][intel]") {
    struct Row {
        const char* name;
        std::size_t index;
        Bytes pair;
    };
    const auto tcb_with = [](std::size_t index, Bytes replacement) {
        Pairs list = tcb();
        list[index] = std::move(replacement);
        return pair("2", fder::sequence(list));
    };
    const std::vector<Row> rows{
        {"PPID of 15 bytes", 0, pair("1", fder::octet_string(Bytes(15)))},
        {"PPID of 17 bytes", 0, pair("1", fder::octet_string(Bytes(17)))},
        {"PPID as BIT STRING", 0, pair("1", fder::bit_string(Bytes(16)))},
        {"PPID with another value after it", 0,
         fder::sequence(
             {fder::oid("1.2.840.113741.1.13.1.1"), fder::octet_string(Bytes(16)), fder::null()})},
        {"a pair without value", 0, fder::sequence({fder::oid("1.2.840.113741.1.13.1.1")})},
        {"a component of 256", 1, tcb_with(15, pair("2.16", fder::integer(256)))},
        {"a negative component", 1, tcb_with(0, pair("2.1", Bytes{0x02, 0x01, 0x80}))},
        {"a component that is not minimal", 1,
         tcb_with(0, pair("2.1", Bytes{0x02, 0x02, 0x00, 0x05}))},
        {"a component as OCTET STRING", 1, tcb_with(0, pair("2.1", fder::octet_string(Bytes{5})))},
        {"PCESVN of 65536", 1, tcb_with(16, pair("2.17", fder::integer(65536)))},
        {"CPUSVN of 15 bytes", 1, tcb_with(17, pair("2.18", fder::octet_string(Bytes(15))))},
        {"a 19th TCB part", 1, tcb_with(17, pair("2.19", fder::integer(1)))},
        {"TCB part 0", 1, tcb_with(0, pair("2.0", fder::integer(1)))},
        {"a TCB part of another arc", 1, tcb_with(0, pair("3.1", fder::integer(1)))},
        {"TCB as SET", 1, pair("2", fder::element(fder::Tag::set, {}))},
        {"PCEID of 3 bytes", 2, pair("3", fder::octet_string(Bytes(3)))},
        {"FMSPC of 5 bytes", 3, pair("4", fder::octet_string(Bytes(5)))},
        {"SGXType 3", 4, pair("5", fder::enumerated(3))},
        {"SGXType as INTEGER", 4, pair("5", fder::integer(1))},
        {"PlatformInstanceID of 8 bytes", 5, pair("6", fder::octet_string(Bytes(8)))},
        {"a flag as INTEGER", 6, pair("7", fder::sequence({pair("7.1", fder::integer(1))}))},
        {"a flag of value 1", 6, pair("7", fder::sequence({pair("7.1", Bytes{0x01, 0x01, 0x01})}))},
        {"a fourth flag", 6,
         pair("7", fder::sequence({pair("7.4", fder::boolean(fder::Bool::yes))}))},
        {"a flag twice", 6,
         pair("7", fder::sequence({pair("7.1", fder::boolean(fder::Bool::yes)),
                                   pair("7.1", fder::boolean(fder::Bool::no))}))},
        {"an eighth part", 6, pair("8", fder::null())},
        {"a part of another arc", 6,
         fder::sequence({fder::oid("1.2.840.113741.1.13.2"), fder::null()})},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        Pairs pairs = forge::sgx_extension_pairs({});
        pairs[row.index] = row.pair;
        REQUIRE_ERRC(Errc::chain_extension, parse(forge::sgx_extension(pairs)));
    }
}

TEST_CASE("PCK extension: bytes around the list are refused", "[quote][intel]") {
    forge::Extension extension = forge::sgx_extension(forge::sgx_extension_pairs({}));
    extension.value.push_back(0);
    REQUIRE_ERRC(Errc::chain_extension, parse(extension));
    extension.value.clear();
    REQUIRE_ERRC(Errc::chain_extension, parse(extension));
}

}  // namespace
}  // namespace attestd::pck_extension_test
