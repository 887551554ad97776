// The key brokers' JSON around Azure evidence (`spec/kbs.md` section 5.4).
#include "quote/azure/azure_evidence.h"

#include <nlohmann/json.hpp>

#include "quote/base/base64url.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/vectors.h"

namespace attestd {
namespace {

using nlohmann::json;

json sound() {
    json out;
    out["version"] = 2;
    out["hcl_report"] = to_base64url(Bytes(64, 0xfb), Base64Padding::full);
    out["vcek"] = to_base64url(Bytes(5, 1), Base64Padding::full);
    out["tpm_quote"] = {{"message", "ff54"}, {"signature", "0102"}};
    for (int i = 0; i < 24; ++i) out["tpm_quote"]["pcrs"].push_back(std::string(64, '1'));
    return out;
}

Result<AzureEvidence> parse(const json& value) { return parse_azure_evidence(value.dump(), "f"); }

}  // namespace

TEST_CASE("Azure evidence: what is written is read, in both versions", "[quote][azure]") {
    json value = sound();
    const auto evidence = parse(value);
    REQUIRE_OK(evidence);
    CHECK(evidence->user_data == UserDataRule::nonce);
    CHECK(evidence->hcl_blob == Bytes(64, 0xfb));
    CHECK(evidence->vcek == Bytes(5, 1));
    CHECK(evidence->td_quote.empty());
    REQUIRE(evidence->vtpm_quote);
    CHECK(evidence->vtpm_quote->message == Bytes{0xff, 0x54});
    CHECK(evidence->vtpm_quote->pcrs[23] == array_from_hex<32>(std::string(64, '1'), "").value());
    CHECK(json::parse(write_azure_evidence(*evidence)) == value);
    value["version"] = 1;
    value["td_quote"] = "AAAA";
    value.erase("vcek");
    value.erase("tpm_quote");
    const auto bare = parse(value);
    REQUIRE_OK(bare);
    CHECK(bare->user_data == UserDataRule::free);
    CHECK_FALSE(bare->vtpm_quote.has_value());
    CHECK(json::parse(write_azure_evidence(*bare)) == value);
}

TEST_CASE("Azure evidence: other forms are refused by name", "[quote][azure]") {
    struct Row {
        const char* name;
        void (*spoil)(json&);
        Errc want;
    };
    const auto row = GENERATE(values<Row>({
        {"version 0", [](json& v) { v["version"] = 0; }, Errc::unsupported_version},
        {"version 3", [](json& v) { v["version"] = 3; }, Errc::unsupported_version},
        {"version as text", [](json& v) { v["version"] = "2"; }, Errc::wrong_type},
        {"no version", [](json& v) { v.erase("version"); }, Errc::missing_key},
        {"no blob", [](json& v) { v.erase("hcl_report"); }, Errc::missing_key},
        {"an empty blob", [](json& v) { v["hcl_report"] = ""; }, Errc::bad_length},
        {"a blob in the other alphabet", [](json& v) { v["hcl_report"] = "+/=="; },
         Errc::bad_encoding},
        {"a blob without padding", [](json& v) { v["hcl_report"] = "AA"; }, Errc::bad_encoding},
        {"a blob as numbers",
         [](json& v) {
             v["hcl_report"] = {72, 67};
         },
         Errc::wrong_type},
        {"a blob over its maximum", [](json& v) { v["hcl_report"] = std::string(4 * 5462, 'A'); },
         Errc::bad_length},
        {"an unknown member", [](json& v) { v["ak_pub"] = "AAAA"; }, Errc::unknown_key},
        {"a key beside the quote", [](json& v) { v["tpm_quote"]["ak_pub"] = "AAAA"; },
         Errc::unknown_key},
        {"23 PCRs", [](json& v) { v["tpm_quote"]["pcrs"].erase(23); }, Errc::bad_length},
        {"25 PCRs", [](json& v) { v["tpm_quote"]["pcrs"].push_back(std::string(64, '1')); },
         Errc::too_large},
        {"a SHA-384 PCR", [](json& v) { v["tpm_quote"]["pcrs"][4] = std::string(96, '1'); },
         Errc::bad_encoding},
        {"no signature", [](json& v) { v["tpm_quote"].erase("signature"); }, Errc::missing_key},
        {"a message over its maximum",
         [](json& v) { v["tpm_quote"]["message"] = std::string(2050, '0'); }, Errc::too_large},
    }));
    INFO(row.name);
    json value = sound();
    row.spoil(value);
    REQUIRE_ERRC(row.want, parse(value));
}

TEST_CASE("Azure evidence: recognised by its members", "[quote][azure]") {
    CHECK(looks_like_azure_evidence(sound().dump()));
    CHECK_FALSE(looks_like_vtpm_quote(sound().dump()));
    CHECK(looks_like_vtpm_quote(sound()["tpm_quote"].dump()));
    CHECK_FALSE(looks_like_azure_evidence("{}"));
    CHECK_FALSE(looks_like_azure_evidence("HCLA"));
    CHECK_FALSE(looks_like_vtpm_quote("[]"));
}

TEST_CASE("vTPM quote: the quote of a vector's file and of a key broker's evidence",
          "[quote][azure]") {
    json value = sound()["tpm_quote"];
    REQUIRE_OK(parse_vtpm_quote(value.dump(), "f"));
    value["pcrs_sha256"] = value["pcrs"];
    REQUIRE_ERRC(Errc::unknown_key, parse_vtpm_quote(value.dump(), "f"));  // not both
    value.erase("pcrs");
    REQUIRE_OK(parse_vtpm_quote(value.dump(), "f"));
}

TEST_CASE("Azure evidence: every recorded evidence is read and written back", "[quote][azure]") {
    NEED_VECTORS(dir, "kbs");
    for (const char* name : {"az-snp-vtpm-evidence-v1.json", "az-snp-vtpm-evidence-v2.json",
                             "az-tdx-vtpm-evidence-v1.json"}) {
        INFO(name);
        const std::string text = test::load_text(dir / name);
        const auto evidence = parse_azure_evidence(text, name);
        REQUIRE_OK(evidence);
        CHECK(looks_like_azure_evidence(text));
        CHECK(evidence->hcl_blob.size() == 2600);
        CHECK(evidence->vtpm_quote.has_value());
        CHECK(evidence->td_quote.empty() == (std::string_view(name).find("snp") == 3));
        CHECK(json::parse(write_azure_evidence(*evidence)) == json::parse(text));
    }
}

}  // namespace attestd
