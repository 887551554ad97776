// Claims one by one say what `verify --json` prints: the same names, the same values.
#include "quote/claims.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"
#include "verifier/claims_json.h"

namespace attestd {
namespace {

using Json = nlohmann::ordered_json;
using test::IntelCase;
using test::SnpCase;

// {"current_tcb": {"snp": 1}} -> {"current_tcb.snp": 1}; without the report data, a nonce.
std::map<std::string, Json> flat(const Json& claims) {
    std::map<std::string, Json> out;
    for (const auto& [name, value] : claims.items()) {
        if (name == "report_data") continue;
        if (!value.is_object()) out.emplace(name, value);
        if (!value.is_object()) continue;
        for (const auto& [member, inner] : value.items()) out.emplace(name + "." + member, inner);
    }
    return out;
}

std::string json_text(const Json& value) {
    if (value.is_null()) return "not stated";
    return value.is_string() ? value.get<std::string>() : value.dump();
}

ClaimView view_of(const AttestationResult& result, const ClaimInfo& claim) {
    if (const auto* quote = std::get_if<IntelQuote>(&result.claims()))
        return claim.of_td == nullptr ? ClaimView() : claim.of_td(*quote);
    return claim.of_snp == nullptr ? ClaimView()
                                   : claim.of_snp(std::get<SnpReport>(result.claims()));
}

// The value in JSON, as a policy's file would give it.
Result<ClaimValue> parse_json(const ClaimInfo& claim, const Json& value) {
    if (claim.form == ClaimForm::flag) return ClaimValue(value.get<bool>());
    if (claim.form == ClaimForm::number) return ClaimValue(value.get<std::uint64_t>());
    return parse_claim_text(claim, value.get<std::string>());
}

}  // namespace

TEST_CASE("claims: each has the name and the value that verify --json prints", "[quote][claims]") {
    const auto make = GENERATE(
        as<test::Setting (*)()>{}, [] { return IntelCase().setting(); },
        [] { return IntelCase(forge::tdx_v5(forge::BodyType::td15)).setting(); },
        [] { return SnpCase(forge::Product::milan, 2).setting(); },
        [] { return SnpCase(forge::Product::milan, 3).setting(); },
        [] { return SnpCase(forge::Product::genoa, 5).setting(); },
        [] { return SnpCase(forge::Product::turin, 5).setting(); });
    const AttestationResult result = test::appraise(make());
    const auto printed = flat(to_json(result).at("claims"));
    REQUIRE(printed.size() > 20);
    for (const auto& [name, value] : printed) {
        INFO(name);
        const auto index = claim_index(name);
        REQUIRE(index);
        const ClaimInfo& claim = all_claims()[*index];
        const ClaimView view = view_of(result, claim);
        CHECK(claim_text(claim, view) == json_text(value));
        if (value.is_null()) continue;
        const auto parsed = parse_json(claim, value);
        REQUIRE_OK(parsed);
        CHECK(equal(view, *parsed));
    }
    for (const ClaimInfo& claim : all_claims()) {
        INFO(claim.name);
        const bool is_stated = !std::holds_alternative<std::monostate>(view_of(result, claim));
        CHECK((!is_stated || printed.contains(std::string(claim.name))));
    }
}

TEST_CASE("claims: names are told apart, and the nonce is none of them", "[quote][claims]") {
    std::set<std::string_view> names;
    for (const ClaimInfo& claim : all_claims()) {
        CHECK(names.insert(claim.name).second);
        CHECK((claim.of_td != nullptr || claim.of_snp != nullptr));
        CHECK((claim.form != ClaimForm::bytes || claim.len > 0));
    }
    CHECK_FALSE(claim_index("report_data"));
    CHECK_FALSE(claim_index("MRTD"));
    CHECK_FALSE(claim_index(""));
}

TEST_CASE("claims: text that is no value of the claim is refused", "[quote][claims]") {
    struct Row {
        const char* claim;
        const char* text;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({{"host_data", "00", "32 bytes in hexadecimal"},
                                           {"host_data", "any", "32 bytes in hexadecimal"},
                                           {"mrtd", "", "48 bytes in hexadecimal"},
                                           {"policy", "30000", "\"0x1f\""},
                                           {"policy", "0x", "\"0x1f\""},
                                           {"policy", "0x1g", "\"0x1f\""},
                                           {"policy", "0x10000000000000000", "\"0x1f\""},
                                           {"product", "", "no value"},
                                           {"vmpl", "0", "no value"},
                                           {"policy_debug", "false", "no value"}}));
    INFO(row.claim << " " << row.text);
    const auto refused = parse_claim_text(all_claims()[claim_index(row.claim).value()], row.text);
    REQUIRE_ERRC(Errc::bad_value, refused);
    CHECK_THAT(refused.error().detail, test::ContainsSubstring(row.says));
}

TEST_CASE("claims: values of different types or lengths are never equal", "[quote][claims]") {
    const Bytes zeros(2), ones(2, 1), longer(3);
    CHECK(equal(ClaimView(ByteView(zeros)), ClaimValue(zeros)));
    CHECK_FALSE(equal(ClaimView(ByteView(zeros)), ClaimValue(ones)));
    CHECK_FALSE(equal(ClaimView(ByteView(zeros)), ClaimValue(longer)));
    CHECK_FALSE(equal(ClaimView(std::uint64_t{0}), ClaimValue(false)));
    CHECK_FALSE(equal(ClaimView(true), ClaimValue(std::uint64_t{1})));
    CHECK_FALSE(equal(ClaimView(), ClaimValue(std::uint64_t{0})));
    CHECK_FALSE(equal(ClaimView(), ClaimValue(false)));
    CHECK_FALSE(equal(ClaimView(), ClaimValue(Bytes())));
    CHECK(equal(ClaimView(std::string("a")), ClaimValue(std::string("a"))));
    CHECK_FALSE(equal(ClaimView(std::string("a")), ClaimValue(std::string("b"))));
}

}  // namespace attestd
