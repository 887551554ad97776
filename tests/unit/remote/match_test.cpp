// Claims of tokens held against the evidence's own.
#include "agent/remote/match.h"

#include "tests/support/forge/report_forge.h"
#include "tests/unit/remote/remote_samples.h"

namespace attestd::remote::match_test {
namespace {

using namespace remote_test;
using nlohmann::json;

EvidenceFacts facts() {
    static const forge::SigningKey key(KeyKind::p384);
    const forge::SnpFields fields = forge::snp_fields(forge::Product::milan, 3);
    const Evidence evidence{Tee::snp, forge::forge_report(fields, key), {}, {}, "test"};
    auto out = facts_of(evidence);
    REQUIRE_OK(out);
    return *std::move(out);
}

Result<void> compare(const json& claims, const ClaimPair& pair, const EvidenceFacts& with) {
    const auto document = JsonDocument::parse(claims.dump(), "token");
    REQUIRE_OK(document);
    auto object = document->root().object();
    REQUIRE_OK(object);
    const ClaimPair pairs[] = {pair};
    return check_claims(*object, pairs, with.claims);
}

}  // namespace

TEST_CASE("remote claims: equal in either case, else the token speaks of other evidence",
          "[remote]") {
    const EvidenceFacts ours = facts();
    const auto& report = std::get<SnpReport>(ours.claims);
    std::string hex = to_hex(report.measurement);
    const ClaimPair must{"m", "measurement", Need::must_be_there};
    REQUIRE_OK(compare({{"m", hex}}, must, ours));
    for (char& c : hex) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
    REQUIRE_OK(compare({{"m", hex}}, must, ours));
    hex[0] = hex[0] == '0' ? '1' : '0';
    for (const json& other :
         {json(hex), json(hex.substr(2)), json(""), json(7), json(nullptr), json::array({hex})}) {
        INFO(other);
        REQUIRE_ERRC(Errc::token_evidence, compare({{"m", other}}, must, ours));
    }
    REQUIRE_ERRC(Errc::token_evidence, compare(json::object(), must, ours));
    REQUIRE_OK(compare(json::object(), {"m", "measurement", Need::may_be_absent}, ours));
    // What the other kind of hardware states alone is never equal.
    REQUIRE_ERRC(Errc::token_evidence,
                 compare({{"m", std::string(96, '0')}}, {"m", "mrtd", Need::may_be_absent}, ours));
    const ClaimPair number{"n", "vmpl", Need::must_be_there};
    REQUIRE_OK(compare({{"n", report.vmpl}}, number, ours));
    REQUIRE_ERRC(Errc::token_evidence, compare({{"n", report.vmpl + 1}}, number, ours));
    REQUIRE_ERRC(Errc::token_evidence, compare({{"n", "0"}}, number, ours));
}

TEST_CASE("remote claims: evidence that does not parse has no facts", "[remote]") {
    const Evidence junk{Tee::snp, Bytes(100), {}, {}, "test"};
    REQUIRE_ERRC(Errc::bad_length, facts_of(junk));
}

}  // namespace attestd::remote::match_test
