// What the cloud's metadata service may answer, and what is made of it.
#include "agent/azure_vtpm/metadata.h"

#include "quote/base/base64url.h"
#include "quote/x509/pem.h"
#include "tests/support/catch.h"
#include "tests/support/forge/case_forge.h"
#include "tests/unit/azure_vtpm/azure_samples.h"

namespace attestd::test {
namespace {

std::string in_json(std::string text) {
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2)
        text.replace(at, 1, "\\n");
    return text;
}

std::string certificate(std::uint8_t fill) { return to_pem("CERTIFICATE", Bytes(100, fill)); }

std::string certification(const std::string& vcek, const std::string& chain) {
    return R"({"vcekCert":")" + in_json(vcek) + R"(","tcbm":"x","certificateChain":")" +
           in_json(chain) + R"("})";
}

Result<vtpm::SnpEndorsements> ask_snp(FetchResponse response) {
    FakeFetcher fetcher;
    fetcher.answer = [&](const FetchRequest&) -> Result<FetchResponse> { return response; };
    return vtpm::Metadata(fetcher).snp_endorsements({});
}

struct Td {
    forge::TdBody body;
    Bytes quote;

    Td() {
        body.report_data.fill(9);
        forge::QuoteSpec spec = forge::tdx_v4();
        spec.body = body;
        const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                          forge::IntelValidity::around(Time{}));
        quote = forge::forge_quote(spec, intel, intel.pck(forge::PckFields{}));
    }
    [[nodiscard]] Bytes report() const { return forge::tdreport_bytes(body); }
};

}  // namespace

TEST_CASE("metadata: VCEK and issuers come as DER, asked for with the service's header",
          "[azure_vtpm]") {
    FakeFetcher fetcher;
    fetcher.answer = [](const FetchRequest&) -> Result<FetchResponse> {
        return ok_response(certification(certificate(1), certificate(2) + certificate(3)));
    };
    const auto got = vtpm::Metadata(fetcher).snp_endorsements({});
    REQUIRE_OK(got);
    CHECK(got->vcek == Bytes(100, 1));
    REQUIRE(got->issuers.size() == 2);
    CHECK(got->issuers[1] == Bytes(100, 3));
    REQUIRE(fetcher.asked.size() == 1);
    CHECK(fetcher.asked[0].url == "http://169.254.169.254/metadata/THIM/amd/certification");
    CHECK(fetcher.asked[0].headers ==
          std::vector<std::pair<std::string, std::string>>{{"Metadata", "true"}});
}

TEST_CASE("metadata: an answer that is no certification is fetch.protocol", "[azure_vtpm]") {
    struct Row {
        const char* name;
        std::string body;
    };
    std::string six;
    for (std::uint8_t i = 0; i < 6; ++i) six += certificate(i);
    const auto row = GENERATE_REF(values<Row>({
        {"empty", ""},
        {"no JSON", "<html>"},
        {"no VCEK", R"({"certificateChain":"x"})"},
        {"no chain", R"({"vcekCert":")" + in_json(certificate(1)) + R"("})"},
        {"no PEM", certification("x", certificate(1))},
        {"two VCEKs", certification(certificate(1) + certificate(2), certificate(1))},
        {"a key in place of it", certification(to_pem("PRIVATE KEY", Bytes(9, 1)), certificate(1))},
        {"six issuers", certification(certificate(1), six)},
    }));
    INFO(row.name);
    REQUIRE_ERRC(Errc::fetch_protocol, ask_snp(ok_response(row.body)));
}

TEST_CASE("metadata: another status than 200 is fetch.protocol, with the status", "[azure_vtpm]") {
    FetchResponse response = ok_response(certification(certificate(1), certificate(2)));
    response.status = GENERATE(as<unsigned>{}, 204, 404, 429, 500);
    const auto got = ask_snp(response);
    REQUIRE_ERRC(Errc::fetch_protocol, got);
    CHECK_THAT(got.error().detail, ContainsSubstring(std::to_string(response.status)));
}

TEST_CASE(
    "metadata: the TDREPORT is sent as base64url, and its quote is taken with padding or "
    "without",
    "[azure_vtpm]") {
    const Td td;
    const auto padding = GENERATE(Base64Padding::none, Base64Padding::full);
    FakeFetcher fetcher;
    fetcher.answer = [&](const FetchRequest&) -> Result<FetchResponse> {
        return ok_response(R"({"quote":")" + to_base64url(td.quote, padding) + R"("})");
    };
    const auto got = vtpm::Metadata(fetcher).td_quote(td.report(), {});
    REQUIRE_OK(got);
    CHECK(*got == td.quote);
    REQUIRE(fetcher.asked.size() == 1);
    CHECK(fetcher.asked[0].method == "POST");
    CHECK(as_text(fetcher.asked[0].body) == R"({"report":")" + to_base64url(td.report()) + R"("})");
}

TEST_CASE("metadata: what is no quote of this TDREPORT is refused by what is wrong",
          "[azure_vtpm]") {
    const Td td;
    Bytes other = td.quote, cut = td.quote;
    other[568] ^= 1;
    cut.resize(600);
    struct Row {
        const char* name;
        std::string body;
        Errc want;
    };
    const auto quoted = [](ByteView quote) {
        return R"({"quote":")" + to_base64url(quote) + R"("})";
    };
    const auto row = GENERATE_REF(values<Row>({
        {"of other report data", quoted(other), Errc::platform_wrong_echo},
        {"cut off", quoted(cut), Errc::fetch_protocol},
        {"base64 of the other alphabet", R"({"quote":"++//"})", Errc::fetch_protocol},
        {"no quote", "{}", Errc::fetch_protocol},
    }));
    INFO(row.name);
    FakeFetcher fetcher;
    fetcher.answer = [&](const FetchRequest&) -> Result<FetchResponse> {
        return ok_response(row.body);
    };
    REQUIRE_ERRC(row.want, vtpm::Metadata(fetcher).td_quote(td.report(), {}));
}

}  // namespace attestd::test
