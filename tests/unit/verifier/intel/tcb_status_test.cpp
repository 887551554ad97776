// Convergence, table by table (`spec/tdx.md` sections 6.2 and 6.3, pitfalls 4 and 34).
#include "verifier/intel/tcb_status.h"

#include <array>

#include "tests/support/catch.h"

namespace attestd {
namespace {

using enum TcbStatus;

constexpr std::array kPlatform{up_to_date,
                               sw_hardening_needed,
                               configuration_needed,
                               configuration_and_sw_hardening_needed,
                               out_of_date,
                               out_of_date_configuration_needed,
                               revoked};

TEST_CASE("TCB status: a platform with a component, all of table 6.2", "[verifier][tcb]") {
    struct Row {
        TcbStatus platform, with_out_of_date;
    };
    const Row row = GENERATE(
        values<Row>({{up_to_date, out_of_date},
                     {sw_hardening_needed, out_of_date},
                     {configuration_needed, out_of_date_configuration_needed},
                     {configuration_and_sw_hardening_needed, out_of_date_configuration_needed},
                     {out_of_date, out_of_date},
                     {out_of_date_configuration_needed, out_of_date_configuration_needed},
                     {revoked, revoked}}));
    INFO(tcb_status_name(row.platform));
    CHECK(converge(row.platform, out_of_date) == row.with_out_of_date);
    CHECK(converge(row.platform, up_to_date) == row.platform);
    CHECK(converge(row.platform, revoked) == revoked);
}

TEST_CASE("TCB status: the order in which components are added does not matter",
          "[verifier][tcb]") {
    for (const TcbStatus platform : kPlatform) {
        for (const TcbStatus a : {up_to_date, out_of_date, revoked}) {
            for (const TcbStatus b : {up_to_date, out_of_date, revoked}) {
                CHECK(converge(converge(platform, a), b) == converge(converge(platform, b), a));
            }
        }
    }
}

// Every pair, against the rule of section 6.3 written down as sets.
TEST_CASE("TCB status: a TD relaunch is advised for exactly the pairs of 6.3", "[verifier][tcb]") {
    const auto name = [](TcbStatus s) { return std::string(tcb_status_name(s)); };
    const std::array old_launch{out_of_date, out_of_date_configuration_needed};
    const std::array good_current{up_to_date, sw_hardening_needed, configuration_needed,
                                  configuration_and_sw_hardening_needed};
    std::size_t advised = 0;
    for (const TcbStatus launch : kPlatform) {
        for (const TcbStatus current : kPlatform) {
            INFO(name(launch) << " then " << name(current));
            const TcbStatus got = relaunch_status(launch, current);
            const bool relaunch =
                std::count(old_launch.begin(), old_launch.end(), launch) != 0 &&
                std::count(good_current.begin(), good_current.end(), current) != 0;
            if (!relaunch) {
                CHECK(got == launch);
                continue;
            }
            ++advised;
            const bool configuration =
                (name(launch) + name(current)).find("Configuration") != std::string::npos;
            CHECK(got ==
                  (configuration ? td_relaunch_advised_configuration_needed : td_relaunch_advised));
        }
    }
    CHECK(advised == 8);
}

TEST_CASE("TCB status: names are Intel's, and each place takes only its own", "[verifier][tcb]") {
    for (const TcbStatus status : kPlatform) {
        CHECK(platform_status_from(tcb_status_name(status)) == status);
        const bool component = status == up_to_date || status == out_of_date || status == revoked;
        CHECK(component_status_from(tcb_status_name(status)).has_value() == component);
        CHECK(allowable_status_from(tcb_status_name(status)).has_value() == (status != revoked));
    }
    for (const TcbStatus status : {td_relaunch_advised, td_relaunch_advised_configuration_needed}) {
        CHECK_FALSE(platform_status_from(tcb_status_name(status)));
        CHECK_FALSE(component_status_from(tcb_status_name(status)));
        CHECK(allowable_status_from(tcb_status_name(status)) == status);
    }
    for (const char* text : {"", "Fine", "uptodate", "UPTODATE", "UpToDate ", "TcbNotSupported"}) {
        CHECK_FALSE(platform_status_from(text));
        CHECK_FALSE(component_status_from(text));
        CHECK_FALSE(allowable_status_from(text));
    }
    CHECK(tcb_status_name(td_relaunch_advised_configuration_needed) ==
          "TDRelaunchAdvisedConfigurationNeeded");
}

}  // namespace
}  // namespace attestd
