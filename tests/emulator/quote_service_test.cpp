// The emulated quote service against the product's own reading of its messages.
#include "tests/emulator/quote_service.h"

#include <fcntl.h>

#include <algorithm>

#include "quote/intel/quote_service.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace attestd::devsim {
namespace {

struct EmulatedHost {
    test::TempDir dir;
    std::unique_ptr<Machine> machine;
    ReportData data{};
    ByteArray<kTdReportLen> report{};

    EmulatedHost() {
        Options options;
        options.tee = Tee::tdx;
        options.now = system_now();
        machine =
            Machine::create(options, open_file(dir.path(), O_RDONLY | O_DIRECTORY).value()).value();
        data.fill(0x42);
        const Bytes made = machine->tdreport(data).value();
        std::copy(made.begin(), made.end(), report.begin());
    }
    void told(Fault fault) const {
        Control control;
        control.fault = fault;
        REQUIRE_OK(machine->apply(control));
    }
    [[nodiscard]] Result<QuoteOfReport> ask() const {
        ATTESTD_TRY(Bytes quote,
                    parse_quote_answer(answer_quote_request(*machine, quote_request(report))));
        return QuoteOfReport::match(report, std::move(quote));
    }
};

}  // namespace

TEST_CASE("devsim: its quote service gives the quote of the TDREPORT that it is sent",
          "[emulator][quote_service]") {
    const EmulatedHost host;
    REQUIRE_OK(host.ask());
}

TEST_CASE("devsim: a register that was extended after the report makes it another machine's",
          "[emulator][quote_service]") {
    const EmulatedHost host;
    REQUIRE_OK(host.machine->extend(3, {}));
    const auto refused = host.ask();
    REQUIRE_ERRC(Errc::quote_service, refused);
    CHECK_THAT(refused.error().detail, test::ContainsSubstring("rtmr3"));
}

TEST_CASE("devsim: its quote service fails as it is told", "[emulator][quote_service]") {
    const EmulatedHost host;
    host.told(Fault::error);
    const auto refused = host.ask();
    REQUIRE_ERRC(Errc::quote_service, refused);
    CHECK_THAT(refused.error().detail, test::ContainsSubstring("0x12001"));
    host.told(Fault::garbage);
    REQUIRE_ERRC(Errc::quote_service, host.ask());
    host.told(Fault::wrong_report_data);
    REQUIRE_ERRC(Errc::platform_wrong_echo, host.ask());
    host.told(Fault::timeout);
    CHECK(answer_quote_request(*host.machine, quote_request(host.report)).empty());
    host.told(Fault::none);
    const auto short_request = parse_quote_answer(answer_quote_request(*host.machine, Bytes(16)));
    REQUIRE_ERRC(Errc::quote_service, short_request);
    CHECK_THAT(short_request.error().detail, test::ContainsSubstring("invalid parameter"));
}

}  // namespace attestd::devsim
