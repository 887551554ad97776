// Pages call verified what the result rests on, whatever was offered beside it.
#include <algorithm>

#include "agent/cli/html/chain_model.h"
#include "agent/cli/html/page.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/case_forge.h"
#include "tests/support/forge/collateral_forge.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"
#include "tests/unit/verifier/setting.h"
#include "verifier/used_endorsements.h"

using namespace attestd;
using namespace attestd::cli;
using attestd::test::ContainsSubstring;

namespace {

using std::chrono::hours;

// Genuine evidence with two sets of endorsements: those that it was made with, and a sender's own
// of the same names, machine and model, dated an hour later and given first.
class TwoSets {
 public:
    AttestationResult judged(bool is_foreign_root_trusted = false) const {
        LocalVerifier verifier(is_foreign_root_trusted ? foreign_anchors_ : anchors_);
        return verifier.appraise(evidence_, endorsements_, {}, {}, test::now());
    }
    std::vector<ChainLink> chain(const AttestationResult& result) const {
        return chain_of(*inspect_bytes(evidence_, endorsements_), &endorsements_, &result);
    }
    std::string page(const AttestationResult& result) const {
        return html_page({"evidence", evidence_, *inspect_bytes(evidence_, endorsements_),
                          &endorsements_, &result});
    }

 protected:
    void add(ByteView bytes) { REQUIRE_OK(endorsements_.add(bytes, "given")); }
    void trust(ByteView root, ByteView foreign_root) {
        REQUIRE_OK(anchors_.add_certificate(root));
        REQUIRE_OK(foreign_anchors_.add_certificate(foreign_root));
    }
    static Window own_dates() { return forge::fresh_window(test::now()); }
    static Window later_dates() {
        return {own_dates().from + hours(1), own_dates().until + hours(1)};
    }

    Bytes evidence_;

 private:
    Endorsements endorsements_;
    TrustAnchors anchors_, foreign_anchors_;
};

class SnpSets final : public TwoSets {
 public:
    explicit SnpSets(std::uint32_t version = 3) {
        const auto& shared = forge::shared_amd_keys();
        forge::AmdKeys swapped;  // RSA keys take a second each: these are the same in other places
        swapped.ark = shared.ask;
        swapped.ask = shared.ark;
        const auto fields = forge::snp_fields(forge::Product::milan, version);
        const forge::AmdHierarchy own = hierarchy(shared), foreign = hierarchy(swapped);
        evidence_ = forge::forge_report(fields, shared.vcek);
        add_all(foreign, fields.chip_id, later_dates());
        add_all(own, fields.chip_id, own_dates());
        trust(own.ark(), foreign.ark());
        own_key = to_hex(sha256(shared.vcek.spki()));
        foreign_key = to_hex(sha256(swapped.vcek.spki()));
    }

    std::string own_key, foreign_key;

 private:
    static forge::AmdHierarchy hierarchy(const forge::AmdKeys& keys) {
        return {forge::Product::milan, keys, forge::AmdValidity::around(test::now())};
    }
    void add_all(const forge::AmdHierarchy& amd, const ByteArray<64>& chip, Window dates) {
        add(amd.vcek(chip, forge::SnpTcb::typical(forge::Product::milan)));
        add(amd.ask());
        add(amd.ark());
        add(amd.crl(dates));
    }
};

// The quote names a certificate without carrying it, so its chain is looked for among what is
// given.
class TdxSets final : public TwoSets {
 public:
    TdxSets() {
        const auto validity = forge::IntelValidity::around(test::now());
        const forge::IntelHierarchy own(forge::shared_intel_keys(), validity);
        const forge::IntelHierarchy foreign(forge::IntelKeys{}, validity);
        const forge::PckFields machine;
        auto parts = forge::make_parts(forge::tdx_v4(), own, own.pck(machine));
        parts.certification_type = 3;
        parts.certification_data = forge::ppid_data(3, machine);
        evidence_ = forge::assemble(parts);
        add_all(foreign, machine, later_dates(), /*evaluation_number=*/99);
        add_all(own, machine, own_dates(), kOwnNumber);
        trust(own.root, foreign.root);
        own_key = to_hex(sha256(own.keys.pck.spki()));
        foreign_key = to_hex(sha256(foreign.keys.pck.spki()));
    }

    static constexpr std::uint32_t kOwnNumber = 21;
    std::string own_key, foreign_key;

 private:
    void add_all(const forge::IntelHierarchy& intel, const forge::PckFields& machine, Window dates,
                 std::uint32_t evaluation_number) {
        add(intel.pck(machine));
        add(intel.pck_ca);
        add(intel.root);
        auto spec = forge::tdx_collateral(intel, machine, dates);
        spec.tcb_info.tcb_evaluation_data_number = evaluation_number;
        spec.qe_identity.tcb_evaluation_data_number = evaluation_number;
        add(as_bytes(forge::to_json(forge::sign_collateral(spec, intel))));
    }
};

const ChainLink& link_at(const std::vector<ChainLink>& chain, std::string_view title) {
    const auto it = std::find_if(chain.begin(), chain.end(),
                                 [&](const ChainLink& link) { return link.title == title; });
    REQUIRE(it != chain.end());
    return *it;
}

template <class Link>
std::vector<std::string> facts_named(const Link& link, std::string_view name) {
    std::vector<std::string> out;
    for (const auto& [key, value] : link.facts) {
        if (key == name) out.push_back(value);
    }
    return out;
}

const SideLink& side_of(const std::vector<ChainLink>& chain, std::string_view title) {
    for (const ChainLink& link : chain) {
        for (const SideLink& beside : link.sides) {
            if (beside.title == title) return beside;
        }
    }
    FAIL("nothing called " << title);
    throw std::logic_error("not reached");
}

using Values = std::vector<std::string>;

void check_own_lists(const std::vector<ChainLink>& chain, std::size_t num_lists) {
    const SideLink& lists = side_of(chain, "Revocation lists");
    CHECK(lists.state == LinkState::verified);
    CHECK(lists.facts.size() == num_lists);
    const Window own = forge::fresh_window(test::now());
    for (const auto& [issuer, text] : lists.facts)
        CHECK_THAT(text, ContainsSubstring(to_rfc3339(own.from) + " to " + to_rfc3339(own.until)));
}

}  // namespace

TEST_CASE("html: of two SNP leaves, chains and lists those that were used are verified", "[cli]") {
    const SnpSets sets(GENERATE(2U, 3U));
    const AttestationResult result = sets.judged();
    REQUIRE(result.verdict() == Verdict::accepted);
    REQUIRE(result.rests_on() != nullptr);
    CHECK(result.rests_on()->chain.size() == 3);
    const auto chain = sets.chain(result);
    const ChainLink& leaf = link_at(chain, "VCEK certificate");
    CHECK(leaf.state == LinkState::verified);
    CHECK(facts_named(leaf, "key's SHA-256") == Values{sets.own_key});
    check_own_lists(chain, 1);
    const std::string page = sets.page(result);
    CHECK_THAT(page, ContainsSubstring(sets.own_key));
    CHECK_THAT(page, !ContainsSubstring(sets.foreign_key));
}

TEST_CASE(
    "html: of two PCK chains, TCB infos, identities and lists those that were used are "
    "verified",
    "[cli]") {
    const TdxSets sets;
    const AttestationResult result = sets.judged();
    INFO(test::outcome_of(result));
    REQUIRE(result.verdict() == Verdict::accepted);
    const auto chain = sets.chain(result);
    const ChainLink& leaf = link_at(chain, "PCK certificate");
    CHECK(leaf.state == LinkState::verified);
    CHECK(facts_named(leaf, "key's SHA-256") == Values{sets.own_key});
    const Values number{std::to_string(TdxSets::kOwnNumber)};
    for (const char* title : {"TCB information", "Quoting enclave's identity"}) {
        INFO(title);
        const SideLink& document = side_of(chain, title);
        CHECK(document.state == LinkState::verified);
        CHECK(facts_named(document, "evaluation number") == number);
    }
    check_own_lists(chain, 2);
}

TEST_CASE("html: what a result does not rest on is offered, and never verified", "[cli]") {
    const SnpSets snp;
    const TdxSets tdx;
    const TwoSets& sets = *GENERATE_REF(from_range(std::vector<const TwoSets*>{&snp, &tdx}));
    const AttestationResult result = sets.judged(/*is_foreign_root_trusted=*/true);
    REQUIRE(result.verdict() == Verdict::refused);
    CHECK(result.rests_on() == nullptr);
    const auto chain = sets.chain(result);
    for (const ChainLink& link : chain) {
        INFO(link.title);
        CHECK(link.state != LinkState::verified);
        for (const SideLink& beside : link.sides) CHECK(beside.state == LinkState::offered);
    }
    CHECK_THAT(sets.page(result), ContainsSubstring("offered, not used"));
}

TEST_CASE("result: it rests on the same endorsements when they are remembered", "[verifier]") {
    const auto files = *forge::forge_case(GENERATE("tdx-v4", "snp-milan-v3"), test::now());
    const bool is_snp = files[0].name == "report.bin";
    Endorsements endorsements;
    TrustAnchors anchors;
    for (std::size_t i = 1; i < files.size(); ++i) {
        if (files[i].name == "table.bin") continue;
        REQUIRE_OK(endorsements.add(files[i].content, files[i].name));
    }
    REQUIRE_OK(anchors.add_certificate(forge::content_of(files, "root.der")));
    LocalVerifier verifier(anchors);
    const auto judged = [&] {
        return verifier.appraise(files[0].content, endorsements, {}, {}, test::now());
    };
    const AttestationResult first = judged(), again = judged();
    REQUIRE(first.verdict() == Verdict::accepted);
    REQUIRE(first.rests_on() != nullptr);
    CHECK(again.rests_on() == first.rests_on());
    CHECK(first.rests_on()->crls.size() == (is_snp ? 1 : 2));
    CHECK((first.rests_on()->tcb_info != nullptr) == !is_snp);
    CHECK((first.rests_on()->qe_identity != nullptr) == !is_snp);
}
