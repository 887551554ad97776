// The provider: given, cached or asked for; what fails costs itself alone.
#include "agent/collateral/provider.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "agent/collateral/needs.h"
#include "quote/base/encoding.h"
#include "quote/x509/pem.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/collateral/fake_services.h"
#include "verifier/verifier.h"

namespace attestd::provider_test {
namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using test::FakeServices;
using test::Machine;

constexpr Time kNow{std::chrono::seconds(1'790'000'000)};

struct Rig {
    explicit Rig(const char* kind = "tdx-v4") : machine(kind, kNow) {
        machine.serve(*services, "current");
        auto needed = needed_endorsements(machine.evidence, {});
        REQUIRE_OK(needed);
        ids = *std::move(needed);
    }

    CollateralProvider provider(CollateralProvider::Sleep sleep = {}) {
        auto cache =
            CollateralCache::open(dir.path(), CollateralCache::Kind::production, machine.anchors);
        REQUIRE_OK(cache);
        return {*std::move(cache), services, test::test_addresses(), machine.anchors,
                std::move(sleep)};
    }
    std::vector<Obtained> obtain(CollateralProvider& from, WhenToAsk when, Time now,
                                 const Endorsements& given = {}) {
        return from.obtain(ids, given, when, now,
                           std::chrono::steady_clock::now() + std::chrono::seconds(60));
    }
    std::vector<Obtained> obtain(WhenToAsk when, Time now) {
        auto from = provider();
        return obtain(from, when, now);
    }
    Verdict judge(const std::vector<Obtained>& all, Time now) {
        Endorsements endorsements;
        REQUIRE_OK(endorsements.add(machine.root, "root"));
        for (const Obtained& one : all) {
            if (!one.bytes.empty()) REQUIRE_OK(endorsements.add(one.bytes, "obtained"));
        }
        return LocalVerifier(machine.anchors)
            .appraise(machine.evidence, endorsements, {}, {}, now)
            .verdict();
    }

    test::TempDir dir;
    Machine machine;
    std::shared_ptr<FakeServices> services = std::make_shared<FakeServices>();
    std::vector<EndorsementId> ids;
};

bool all_from(const std::vector<Obtained>& all, ObtainedFrom from) {
    return std::all_of(all.begin(), all.end(), [&](const Obtained& o) { return o.from == from; });
}

TEST_CASE("provider: evidence of every kind verifies with what is fetched, and offline afterwards",
          "[collateral]") {
    const auto* const kind = GENERATE("tdx-v4", "tdx-v5-td15ex", "sgx-v3", "snp-milan-v3",
                                      "snp-genoa-v5", "snp-turin-v5");
    Rig rig(kind);
    const auto fetched = rig.obtain(WhenToAsk::when_missing, kNow);
    CHECK(all_from(fetched, ObtainedFrom::service));
    CHECK(rig.judge(fetched, kNow) == Verdict::accepted);
    CHECK(rig.services->asked.size() == rig.ids.size());
    rig.services->down = Errc::fetch_unreachable;
    const auto cached = rig.obtain(WhenToAsk::never, kNow + days(25));
    CHECK(all_from(cached, ObtainedFrom::cache));
    CHECK(rig.judge(cached, kNow + days(25)) == Verdict::accepted);
}

// A quote of the machine that carries its encrypted PPID in place of its chain.
struct BareQuote {
    explicit BareQuote(std::uint16_t type) {
        const std::size_t ppid_len = type == 1 ? 16 : type == 2 ? 256 : 384;
        Bytes data(ppid_len, 0xee);
        for (std::uint8_t i = 0; i < 16; ++i) data.push_back(i);  // CPUSVN
        const Bytes svns{0x0d, 0x00, 0x00, 0x00};                 // PCESVN, PCEID
        data.insert(data.end(), svns.begin(), svns.end());
        quote = with(type, data);
    }
    Bytes with(std::uint16_t type, const Bytes& data) const {
        forge::QuoteParts parts = forge::make_parts(forge::tdx_v4(), intel, leaf);
        parts.certification_type = type;
        parts.certification_data = data;
        return forge::assemble(parts);
    }
    FetchResponse answer() const {
        std::string chain;
        for (const char c : intel.pck_crl_issuer_chain())
            chain += std::isalnum(static_cast<unsigned char>(c)) != 0
                         ? std::string(1, c)
                         : fmt::format("%{:02X}", static_cast<unsigned char>(c));
        const std::string pem = attestd::to_pem("CERTIFICATE", leaf);
        return {200, {{"sgx-pck-certificate-issuer-chain", chain}}, Bytes(pem.begin(), pem.end())};
    }

    forge::IntelHierarchy intel{forge::shared_intel_keys(), forge::IntelValidity::around(kNow)};
    Bytes leaf = intel.pck(forge::PckFields{});
    Bytes quote;
};

TEST_CASE(
    "provider: the chain of a quote that carries none is fetched for its platform, then the "
    "rest",
    "[collateral]") {
    const auto type = GENERATE(std::uint16_t{2}, std::uint16_t{3});
    const BareQuote bare(type);
    Rig rig;
    const auto ids = needed_endorsements(bare.quote, {});
    REQUIRE_OK(ids);
    REQUIRE(ids->size() == 1);
    const std::string url = endorsement_url(test::test_addresses(), ids->at(0));
    const std::string ppid = to_hex(Bytes(type == 2 ? 256 : 384, 0xee));
    CHECK(url == "https://pcs.test/sgx/certification/v4/pckcert?encrypted_ppid=" + ppid +
                     "&cpusvn=000102030405060708090a0b0c0d0e0f&pcesvn=0d00&pceid=0000");
    ServiceAddresses pccs = test::test_addresses();
    pccs.use_pccs("https://localhost:8081");
    CHECK(endorsement_url(pccs, ids->at(0)).ends_with("&qeid=3e950ad712c86f41b02857e39d640bfa"));

    rig.services->answers[url] = bare.answer();
    auto from = rig.provider();
    rig.ids = *ids;
    const auto first = rig.obtain(from, WhenToAsk::when_missing, kNow);
    REQUIRE(first[0].from == ObtainedFrom::service);
    Endorsements given;
    REQUIRE_OK(given.add(first[0].bytes, "chain"));
    const auto rest = needed_endorsements(bare.quote, given);
    REQUIRE_OK(rest);
    CHECK(rest->size() == 4);
    // Kept under the platform's name, and found again.
    CHECK(rig.obtain(from, WhenToAsk::never, kNow)[0].from == ObtainedFrom::cache);
}

TEST_CASE("provider: another platform's PCK certificate is a mismatch", "[collateral]") {
    const BareQuote bare(3);
    Rig rig;
    rig.ids = needed_endorsements(bare.quote, {}).value();
    auto& id = std::get<PckCertificateId>(rig.ids[0]);
    rig.services->answers[endorsement_url(test::test_addresses(), rig.ids[0])] = bare.answer();
    id.qe_report_signature[5] ^= 1;
    const auto obtained = rig.obtain(WhenToAsk::when_missing, kNow);
    CHECK(obtained[0].from == ObtainedFrom::nowhere);
    REQUIRE(obtained[0].problem);
    CHECK(errc_name(obtained[0].problem->code) == errc_name(Errc::collateral_mismatch));
}

TEST_CASE("needs: certification data that are too short, too long or of another type name nobody",
          "[collateral]") {
    struct Row {
        std::uint16_t type;
        std::size_t len;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({{1, 35, Errc::truncated},
                                           {1, 37, Errc::trailing_bytes},
                                           {2, 275, Errc::truncated},
                                           {3, 403, Errc::truncated},
                                           {3, 405, Errc::trailing_bytes},
                                           {4, 100, Errc::chain_missing}}));
    CAPTURE(row.type, row.len);
    REQUIRE_ERRC(row.want, needed_endorsements(BareQuote(3).with(row.type, Bytes(row.len, 1)), {}));
}

TEST_CASE("provider: a fresh cache asks nobody; two thirds of its life renew it", "[collateral]") {
    Rig rig;
    rig.obtain(WhenToAsk::when_missing, kNow);
    rig.services->asked.clear();
    CHECK(all_from(rig.obtain(WhenToAsk::when_missing, kNow + days(10)), ObtainedFrom::cache));
    CHECK(rig.services->asked.empty());
    rig.machine.serve(*rig.services, "current", kNow + days(21));
    CHECK(all_from(rig.obtain(WhenToAsk::when_missing, kNow + days(21)), ObtainedFrom::service));
    CHECK(rig.services->asked.size() == 4);
}

TEST_CASE("provider: what is old and yet the service's newest is not asked for at every turn",
          "[collateral]") {
    Rig rig;
    const Time late = kNow + days(25);  // the service has nothing newer
    auto from = rig.provider();
    const auto first = rig.obtain(from, WhenToAsk::when_missing, late);
    CHECK(all_from(first, ObtainedFrom::service));
    const std::size_t num_asked = rig.services->asked.size();
    const auto second = rig.obtain(from, WhenToAsk::when_missing, late);
    CHECK(rig.services->asked.size() == num_asked);
    for (const Obtained& one : second) {
        CHECK(one.from == ObtainedFrom::cache);
        CHECK_FALSE(one.problem.has_value());
    }
    CHECK(rig.judge(second, late) == Verdict::accepted);
    const auto forced = rig.obtain(from, WhenToAsk::always, late);
    CHECK(all_from(forced, ObtainedFrom::service));
}

TEST_CASE("provider: a service that is away leaves the cache to serve until its stated end",
          "[collateral]") {
    Rig rig;
    rig.obtain(WhenToAsk::when_missing, kNow);
    rig.services->down = Errc::fetch_timed_out;
    const auto late = rig.obtain(WhenToAsk::when_missing, kNow + days(29));
    CHECK(all_from(late, ObtainedFrom::cache));
    for (const Obtained& one : late) {
        REQUIRE(one.problem);
        CHECK(one.problem->code == Errc::fetch_timed_out);
    }
    CHECK(rig.judge(late, kNow + days(29)) == Verdict::accepted);
    const auto over = rig.obtain(WhenToAsk::when_missing, kNow + days(31));
    CHECK(all_from(over, ObtainedFrom::nowhere));
    CHECK(over[0].cache_problem->code == Errc::tcb_info_expired);
    CHECK(rig.judge(over, kNow + days(31)) != Verdict::accepted);
}

TEST_CASE("provider: an older answer than one seen is refused, and the newer cached one serves",
          "[collateral][invariant-7]") {
    Rig rig;
    rig.obtain(WhenToAsk::when_missing, kNow);
    rig.machine.serve(*rig.services, "older");
    const auto again = rig.obtain(WhenToAsk::always, kNow);
    CHECK(all_from(again, ObtainedFrom::cache));
    for (const Obtained& one : again) {
        REQUIRE(one.problem);
        const bool list = endorsement_key(one.id).find("-crl-") != std::string::npos;
        CHECK(errc_name(one.problem->code) ==
              errc_name(list ? Errc::crl_rollback : Errc::collateral_rollback));
    }
}

TEST_CASE("provider: a lying service costs the one endorsement, and nothing of it is kept",
          "[collateral]") {
    Rig rig;
    FetchResponse lie = rig.services->answers.begin()->second;
    for (auto& [url, response] : rig.services->answers) {
        if (url.find("/tcb?") == std::string::npos) continue;
        response.body[response.body.size() / 2] ^= 1;
    }
    const auto obtained = rig.obtain(WhenToAsk::when_missing, kNow);
    CHECK(obtained[0].from == ObtainedFrom::nowhere);
    REQUIRE(obtained[0].problem);
    CHECK(errc_name(obtained[0].problem->code) == errc_name(Errc::tcb_info_signature));
    CHECK(std::all_of(obtained.begin() + 1, obtained.end(),
                      [](const Obtained& o) { return o.from == ObtainedFrom::service; }));
    CHECK_FALSE(std::filesystem::exists(rig.dir.path() / endorsement_file(rig.ids[0])));
}

TEST_CASE("provider: what was given and is fresh is not asked for", "[collateral]") {
    Rig rig("snp-milan-v3");
    const auto files = forge::forge_case("snp-milan-v3", kNow);
    Endorsements given;
    REQUIRE_OK(given.add(forge::content_of(*files, "table.bin"), "table"));
    auto from = rig.provider();
    const auto obtained = rig.obtain(from, WhenToAsk::when_missing, kNow, given);
    REQUIRE(obtained.size() == 3);
    CHECK(obtained[0].from == ObtainedFrom::given);
    CHECK(obtained[1].from == ObtainedFrom::given);
    CHECK(obtained[2].from == ObtainedFrom::service);
    CHECK(rig.services->asked.size() == 1);
}

TEST_CASE("provider: a service that asks to wait is left alone for that long, all of it",
          "[collateral]") {
    Rig rig("snp-milan-v3");
    rig.services->special["/vcek/"] = {429, {{"retry-after", "3600"}}, {}};
    auto from = rig.provider();
    const auto first = rig.obtain(from, WhenToAsk::when_missing, kNow);
    CHECK(rig.services->asked.size() == 1);
    for (const Obtained& one : first) {
        REQUIRE(one.problem);
        CHECK(errc_name(one.problem->code) == errc_name(Errc::collateral_throttled));
    }
    CHECK(from.left_alone_for(first) >= std::chrono::seconds(3595));
    CHECK(from.left_alone_for(first) <= std::chrono::seconds(3601));
    rig.obtain(from, WhenToAsk::always, kNow);
    CHECK(rig.services->asked.size() == 1);
    CHECK(from.left_alone_for({}) == std::chrono::seconds::zero());
}

TEST_CASE("provider: with patience it waits as asked, and then gets its answer", "[collateral]") {
    Rig rig("snp-milan-v3");
    rig.services->special["cert_chain"] = {429, {{"retry-after", "2"}}, {}};
    std::vector<milliseconds> waits;
    auto from = rig.provider([&](milliseconds wait) {
        waits.push_back(wait);
        rig.services->special.clear();
    });
    CHECK(all_from(rig.obtain(from, WhenToAsk::when_missing, kNow), ObtainedFrom::service));
    REQUIRE(waits.size() == 1);
    CHECK(waits[0] >= milliseconds(2000));
    CHECK(waits[0] < milliseconds(2600));
}

TEST_CASE("provider: no wait goes past the deadline, and a permanent refusal is not repeated",
          "[collateral]") {
    Rig rig("snp-milan-v3");
    rig.services->special["cert_chain"] = {429, {{"retry-after", "3000"}}, {}};
    bool waited = false;
    auto from = rig.provider([&](milliseconds) { waited = true; });
    rig.obtain(from, WhenToAsk::when_missing, kNow);
    rig.services->special["cert_chain"] = {404, {}, {}};
    rig.services->asked.clear();
    const auto refused = rig.obtain(from, WhenToAsk::when_missing, kNow);
    CHECK_FALSE(waited);
    CHECK(errc_name(refused[0].problem->code) == errc_name(Errc::collateral_not_found));
    CHECK(rig.services->asked.size() == 3);
}

TEST_CASE(
    "provider: without patience, an endorsement that does not exist is not asked for again "
    "at once",
    "[collateral]") {
    Rig rig;
    rig.services->special["/tcb?"] = {404, {}, {}};
    auto from = rig.provider();
    rig.obtain(from, WhenToAsk::when_missing, kNow);
    const std::size_t asked = rig.services->asked.size();
    rig.obtain(from, WhenToAsk::when_missing, kNow);
    CHECK(rig.services->asked.size() == asked);
}

TEST_CASE("provider: a clock before the newest signed date asks nobody and hands out nothing",
          "[collateral][invariant-11][pitfall-29]") {
    Rig rig;
    rig.obtain(WhenToAsk::when_missing, kNow);
    rig.services->asked.clear();
    const auto back = rig.obtain(WhenToAsk::when_missing, kNow - days(2));
    CHECK(all_from(back, ObtainedFrom::nowhere));
    CHECK(errc_name(back[0].problem->code) == errc_name(Errc::clock_before_collateral));
    CHECK(rig.services->asked.empty());
}

TEST_CASE("provider: a lower evaluation data number than one seen is remarked on", "[collateral]") {
    Rig rig;
    rig.obtain(WhenToAsk::when_missing, kNow);
    // The same service later, with an older set of levels.
    const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                      forge::IntelValidity::around(kNow));
    const forge::PckFields fields;
    auto spec = forge::tdx_collateral(intel, fields, forge::fresh_window(kNow + days(1)));
    spec.tcb_info.tcb_evaluation_data_number = 18;
    rig.services->serve(test::kPcs, forge::intel_answers(spec, intel, fields));
    const auto again = rig.obtain(WhenToAsk::always, kNow + days(1));
    CHECK(again[0].from == ObtainedFrom::service);
    REQUIRE(again[0].problem);
    CHECK(again[0].problem->detail.find("18") != std::string::npos);
    CHECK(again[0].problem->detail.find("19") != std::string::npos);
    CHECK_FALSE(again[1].problem);
}

TEST_CASE("provider: the next renewal is due at two thirds of the shortest life", "[collateral]") {
    Rig rig("snp-milan-v3");
    const auto obtained = rig.obtain(WhenToAsk::when_missing, kNow);
    const Window window = forge::fresh_window(kNow);
    CHECK(CollateralProvider::next_refresh(obtained) ==
          window.from + (window.until - window.from) * 2 / 3);
    CHECK_FALSE(CollateralProvider::next_refresh({}));
}

TEST_CASE("provider: what the cache holds is known again by its names, issuers first",
          "[collateral]") {
    Rig tdx, snp("snp-milan-v5-vlek");
    tdx.obtain(WhenToAsk::when_missing, kNow);
    CHECK(tdx.provider().cached_ids().value() == tdx.ids);
    snp.obtain(WhenToAsk::when_missing, kNow);
    CHECK(snp.provider().cached_ids().value() == snp.ids);
    // A VCEK has no newer version.
    Rig vcek("snp-milan-v3");
    vcek.obtain(WhenToAsk::when_missing, kNow);
    CHECK(vcek.provider().cached_ids().value().size() == 2);
}

}  // namespace
}  // namespace attestd::provider_test
