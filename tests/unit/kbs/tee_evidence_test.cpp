// Evidence in the JSON that brokers take.
#include "agent/kbs/tee_evidence.h"

#include <nlohmann/json.hpp>

#include "agent/kbs/runtime_data.h"
#include "quote/base/encoding.h"
#include "quote/boot/event_log.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"
#include "tests/support/vectors.h"

namespace attestd::kbs::tee_evidence_test {
namespace {

using nlohmann::json;

const Bytes kDigest(48, 0x5a);

Bytes bytes_of(const json& numbers) { return numbers.get<Bytes>(); }

Evidence snp_evidence_of(const forge::SnpFields& fields) {
    static const forge::SigningKey key(KeyKind::p384);
    Evidence out{Tee::snp, forge::forge_report(fields, key), {}, {}, "test"};
    return out;
}

forge::SnpFields fields_of(forge::Product product, std::uint32_t version) {
    forge::SnpFields fields = forge::snp_fields(product, version);
    fields.report_data = report_data_of(kDigest);
    return fields;
}

Evidence tdx_evidence_of(const std::vector<forge::LogEvent>& measured,
                         const std::vector<forge::LogEvent>& logged) {
    using forge::IntelHierarchy, forge::IntelValidity;
    static const IntelHierarchy intel(
        forge::shared_intel_keys(), IntelValidity::around(Time(std::chrono::seconds(1700000000))));
    forge::QuoteSpec spec = forge::tdx_v4();
    forge::TdBody body;
    body.report_data = report_data_of(kDigest);
    body.rtmr = forge::replay(measured);
    spec.body = body;
    Evidence out{Tee::tdx, forge::forge_quote(spec, intel, intel.pck({})), {}, {}, "test"};
    out.event_log = forge::event_log(logged, /*area_len=*/65536);
    return out;
}

}  // namespace

TEST_CASE("key broker: TEEs by the names of each release", "[kbs]") {
    const TeeKind azure_tdx{Tee::tdx, true}, azure_snp{Tee::snp, true};
    CHECK(tee_name_of({Tee::tdx}, TeeSpelling::legacy) == "tdx");
    CHECK(tee_name_of({Tee::snp}, TeeSpelling::current) == "snp");
    CHECK(tee_name_of(azure_tdx, TeeSpelling::current) == "az-tdx-vtpm");
    CHECK(tee_name_of(azure_snp, TeeSpelling::current) == "az-snp-vtpm");
    CHECK(tee_name_of(azure_tdx, TeeSpelling::legacy) == "aztdxvtpm");
    CHECK(tee_name_of(azure_snp, TeeSpelling::legacy) == "azsnpvtpm");
}

TEST_CASE("key broker: an SNP report goes as its members, byte for byte", "[kbs]") {
    forge::SnpFields fields = fields_of(forge::Product::genoa, 5);
    fields.set_tcbs({{}, 1, 2, 3, 4}, forge::Product::genoa);
    fields.launch_mit_vector = 7;
    const Evidence evidence = snp_evidence_of(fields);
    const auto made = primary_evidence(evidence, kDigest);
    REQUIRE_OK(made);
    CHECK(made->at("cert_chain").is_null());
    const json& report = made->at("attestation_report");
    const ByteView bytes = evidence.quote;
    CHECK(report.at("version") == 5);
    CHECK(report.at("policy") == fields.policy);
    CHECK(equal(bytes_of(report.at("report_data")), bytes.subspan(0x50, 64)));
    CHECK(equal(bytes_of(report.at("measurement")), bytes.subspan(0x90, 48)));
    CHECK(equal(bytes_of(report.at("chip_id")), bytes.subspan(0x1a0, 64)));
    CHECK(equal(bytes_of(report.at("signature").at("r")), bytes.subspan(0x2a0, 72)));
    CHECK(equal(bytes_of(report.at("signature").at("s")), bytes.subspan(0x2e8, 72)));
    CHECK(report.at("reported_tcb") ==
          json{{"fmc", nullptr}, {"bootloader", 1}, {"tee", 2}, {"snp", 3}, {"microcode", 4}});
    CHECK(report.at("current") == json{{"major", 1}, {"minor", 55}, {"build", 29}});
    CHECK(report.at("launch_mit_vector") == 7);
    CHECK(report.size() == 29);
}

TEST_CASE("key broker: Turin's TCB has its own layout, and version 3 no mitigation vectors",
          "[kbs]") {
    forge::SnpFields fields = fields_of(forge::Product::turin, 3);
    fields.set_tcbs({9, 1, 2, 3, 4}, forge::Product::turin);
    const auto made = primary_evidence(snp_evidence_of(fields), kDigest);
    REQUIRE_OK(made);
    const json& report = made->at("attestation_report");
    CHECK(report.at("reported_tcb") ==
          json{{"fmc", 9}, {"bootloader", 1}, {"tee", 2}, {"snp", 3}, {"microcode", 4}});
    CHECK(report.at("launch_mit_vector").is_null());
    CHECK(report.at("current_mit_vector").is_null());
    CHECK(report.at("cpuid_fam_id") == 0x1a);
}

TEST_CASE("key broker: the host's certificates go along when a leaf is among them", "[kbs]") {
    Evidence evidence = snp_evidence_of(fields_of(forge::Product::milan, 3));
    const std::string_view other = "12345678-1234-1234-1234-123456789abc";
    evidence.endorsements = {Bytes{1, 2, 3}, forge::certificate_table({{forge::guid::kAsk, {1}},
                                                                       {forge::guid::kArk, {2}}})};
    CHECK(primary_evidence(evidence, kDigest).value().at("cert_chain").is_null());
    evidence.endorsements = {forge::certificate_table(
        {{forge::guid::kVcek, {1, 2}}, {forge::guid::kAsk, {3}}, {other, {4}}})};
    CHECK(primary_evidence(evidence, kDigest).value().at("cert_chain") ==
          json{{{"cert_type", "VCEK"}, {"data", {1, 2}}},
               {{"cert_type", "ASK"}, {"data", {3}}},
               {{"cert_type", {{"OTHER", other}}}, {"data", {4}}}});
}

TEST_CASE("key broker: a TDX quote goes with the event log that explains it, or without one",
          "[kbs]") {
    const auto events = forge::boot_events("quiet");
    const Evidence explained = tdx_evidence_of(events, events);
    const auto made = primary_evidence(explained, kDigest);
    REQUIRE_OK(made);
    CHECK(made->size() == 2);
    CHECK(from_base64(made->at("quote").get<std::string>(), "quote").value() == explained.quote);
    const Bytes log = from_base64(made->at("cc_eventlog").get<std::string>(), "log").value();
    const auto parsed = parse_event_log(log);
    REQUIRE_OK(parsed);
    CHECK(log.size() == parsed->bytes_used + 8);
    CHECK(log.back() == 0xff);

    auto more = events;
    more.push_back({4, forge::kEvIpl, {1}, {}});
    CHECK(primary_evidence(tdx_evidence_of(more, events), kDigest)
              .value()
              .at("cc_eventlog")
              .is_null());
    CHECK(primary_evidence(tdx_evidence_of(events, more), kDigest)
              .value()
              .at("cc_eventlog")
              .is_null());
    Evidence bare = explained;
    bare.event_log.clear();
    CHECK(primary_evidence(bare, kDigest).value().at("cc_eventlog").is_null());
    bare.event_log = {1, 2, 3};
    CHECK(primary_evidence(bare, kDigest).value().at("cc_eventlog").is_null());
}

TEST_CASE("key broker: evidence that no broker takes is refused here, by name", "[kbs]") {
    REQUIRE_ERRC(Errc::unsupported_version,
                 primary_evidence(snp_evidence_of(fields_of(forge::Product::milan, 2)), kDigest));
    forge::SnpFields fields = fields_of(forge::Product::milan, 3);
    fields.vmpl = 2;
    REQUIRE_ERRC(Errc::platform_unsupported, primary_evidence(snp_evidence_of(fields), kDigest));
    Evidence svsm = snp_evidence_of(fields_of(forge::Product::milan, 3));
    svsm.service_manifest = {1};
    REQUIRE_ERRC(Errc::platform_unsupported, primary_evidence(svsm, kDigest));
    const auto events = forge::boot_events("quiet");
    const Bytes another(48, 0x5b);
    REQUIRE_ERRC(Errc::platform_wrong_echo,
                 primary_evidence(snp_evidence_of(fields_of(forge::Product::milan, 3)), another));
    REQUIRE_ERRC(Errc::platform_wrong_echo,
                 primary_evidence(tdx_evidence_of(events, events), another));
}

TEST_CASE("key broker: Azure's evidence goes as recorded, with the digest that its vTPM signed",
          "[kbs]") {
    NEED_VECTORS(dir, "kbs");
    const Bytes text = test::load_file(dir / "az-snp-vtpm-evidence-v2.json");
    const Evidence evidence{Tee::snp, text, {}, {}, "test"};
    REQUIRE(kind_of(evidence) == TeeKind{Tee::snp, true});
    const Bytes digest = from_hex(
                             "982f5c6e45df0ed3f10b6f60b02f0c8390e281300f3805e2279c16168cd6ae9a"
                             "a398f647caa2338748cd0fd9f5f819ef",
                             "digest")
                             .value();
    const auto made = primary_evidence(evidence, digest);
    REQUIRE_OK(made);
    CHECK(*made == json::parse(as_text(text)));
    REQUIRE_ERRC(Errc::platform_wrong_echo, primary_evidence(evidence, kDigest));
    const Evidence older{
        Tee::snp, test::load_file(dir / "az-snp-vtpm-evidence-v1.json"), {}, {}, "test"};
    REQUIRE_ERRC(Errc::unsupported_version,
                 primary_evidence(older, as_bytes(std::string_view("challenge"))));
}

}  // namespace attestd::kbs::tee_evidence_test
