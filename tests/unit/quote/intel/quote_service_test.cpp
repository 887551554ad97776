// The quote service's messages, and that nothing but a quote of the report that was sent is taken.
#include "quote/intel/quote_service.h"

#include <algorithm>
#include <functional>

#include "quote/base/reader.h"
#include "quote/base/time.h"
#include "tests/support/catch.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/tdreport_forge.h"

namespace attestd::test {
namespace {

ByteArray<64> service_report_data() {
    ByteArray<64> out{};
    out.fill(0x3c);
    return out;
}

Bytes quote_of(const forge::TdBody& body) {
    static const forge::IntelHierarchy intel(
        forge::shared_intel_keys(), forge::IntelValidity::around(Time(std::chrono::hours(480000))));
    static const Bytes leaf = intel.pck({});
    forge::QuoteSpec spec = forge::tdx_v4();
    spec.body = body;
    return forge::forge_quote(spec, intel, leaf);
}

forge::TdBody sample_body() {
    forge::TdBody body;
    body.report_data = service_report_data();
    return body;
}

Bytes sample_report() { return forge::tdreport(sample_body(), service_report_data()); }

void set32(Bytes& bytes, std::size_t at, std::uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) bytes.at(at + i) = static_cast<std::uint8_t>(value >> (8 * i));
}

Bytes answer_with(ByteView quote, ByteView id = {}) {
    Bytes out{1, 0, 1, 0};
    out.resize(24);
    set32(out, 4, 1);
    set32(out, 8, static_cast<std::uint32_t>(24 + id.size() + quote.size()));
    set32(out, 16, static_cast<std::uint32_t>(id.size()));
    set32(out, 20, static_cast<std::uint32_t>(quote.size()));
    out.insert(out.end(), id.begin(), id.end());
    out.insert(out.end(), quote.begin(), quote.end());
    return out;
}

}  // namespace

TEST_CASE("quote service: the request is the 1048 bytes that the service takes",
          "[quote][quote_service]") {
    ByteArray<kTdReportLen> report{};
    report.fill(0x5a);
    const Bytes request = quote_request(report);
    REQUIRE(request.size() == 1048);
    const Bytes head(request.begin(), request.begin() + 24);
    CHECK(head == Bytes{1, 0, 1, 0, 0, 0, 0, 0, 0x18, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0});
    CHECK(std::all_of(request.begin() + 24, request.end(), [](auto b) { return b == 0x5a; }));
}

TEST_CASE("quote service: an answer gives its quote, with and without an id",
          "[quote][quote_service]") {
    const Bytes quote{1, 2, 3, 4, 5}, id(16, 9);
    CHECK(parse_quote_answer(answer_with(quote)).value() == quote);
    CHECK(parse_quote_answer(answer_with(quote, id)).value() == quote);
    Bytes newer = answer_with(quote);
    newer[2] = 7;  // a minor version changes nothing
    CHECK(parse_quote_answer(newer).value() == quote);
}

TEST_CASE("quote service: each wrong answer is refused for its own reason",
          "[quote][quote_service]") {
    struct Row {
        const char* name;
        std::function<void(Bytes&)> change;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"major 2", [](Bytes& b) { b[0] = 2; }, "version 2"},
        {"a request", [](Bytes& b) { b[4] = 0; }, "type 0"},
        {"collateral", [](Bytes& b) { b[4] = 3; }, "type 3"},
        {"size too small", [](Bytes& b) { set32(b, 8, 28); }, "it says 28 bytes and has 29"},
        {"size too large", [](Bytes& b) { set32(b, 8, 0xffffffff); }, "it says 4294967295"},
        {"out of memory", [](Bytes& b) { set32(b, 12, 0x12002); }, "0x12002 (out of memory)"},
        {"its last error", [](Bytes& b) { set32(b, 12, 0x12007); }, "0x12007 (wrong code)"},
        {"another error", [](Bytes& b) { set32(b, 12, 0x12008); }, "0x12008 (not known)"},
        {"quote too long", [](Bytes& b) { set32(b, 20, 6); }, "a quote of 6 bytes in 5"},
        {"quote too short", [](Bytes& b) { set32(b, 20, 4); }, "a quote of 4 bytes in 5"},
        {"lengths that wrap",
         [](Bytes& b) {
             set32(b, 16, 0xffffffff);
             set32(b, 20, 6);
         },
         "an id of 4294967295"},
        {"cut in the head", [](Bytes& b) { b.resize(15); }, "error code"},
        {"nothing", [](Bytes& b) { b.clear(); }, "major"},
        {"too much", [](Bytes& b) { b.resize(kMaxQuoteServiceLen + 1); }, "too many"},
    }));
    INFO(row.name);
    Bytes answer = answer_with(Bytes{1, 2, 3, 4, 5});
    row.change(answer);
    const auto quote = parse_quote_answer(answer);
    REQUIRE_ERRC(Errc::quote_service, quote);
    CHECK_THAT(quote.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("quote service: the quote of the report that was sent is taken",
          "[quote][quote_service]") {
    const Bytes quote = quote_of(sample_body());
    auto matched = QuoteOfReport::match(sample_report(), quote);
    REQUIRE_OK(matched);
    CHECK(std::move(*matched).take() == quote);
}

TEST_CASE("quote service: a quote that differs in any measurement is refused, and named",
          "[quote][quote_service]") {
    struct Row {
        const char* name;
        std::function<void(forge::TdBody&)> change;
        Errc want = Errc::quote_service;
    };
    const auto row = GENERATE(values<Row>({
        {"report data", [](auto& b) { b.report_data[63] ^= 1; }, Errc::platform_wrong_echo},
        {"tee_tcb_svn", [](auto& b) { b.tee_tcb_svn[0] ^= 1; }},
        {"mrseam", [](auto& b) { b.mrseam[0] ^= 1; }},
        {"mrsignerseam", [](auto& b) { b.mrsignerseam[0] ^= 1; }},
        {"td_attributes", [](auto& b) { b.td_attributes ^= 1; }},
        {"xfam", [](auto& b) { b.xfam ^= 1; }},
        {"mrtd", [](auto& b) { b.mrtd[47] ^= 1; }},
        {"mrconfigid", [](auto& b) { b.mrconfigid[0] ^= 1; }},
        {"mrowner", [](auto& b) { b.mrowner[0] ^= 1; }},
        {"mrownerconfig", [](auto& b) { b.mrownerconfig[0] ^= 1; }},
        {"rtmr0", [](auto& b) { b.rtmr[0][0] ^= 1; }},
        {"rtmr1", [](auto& b) { b.rtmr[1][0] ^= 1; }},
        {"rtmr2", [](auto& b) { b.rtmr[2][0] ^= 1; }},
        {"rtmr3", [](auto& b) { b.rtmr[3][47] ^= 1; }},
    }));
    INFO(row.name);
    forge::TdBody body = sample_body();
    row.change(body);
    const auto matched = QuoteOfReport::match(sample_report(), quote_of(body));
    REQUIRE_ERRC(row.want, matched);
    CHECK_THAT(matched.error().detail, ContainsSubstring(row.name));
}

TEST_CASE("quote service: what is no TDX quote is refused", "[quote][quote_service]") {
    for (const Bytes& other : {Bytes{}, Bytes(1000), Bytes(sample_report())}) {
        const auto matched = QuoteOfReport::match(sample_report(), other);
        REQUIRE_ERRC(Errc::quote_service, matched);
        CHECK_THAT(matched.error().detail, ContainsSubstring("no TDX quote"));
    }
}

}  // namespace attestd::test
