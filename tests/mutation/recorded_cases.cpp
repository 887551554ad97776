// Genuine evidence of ../shared/vectors.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "quote/amd/snp_report.h"
#include "quote/base/digest.h"
#include "quote/x509/certificate.h"
#include "tests/mutation/cases.h"
#include "tests/support/vectors.h"

namespace attestd::mutation {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Of cases that share bytes in the same place those are mutated once.
class Seen {
 public:
    /// Whether this is the first time.
    bool note(std::string_view name, ByteView bytes) {
        return seen_.insert(sha256({as_bytes(name), ByteArray<1>{}, bytes})).second;
    }
    /// The regions of the plan that were seen before.
    std::vector<ByteRange> seen_before(const Plan& plan, ByteView whole) {
        std::vector<ByteRange> out;
        for (const Region& region : plan.regions) {
            const ByteView part = whole.subspan(region.range.at, region.range.len);
            if (region.range.len < whole.size() && !note(region.name, part))
                out.push_back(region.range);
        }
        return out;
    }

 private:
    std::set<Sha256> seen_;
};

// Whether the case gets as far as claims: what policy says then does not matter here.
bool verifies(const Case& c) {
    TrustAnchors anchors;
    Endorsements given;
    for (const Bytes& bytes : c.endorsements) {
        if (!given.add(bytes, "recorded")) return false;
    }
    const auto result = LocalVerifier(anchors).appraise(c.evidence, given, c.policy, {}, c.at);
    return !std::holds_alternative<std::monostate>(result.claims()) &&
           result.verdict() != Verdict::undecided;
}

void add_intel(Jobs& out, const fs::path& dir, Seen& seen) {
    const Json manifest = Json::parse(test::load_text(dir / "manifest.json"));
    for (const Json& entry : manifest.at("cases")) {
        const auto name = entry.at("name").get<std::string>();
        const Time at(std::chrono::seconds(entry.at("verify_at").at("unix").get<std::int64_t>()));
        Case c{name,
               test::load_file(dir / "cases" / name / "quote.bin"),
               {test::load_file(dir / "cases" / name / "collateral.json")},
               {},
               {},
               at};
        if (!verifies(c)) continue;
        std::vector<Target> targets;
        if (seen.note("quote", c.evidence))
            targets.push_back({"quote", {}, plan_quote(c.evidence), {}});
        Plan plan = plan_collateral(c.endorsements[0]);
        auto done = seen.seen_before(plan, c.endorsements[0]);
        targets.push_back({"collateral", 0, std::move(plan), std::move(done)});
        out.all.push_back({std::move(c), std::move(targets)});
    }
}

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return text;
}

// The product's issuers of that kind of leaf, as given in vectors/snp/roots.
std::vector<Bytes> issuers_of(const fs::path& roots, ByteView leaf) {
    const auto certificate = Certificate::parse(leaf);
    if (!certificate) throw std::runtime_error("a recorded leaf does not parse");
    const std::string issuer(certificate->issuer().common_name);  // SEV-Milan, SEV-VLEK-Milan
    const std::string product = lower(issuer.substr(issuer.rfind('-') + 1));
    const bool vlek = issuer.find("VLEK") != issuer.npos;
    return {test::load_file(roots / (product + (vlek ? "-asvk.der" : "-ask.der"))),
            test::load_file(roots / (product + "-ark.der"))};
}

void add_amd(Jobs& out, const fs::path& dir, Seen& seen) {
    std::vector<fs::path> cases;
    for (const auto& entry : fs::directory_iterator(dir / "cases")) cases.push_back(entry.path());
    std::sort(cases.begin(), cases.end());
    for (const fs::path& path : cases) {
        const Json expected = Json::parse(test::load_text(path / "expected.json"));
        const bool vlek = fs::exists(path / "vlek.der");
        const Bytes leaf = test::load_file(path / (vlek ? "vlek.der" : "vcek.der"));
        const auto issuers = issuers_of(dir / "roots", leaf);
        Case c{path.filename().string(),
               test::load_file(path / "report.bin"),
               {leaf, issuers[0], issuers[1]},
               {},
               {},
               parse_rfc3339(expected.at("verify_at").get<std::string>(), "at").value()};
        if (!verifies(c)) continue;
        std::vector<Target> targets;
        if (seen.note("report", c.evidence))
            targets.push_back({"report", {}, plan_report(c.evidence), {}});
        constexpr std::array kPlaces{std::pair{"leaf", Place::leaf},
                                     std::pair{"intermediate", Place::intermediate},
                                     std::pair{"root", Place::root}};
        for (std::size_t i = 0; i < kPlaces.size(); ++i) {
            const Bytes& der = c.endorsements[i];
            if (seen.note(kPlaces[i].first, der))
                targets.push_back(
                    {kPlaces[i].first, i, plan_amd_certificate(der, kPlaces[i].second), {}});
        }
        out.all.push_back({std::move(c), std::move(targets)});
    }
}

// Tables as hosts handed them over, behind their report.
void add_tables(Jobs& out, const fs::path& dir) {
    for (const auto& [blob, name] : {std::pair{"ext-report-gcp.bin", "milan-v5-vcek-gcp"},
                                     std::pair{"ext-report-aws.bin", "milan-v5-vlek-aws"}}) {
        const Bytes extended = test::load_file(dir / "tsm" / blob);
        const Json expected = Json::parse(test::load_text(dir / "cases" / name / "expected.json"));
        const ByteView table = ByteView(extended).subspan(kSnpReportLen);
        Case c{blob,
               to_bytes(ByteView(extended).first(kSnpReportLen)),
               {to_bytes(table)},
               {},
               {},
               parse_rfc3339(expected.at("verify_at").get<std::string>(), "at").value()};
        if (!verifies(c)) {  // a provider's table has its leaf alone
            for (const char* issuer : {"milan-asvk.der", "milan-ark.der"})
                c.endorsements.push_back(test::load_file(dir / "roots" / issuer));
        }
        if (verifies(c)) out.all.push_back({std::move(c), {{"table", 0, plan_table(table), {}}}});
    }
}

}  // namespace

Jobs recorded_jobs() {
    Jobs out;
    Seen seen;
    const auto tdx = test::find_vectors("tdx"), snp = test::find_vectors("snp");
    if (tdx)
        add_intel(out, *tdx, seen);
    else
        out.absent.emplace_back("recorded Intel cases: no vectors/tdx");
    if (snp) {
        add_amd(out, *snp, seen);
        add_tables(out, *snp);
    } else {
        out.absent.emplace_back("recorded AMD cases: no vectors/snp");
    }
    return out;
}

}  // namespace attestd::mutation
