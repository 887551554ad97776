// AMD's leaf extensions (`spec/snp.md` section 6, pitfall 9).
#include "quote/amd/leaf_extension.h"

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/amd_forge.h"
#include "tests/support/vectors.h"

namespace attestd::leaf_extension_test {
namespace {

namespace fder = forge::der;

const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

forge::AmdHierarchy amd(forge::Product product) {
    return {product, forge::shared_amd_keys(), forge::AmdValidity::around(kNow)};
}

forge::CertificateSpec vcek(forge::Product product) {
    return amd(product).vcek_spec(forge::default_chip_id(product), forge::SnpTcb::typical(product));
}

std::string oid(std::string_view suffix) {
    return std::string(forge::kAmdArc) + "." + std::string(suffix);
}

// Signed by a P-256 key: who signed is not asked here.
Certificate certificate(const forge::CertificateSpec& spec) {
    static const forge::SigningKey key(KeyKind::p256);
    return Certificate::parse(forge::issue(spec, {forge::amd_name("SEV-Milan"), key})).value();
}

Bytes& value_of(forge::CertificateSpec& spec, std::string_view suffix) {
    return forge::find_extension(spec.extensions, oid(suffix)).value;
}

TEST_CASE("AMD leaf: all extensions of a VCEK and a VLEK are read", "[quote][amd]") {
    const Certificate milan = certificate(vcek(forge::Product::milan));
    const auto leaf = parse_amd_leaf_extension(milan).value().value();
    CHECK(leaf.product == Product::milan);
    CHECK(leaf.product_text == "Milan-B0");
    CHECK(leaf.tcb == TcbVersion{std::nullopt, 4, 0, 27, 220});
    CHECK(leaf.hw_id.size() == 64);
    CHECK(leaf.is_vcek());
    const Certificate vlek = certificate(
        amd(forge::Product::milan)
            .vlek_spec("CN=cc.example.com", forge::SnpTcb::typical(forge::Product::milan)));
    const auto other = parse_amd_leaf_extension(vlek).value().value();
    CHECK_FALSE(other.is_vcek());
    CHECK(other.csp_id == "CN=cc.example.com");
    const Certificate turin = certificate(vcek(forge::Product::turin));
    const auto third = parse_amd_leaf_extension(turin).value().value();
    CHECK(third.tcb.fmc == 1);
    CHECK(third.hw_id.size() == 8);
}

TEST_CASE("AMD leaf: bare hardware ids that begin like DER are bare all the same", "[quote][amd]") {
    const auto product = GENERATE(forge::Product::milan, forge::Product::turin);
    const std::string head =
        GENERATE(as<std::string>{}, "0201", "0440", "0408", "0406", "043e", "3006");
    forge::CertificateSpec spec = vcek(product);
    Bytes id(forge::hwid_len(product), 0x77);
    const Bytes start = from_hex(head, "head").value();
    std::copy(start.begin(), start.end(), id.begin());
    value_of(spec, "4") = id;
    const Certificate leaf = certificate(spec);
    CHECK(equal(parse_amd_leaf_extension(leaf).value()->hw_id, id));
    value_of(spec, "4") = fder::octet_string(id);  // the wrapped form has two bytes more
    const Certificate wrapped = certificate(spec);
    CHECK(equal(parse_amd_leaf_extension(wrapped).value()->hw_id, id));
}

TEST_CASE("AMD leaf: each defect is refused", "[quote][amd]") {
    struct Row {
        const char* name;
        forge::Product product;
        void (*spoil)(forge::CertificateSpec&);
        Errc want = Errc::chain_extension;
    };
    const Row row = GENERATE(values<Row>({
        {"a non-minimal SPL", forge::Product::milan, [](auto& s) { value_of(s, "3.1") = {0x02, 0x02, 0x00, 0x04}; }},
        {"an SPL of 256", forge::Product::milan, [](auto& s) { value_of(s, "3.8") = fder::integer(256); }},
        {"a negative SPL", forge::Product::milan, [](auto& s) { value_of(s, "3.8") = {0x02, 0x01, 0xdc}; }},
        {"two INTEGERs", forge::Product::milan, [](auto& s) { value_of(s, "3.1") = {0x02, 0x01, 0x03, 0x02, 0x01, 0x04}; }},
        {"a byte without DER", forge::Product::milan, [](auto& s) { value_of(s, "3.1") = {0x04}; }},
        {"an empty SPL", forge::Product::milan, [](auto& s) { value_of(s, "3.1").clear(); }},
        {"SPL 4 that is not zero", forge::Product::milan, [](auto& s) { value_of(s, "3.4") = fder::integer(1); }},
        {"SPL 7 that is not zero", forge::Product::turin, [](auto& s) { value_of(s, "3.7") = fder::integer(1); }},
        {"no boot loader SPL", forge::Product::milan, [](auto& s) { forge::remove_extension(s.extensions, oid("3.1")); }},
        {"no TEE SPL", forge::Product::milan, [](auto& s) { forge::remove_extension(s.extensions, oid("3.2")); }},
        {"no SNP SPL", forge::Product::milan, [](auto& s) { forge::remove_extension(s.extensions, oid("3.3")); }},
        {"no microcode SPL", forge::Product::milan, [](auto& s) { forge::remove_extension(s.extensions, oid("3.8")); }},
        {"no SPL 4 on Milan", forge::Product::milan, [](auto& s) { forge::remove_extension(s.extensions, oid("3.4")); }},
        {"no SPL 6 on Turin", forge::Product::turin, [](auto& s) { forge::remove_extension(s.extensions, oid("3.6")); }},
        {"no FMC SPL on Turin", forge::Product::turin, [](auto& s) { forge::remove_extension(s.extensions, oid("3.9")); }},
        {"an FMC SPL on Milan", forge::Product::milan, [](auto& s) { s.extensions.push_back({oid("3.9"), false, fder::integer(1)}); }},
        {"no structVersion", forge::Product::milan, [](auto& s) { forge::remove_extension(s.extensions, oid("1")); }},
        {"no productName", forge::Product::milan, [](auto& s) { forge::remove_extension(s.extensions, oid("2")); }},
        {"a productName in UTF-8", forge::Product::milan,
         [](auto& s) { value_of(s, "2") = fder::text(fder::Tag::utf8_string, "Milan-B0"); }},
        {"an empty productName", forge::Product::milan, [](auto& s) { value_of(s, "2") = fder::text(fder::Tag::ia5_string, ""); }},
        {"a productName that steers a terminal", forge::Product::milan,
         [](auto& s) { value_of(s, "2") = fder::text(fder::Tag::ia5_string, "Milan-\x1b[2J"); }},
        {"another product", forge::Product::milan,
         [](auto& s) { value_of(s, "2") = fder::text(fder::Tag::ia5_string, "Venice"); }, Errc::product_unknown},
        {"a product in other letters", forge::Product::milan,
         [](auto& s) { value_of(s, "2") = fder::text(fder::Tag::ia5_string, "milan-B0"); }, Errc::product_unknown},
        {"neither hwID nor cspID", forge::Product::milan, [](auto& s) { forge::remove_extension(s.extensions, oid("4")); }},
        {"hwID and cspID", forge::Product::milan,
         [](auto& s) { s.extensions.push_back({oid("5"), false, fder::text(fder::Tag::ia5_string, "CN=a")}); }},
        {"a hwID of 63 bytes", forge::Product::milan, [](auto& s) { value_of(s, "4").pop_back(); }},
        {"a hwID of 66 bytes that is not wrapped", forge::Product::milan, [](auto& s) { value_of(s, "4").assign(66, 0x04); }},
        {"an empty hwID", forge::Product::milan, [](auto& s) { value_of(s, "4").clear(); }},
        {"Turin's hwID on Milan", forge::Product::milan, [](auto& s) { value_of(s, "4").resize(8); }},
        {"Milan's hwID on Turin", forge::Product::turin, [](auto& s) { value_of(s, "4").resize(64); }},
        {"an unknown extension under the arc", forge::Product::milan,
         [](auto& s) { s.extensions.push_back({oid("6"), false, fder::null()}); }},
        {"an unknown SPL", forge::Product::milan, [](auto& s) { s.extensions.push_back({oid("3.10"), false, fder::integer(0)}); }},
        {"a longer OID", forge::Product::milan, [](auto& s) { s.extensions.push_back({oid("3.1.1"), false, fder::integer(0)}); }},
    }));
    INFO(row.name);
    forge::CertificateSpec spec = vcek(row.product);
    row.spoil(spec);
    REQUIRE_ERRC(row.want, parse_amd_leaf_extension(certificate(spec)));
}

TEST_CASE("AMD leaf: a certificate without extensions under the arc has none", "[quote][amd]") {
    forge::CertificateSpec spec = vcek(forge::Product::milan);
    std::erase_if(spec.extensions, [](const auto& e) { return e.oid.starts_with(forge::kAmdArc); });
    CHECK_FALSE(parse_amd_leaf_extension(certificate(spec)).value());
}

TEST_CASE("AMD leaf: recorded leaves read, each for its product", "[quote][amd]") {
    NEED_VECTORS(dir, "snp/cases");
    std::size_t read = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir)) {
        const std::string name = entry.path().filename().string();
        for (const char* file : {"vcek.der", "vlek.der"}) {
            if (!std::filesystem::exists(entry.path() / file)) continue;
            INFO(name);
            const Certificate certificate =
                Certificate::parse(test::load_file(entry.path() / file)).value();
            const auto leaf = parse_amd_leaf_extension(certificate);
            REQUIRE_OK(leaf);
            REQUIRE(*leaf);
            CHECK(name.starts_with((*leaf)->product == Product::milan   ? "milan"
                                   : (*leaf)->product == Product::genoa ? "genoa"
                                                                        : "turin"));
            CHECK((*leaf)->is_vcek() == (std::string_view(file) == "vcek.der"));
            ++read;
        }
    }
    CHECK(read >= 17);
}

}  // namespace
}  // namespace attestd::leaf_extension_test
