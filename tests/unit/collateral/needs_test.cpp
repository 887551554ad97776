// Which endorsements evidence calls for, and what a bundle is.
#include "agent/collateral/needs.h"

#include "agent/collateral/bundle.h"
#include "quote/base/encoding.h"
#include "tests/support/forge/report_forge.h"
#include "tests/unit/collateral/fake_services.h"

namespace attestd::needs_test {
namespace {

using test::Machine;
using Names = std::vector<std::string>;

constexpr Time kNow{std::chrono::seconds(1'790'000'000)};

Names names_of(const std::vector<EndorsementId>& ids) {
    Names out;
    for (const EndorsementId& id : ids) out.push_back(endorsement_name(id));
    return out;
}

Names needs_of(const char* kind) {
    const Machine machine(kind, kNow);
    const auto ids = needed_endorsements(machine.evidence, {});
    REQUIRE_OK(ids);
    return names_of(*ids);
}

TEST_CASE("needs: a TDX and an SGX quote name their platform's documents and lists",
          "[collateral]") {
    CHECK(needs_of("tdx-v4") == Names{"intel-tcb-tdx-70c06f000000", "intel-qe-tdx",
                                      "intel-crl-platform", "intel-crl-root"});
    CHECK(needs_of("sgx-v3") == Names{"intel-tcb-sgx-70c06f000000", "intel-qe-sgx",
                                      "intel-crl-platform", "intel-crl-root"});
}

TEST_CASE(
    "needs: a report names its product's issuers, its chip's VCEK at the reported TCB, and a "
    "list",
    "[collateral]") {
    const Names turin = needs_of("snp-turin-v5");
    REQUIRE(turin.size() == 3);
    CHECK(turin[0] == "amd-issuers-turin");
    CHECK(turin[1].starts_with("amd-vcek-turin-"));
    CHECK(turin[1].size() < 80);  // eight bytes of the chip's id
    CHECK(turin[2] == "amd-crl-turin");
    CHECK(needs_of("snp-milan-v5-vlek") == Names{"amd-vlek-issuers-milan", "amd-crl-milan-vlek"});
}

TEST_CASE("needs: a version 2 report is told its product by a certificate, or not at all",
          "[collateral]") {
    const Machine machine("snp-genoa-v2", kNow);
    REQUIRE_ERRC(Errc::product_unknown, needed_endorsements(machine.evidence, {}));
    const auto files = forge::forge_case("snp-genoa-v2", kNow);
    Endorsements given;
    REQUIRE_OK(given.add(forge::content_of(*files, "leaf.der"), "leaf"));
    CHECK(names_of(needed_endorsements(machine.evidence, given).value())[0] == "amd-issuers-genoa");
}

TEST_CASE("needs: a masked chip id is never asked for", "[collateral]") {
    forge::SnpFields fields = forge::snp_fields(forge::Product::milan, 3);
    fields.chip_id = {};
    const Bytes report = forge::forge_report(fields, forge::shared_amd_keys().vcek);
    CHECK(names_of(needed_endorsements(report, {}).value()) ==
          Names{"amd-issuers-milan", "amd-crl-milan"});
}

TEST_CASE("needs: what is no evidence, or was not signed, needs nothing", "[collateral]") {
    REQUIRE_ERRC(Errc::unknown_format, needed_endorsements(Bytes(100, 0x41), {}));
    REQUIRE_ERRC(Errc::unknown_format, needed_endorsements({}, {}));
    forge::SnpFields fields = forge::snp_fields(forge::Product::milan, 3);
    fields.set_signing_key(forge::ReportKey::none);
    REQUIRE_ERRC(Errc::report_unsigned, needed_endorsements(forge::report_bytes(fields), {}));
}

TEST_CASE("bundle: what was put in comes out", "[collateral][bundle]") {
    const Bundle bundle{{1, 2, 3}, {4}, {{"a.pem", {5, 6}}, {"b \"\\ \x01", {}}}};
    const std::string text = write_bundle(bundle);
    CHECK(looks_like_bundle(as_bytes(text)));
    const auto back = parse_bundle(as_bytes(text), "x");
    REQUIRE_OK(back);
    CHECK(back->evidence == bundle.evidence);
    CHECK(back->event_log == bundle.event_log);
    REQUIRE(back->endorsements.size() == 2);
    CHECK(back->endorsements[1].name == bundle.endorsements[1].name);
    CHECK(write_bundle(*back) == text);
}

TEST_CASE("bundle: anything but its form is refused with the place", "[collateral][bundle]") {
    struct Row {
        const char *text, *place;
    };
    const auto row = GENERATE(values<Row>(
        {{R"({"attestd_bundle":2,"endorsements":[]})", "attestd_bundle"},
         {R"({"attestd_bundle":1})", "endorsements"},
         {R"({"attestd_bundle":1,"endorsements":[],"more":1})", "more"},
         {R"({"attestd_bundle":1,"attestd_bundle":1,"endorsements":[]})", "attestd_bundle"},
         {R"({"attestd_bundle":1,"evidence":"*","endorsements":[]})", "evidence"},
         {R"({"attestd_bundle":1,"endorsements":[{"name":"a"}]})", "data"},
         {R"({"attestd_bundle":1,"endorsements":[{"name":"a","data":"","x":0}]})", "x"},
         {R"({"attestd_bundle":1,"endorsements":[3]})", "endorsements"},
         {R"({"attestd_bundle":1,"endorsements":[)", "f.json"}}));
    const auto parsed = parse_bundle(as_bytes(row.text), "f.json");
    REQUIRE_ERRC(Errc::bundle_malformed, parsed);
    CAPTURE(parsed.error().detail);
    CHECK(parsed.error().detail.find(row.place) != std::string::npos);
    CHECK(parsed.error().detail.find("f.json") != std::string::npos);
}

TEST_CASE("bundle: counts as its endorsements wherever a file of them is taken",
          "[collateral][bundle]") {
    const auto files = forge::forge_case("snp-milan-v3", kNow);
    const Bundle bundle{{},
                        {},
                        {{"leaf", forge::content_of(*files, "leaf.der")},
                         {"crl", forge::content_of(*files, "crl.der")}}};
    Endorsements out;
    REQUIRE_OK(add_endorsement_file(out, as_bytes(write_bundle(bundle)), "b.json"));
    CHECK(out.certificates().size() == 1);
    CHECK(out.crls().size() == 1);
    const Bundle spoilt{{}, {}, {{"junk", {1, 2, 3}}}};
    REQUIRE_ERRC(Errc::unknown_format,
                 add_endorsement_file(out, as_bytes(write_bundle(spoilt)), "b.json"));
}

}  // namespace
}  // namespace attestd::needs_test
