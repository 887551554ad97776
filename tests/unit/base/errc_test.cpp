// The table of error codes: complete, unambiguous, and in the form that the API promises.
#include "quote/base/errc.h"

#include <algorithm>
#include <set>
#include <string>

#include "quote/base/result.h"
#include "tests/support/catch.h"

using namespace attestd;

TEST_CASE("Errc: every name is `step.name` in lower case and there once", "[base][errc]") {
    std::set<std::string_view> seen;
    for (const ErrcInfo& info : all_errcs()) {
        INFO(info.name);
        CHECK(seen.insert(info.name).second);
        const auto dot = info.name.find('.');
        REQUIRE(dot != std::string_view::npos);
        CHECK((dot > 0 && dot + 1 < info.name.size()));
        CHECK(info.name.find('.', dot + 1) == std::string_view::npos);
        CHECK(info.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-.") ==
              std::string_view::npos);
    }
}

TEST_CASE("Errc: every meaning is one sentence", "[base][errc]") {
    for (const ErrcInfo& info : all_errcs()) {
        INFO(info.name);
        REQUIRE(info.meaning.size() > 10);
        CHECK(info.meaning.back() == '.');
        CHECK(info.meaning.find('\n') == std::string_view::npos);
        CHECK(info.meaning.find(". ") == std::string_view::npos);
    }
}

TEST_CASE("Errc: look-ups agree with the table, and a foreign number is a bug", "[base][errc]") {
    for (const ErrcInfo& info : all_errcs()) {
        CHECK(errc_name(info.code) == info.name);
        CHECK(errc_meaning(info.code) == info.meaning);
    }
    CHECK(errc_name(static_cast<Errc>(0)) == "internal.bug");
    CHECK(errc_name(static_cast<Errc>(255)) == "internal.bug");
    CHECK(errc_name(Errc::internal) == "internal.bug");
}

TEST_CASE("Errc: only the codes that end in `missing` and speak of what may be given are absences",
          "[base][errc]") {
    const auto count = std::count_if(all_errcs().begin(), all_errcs().end(),
                                     [](const ErrcInfo& info) { return is_absence(info.code); });
    CHECK(count == 7);
    for (const ErrcInfo& info : all_errcs()) {
        const bool missing = info.name.ends_with(".missing");
        INFO(info.name);
        CHECK(is_absence(info.code) == missing);
    }
    CHECK_FALSE(is_absence(Errc::missing_key));
}

TEST_CASE("Error: its text is the stable name and the detail", "[base][errc]") {
    const Error error{Errc::crl_expired, "root CRL: ended yesterday"};
    CHECK(to_string(error) == "crl.expired: root CRL: ended yesterday");
    const auto outer = fail_in("collateral.json", error).value();
    CHECK(to_string(outer) == "crl.expired: collateral.json: root CRL: ended yesterday");
}
