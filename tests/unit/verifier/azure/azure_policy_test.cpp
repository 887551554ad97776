// The "azure" member of an appraisal policy: every key, what each complaint says, and what the
// daemon demands beyond.
#include <fmt/format.h>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "verifier/policy.h"

namespace attestd {
namespace {

using test::ContainsSubstring;

constexpr std::string_view kSnp =
    R"("min_tcb": "any", "csp_ids": "any", "measurement": "any", "host_data": "any",
       "id_key_digest": "any", "author_key_digest": "any")";
constexpr std::string_view kTdx =
    R"("mrtd": "any", "rtmr0": "any", "rtmr1": "any", "rtmr2": "any", "rtmr3": "any",
       "mrseam": "any", "mrconfigid": "any", "mrowner": "any", "mrownerconfig": "any")";

Result<AppraisalPolicy> parse(std::string_view tee, std::string_view azure,
                              PolicyStrictness strictness) {
    const std::string_view rest = tee == "snp" ? kSnp : kTdx;
    const std::string member = azure.empty() ? "" : fmt::format(R"(, "azure": {})", azure);
    return parse_appraisal_policy(fmt::format(R"({{"{}": {{ {}{} }} }})", tee, rest, member),
                                  "policy.json", strictness);
}

const AzurePolicy& azure_of(const AppraisalPolicy& policy, std::string_view tee) {
    return tee == "snp" ? policy.snp.azure : policy.tdx.azure;
}

}  // namespace

TEST_CASE("policy: azure, every key reaches its place", "[verifier][azure][policy]") {
    const auto tee = GENERATE(as<std::string>{}, "snp", "tdx");
    const std::string value(64, 'a');
    const auto policy = parse(tee,
                              R"({"require_secure_boot": true, "allow_console": false,
                                  "require_vtpm_quote": false,
                                  "pcrs": {"4": [")" +
                                  value + R"("], "7": "any", "23": []}})",
                              PolicyStrictness::strict);
    REQUIRE_OK(policy);
    const AzurePolicy& azure = azure_of(*policy, tee);
    CHECK(azure.named);
    CHECK(azure.allowed);
    CHECK(azure.require_secure_boot == true);
    CHECK(azure.allow_console == false);
    CHECK_FALSE(azure.require_vtpm_quote);
    CHECK_FALSE(azure.any_pcrs);
    using Kind = ReferenceValues<32>::Kind;
    CHECK(to_hex(azure.pcrs[4].values.at(0)) == value);
    CHECK(azure.pcrs[7].kind == Kind::any);
    CHECK(azure.pcrs[23].kind == Kind::listed);
    CHECK(azure.pcrs[0].kind == Kind::unpinned);
    const AzurePolicy& other = azure_of(*policy, tee == "snp" ? "tdx" : "snp");
    CHECK_FALSE(other.named);
}

TEST_CASE("policy: azure, any PCR whatever must be said", "[verifier][azure][policy]") {
    const auto any = parse("snp", R"({"pcrs": "any"})", PolicyStrictness::strict);
    REQUIRE_OK(any);
    CHECK(any->snp.azure.any_pcrs);
    CHECK(any->snp.azure.require_vtpm_quote);
    CHECK_FALSE(any->snp.azure.require_secure_boot.has_value());
    REQUIRE_ERRC(Errc::bad_config, parse("snp", "{}", PolicyStrictness::strict));
    REQUIRE_OK(parse("snp", "{}", PolicyStrictness::lenient));
}

TEST_CASE("policy: azure, a strict policy that does not name it does not accept it",
          "[verifier][azure][policy]") {
    const auto tee = GENERATE(as<std::string>{}, "snp", "tdx");
    const auto strict = parse(tee, "", PolicyStrictness::strict);
    REQUIRE_OK(strict);
    CHECK_FALSE(azure_of(*strict, tee).allowed);
    const auto lenient = parse(tee, "", PolicyStrictness::lenient);
    REQUIRE_OK(lenient);
    CHECK(azure_of(*lenient, tee).allowed);
    CHECK_FALSE(azure_of(*lenient, tee).named);
}

TEST_CASE("policy: azure, complaints name the place and what was expected",
          "[verifier][azure][policy]") {
    struct Row {
        const char* azure;
        Errc want;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"[]", Errc::wrong_type, "snp.azure"},
        {R"({"pcrs": "all"})", Errc::bad_config, "any"},
        {R"({"pcrs": []})", Errc::wrong_type, "snp.azure.pcrs"},
        {R"({"pcrs": {}})", Errc::bad_config, "no PCR is named"},
        {R"({"pcrs": {"24": "any"}})", Errc::unknown_key, "snp.azure.pcrs.24"},
        {R"({"pcrs": {"04": "any"}})", Errc::unknown_key, "snp.azure.pcrs.04"},
        {R"({"pcrs": {"4": "00"}})", Errc::bad_config, "snp.azure.pcrs.4"},
        {R"({"pcrs": {"4": ["00"]}})", Errc::bad_encoding, "snp.azure.pcrs.4[0]"},
        {R"({"pcrs": "any", "require_secure_boot": 1})", Errc::wrong_type,
         "snp.azure.require_secure_boot"},
        {R"({"pcrs": "any", "secure_boot": true})", Errc::unknown_key, "snp.azure.secure_boot"},
    }));
    INFO(row.azure);
    const auto policy = parse("snp", row.azure, PolicyStrictness::strict);
    REQUIRE_ERRC(row.want, policy);
    CHECK_THAT(policy.error().detail, ContainsSubstring(row.says));
}

}  // namespace attestd
