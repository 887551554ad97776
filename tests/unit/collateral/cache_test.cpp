// The cache: verified when stored, verified when loaded, never older than what was seen.
#include "agent/collateral/cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/collateral/needs.h"
#include "quote/base/fd.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/collateral/fake_services.h"

namespace attestd::cache_test {
namespace {

using std::chrono::days;
using test::FakeServices;
using test::Machine;

constexpr Time kNow{std::chrono::seconds(1'790'000'000)};

struct CacheRig {
    explicit CacheRig(const char* kind = "tdx-v4") : machine(kind, kNow) {}

    CollateralCache open() {
        auto cache = CollateralCache::open(dir.path() / "cache", CollateralCache::Kind::production,
                                           machine.anchors);
        REQUIRE_OK(cache);
        return *std::move(cache);
    }
    /// What the services of this set give for `id`.
    Bytes served(const EndorsementId& id, const char* set = "current") {
        FakeServices services;
        machine.serve(services, set);
        auto bytes = ask_service(services, test::test_addresses(), id,
                                 std::chrono::steady_clock::now() + std::chrono::seconds(5));
        REQUIRE(bytes.has_value());
        return *std::move(bytes);
    }

    test::TempDir dir;
    Machine machine;
};

const EndorsementId kTcb = TcbInfoId{true, {0x70, 0xc0, 0x6f, 0, 0, 0}};
const EndorsementId kPckCrl = PckCrlId{PckCa::platform};

TEST_CASE("cache: what was stored is loaded after a restart", "[collateral][cache]") {
    CacheRig rig;
    const Bytes bytes = rig.served(kTcb);
    REQUIRE_OK(rig.open().store(kTcb, bytes, {}, kNow));
    const auto loaded = rig.open().load(kTcb, kNow + days(20));
    REQUIRE_OK(loaded);
    CHECK(loaded->bytes == bytes);
    CHECK(loaded->checked.evaluation_data_number == 19);
    CHECK(loaded->checked.validity.until == kNow + days(30));
    REQUIRE_ERRC(Errc::not_found, rig.open().load(QeIdentityId{true}, kNow));
}

TEST_CASE("cache: nothing is handed out past its stated end", "[collateral][cache]") {
    CacheRig rig;
    auto cache = rig.open();
    REQUIRE_OK(cache.store(kTcb, rig.served(kTcb), {}, kNow));
    REQUIRE_OK(cache.store(kPckCrl, rig.served(kPckCrl), {}, kNow));
    REQUIRE_ERRC(Errc::tcb_info_expired, cache.load(kTcb, kNow + days(31)));
    REQUIRE_ERRC(Errc::crl_expired, cache.load(kPckCrl, kNow + days(31)));
}

TEST_CASE("cache: an older document or list is refused, across restarts, by its own date",
          "[collateral][cache][invariant-7][pitfall-21]") {
    CacheRig rig;
    REQUIRE_OK(rig.open().store(kTcb, rig.served(kTcb), {}, kNow));
    REQUIRE_OK(rig.open().store(kPckCrl, rig.served(kPckCrl), {}, kNow));
    REQUIRE_ERRC(Errc::collateral_rollback,
                 rig.open().store(kTcb, rig.served(kTcb, "older"), {}, kNow));
    REQUIRE_ERRC(Errc::crl_rollback,
                 rig.open().store(kPckCrl, rig.served(kPckCrl, "older"), {}, kNow));
    // The newer ones are still there.
    REQUIRE_OK(rig.open().load(kTcb, kNow));
    REQUIRE_OK(rig.open().load(kPckCrl, kNow));
}

TEST_CASE("cache: an older file put in place by hand is not handed out",
          "[collateral][cache][invariant-7]") {
    CacheRig rig;
    REQUIRE_OK(rig.open().store(kPckCrl, rig.served(kPckCrl), {}, kNow));
    rig.dir.write("cache/" + endorsement_file(kPckCrl), rig.served(kPckCrl, "older"));
    REQUIRE_ERRC(Errc::crl_rollback, rig.open().load(kPckCrl, kNow));
}

TEST_CASE("cache: the same date again and a newer one are taken", "[collateral][cache]") {
    CacheRig rig;
    auto cache = rig.open();
    REQUIRE_OK(cache.store(kTcb, rig.served(kTcb, "older"), {}, kNow));
    REQUIRE_OK(cache.store(kTcb, rig.served(kTcb, "older"), {}, kNow));
    REQUIRE_OK(cache.store(kTcb, rig.served(kTcb), {}, kNow));
}

TEST_CASE("cache: a file that was changed is refused as damaged, whatever the byte",
          "[collateral][cache]") {
    CacheRig rig;
    auto cache = rig.open();
    for (const EndorsementId& id : {kTcb, kPckCrl}) {
        REQUIRE_OK(cache.store(id, rig.served(id), {}, kNow));
        const std::string file = "cache/" + endorsement_file(id);
        const Bytes good = rig.served(id);
        for (std::size_t at = 0; at < good.size(); at += 97) {
            Bytes bad = good;
            bad[at] ^= 0x04;
            rig.dir.write(file, bad);
            const auto loaded = cache.load(id, kNow);
            CAPTURE(at);
            // Blanks and the order of members around what is signed carry nothing.
            if (loaded) CHECK(loaded->checked.key == endorsement_key(id));
            if (loaded) continue;
            const Errc code = loaded.error().code;
            CHECK((code == Errc::collateral_damaged || code == Errc::chain_missing));
        }
        rig.dir.write(file, ByteView(good).first(good.size() / 2));
        REQUIRE_ERRC(Errc::collateral_damaged, cache.load(id, kNow));
        rig.dir.write(file, ByteView());
        REQUIRE_ERRC(Errc::collateral_damaged, cache.load(id, kNow));
    }
}

TEST_CASE("cache: another endorsement than the one named is a mismatch", "[collateral][cache]") {
    CacheRig rig;
    auto cache = rig.open();
    const EndorsementId other = TcbInfoId{true, {1, 2, 3, 4, 5, 6}};
    REQUIRE_ERRC(Errc::collateral_mismatch, cache.store(other, rig.served(kTcb), {}, kNow));
    REQUIRE_ERRC(Errc::collateral_mismatch,
                 cache.store(QeIdentityId{true}, rig.served(kTcb), {}, kNow));
    CHECK(cache.list(kNow).value().empty());
}

TEST_CASE("cache: what a foreign root signed is not stored", "[collateral][cache]") {
    CacheRig rig;
    auto cache = CollateralCache::open(rig.dir.path() / "cache", CollateralCache::Kind::production,
                                       TrustAnchors());
    REQUIRE_OK(cache);
    REQUIRE_ERRC(Errc::tcb_info_chain, cache->store(kTcb, rig.served(kTcb), {}, kNow));
    REQUIRE_ERRC(Errc::chain_untrusted_root, cache->store(kPckCrl, rig.served(kPckCrl), {}, kNow));
}

TEST_CASE("cache: a clock behind the newest signed date stops it, by name",
          "[collateral][cache][invariant-11][pitfall-29]") {
    CacheRig rig;
    REQUIRE_OK(rig.open().store(kTcb, rig.served(kTcb), {}, kNow));
    auto cache = rig.open();
    REQUIRE_ERRC(Errc::clock_before_collateral, cache.floors().check_clock(kNow - days(1)));
    REQUIRE_ERRC(Errc::clock_before_collateral,
                 cache.store(kTcb, rig.served(kTcb), {}, kNow - days(1)));
    REQUIRE_OK(cache.floors().check_clock(kNow));
}

TEST_CASE("cache: a test hierarchy's endorsements lie apart", "[collateral][cache][invariant-10]") {
    CacheRig rig;
    auto test_cache = CollateralCache::open(rig.dir.path() / "cache", CollateralCache::Kind::test,
                                            rig.machine.anchors);
    REQUIRE_OK(test_cache);
    REQUIRE_OK(test_cache->store(kTcb, rig.served(kTcb), {}, kNow));
    CHECK(rig.open().list(kNow).value().empty());
    CHECK(rig.open().floors().size() == 0);
    CHECK(std::filesystem::exists(rig.dir.path() / "cache" / "test" / endorsement_file(kTcb)));
}

TEST_CASE("cache: a damaged record of what was seen is an error that says what to do",
          "[collateral][cache]") {
    CacheRig rig;
    REQUIRE_OK(rig.open().store(kTcb, rig.served(kTcb), {}, kNow));
    const auto* const text =
        GENERATE("", "{}", "nonsense", R"({"format":2,"newest":"2026-01-01T00:00:00Z","seen":{}})",
                 R"({"format":1,"newest":"yesterday","seen":{}})",
                 R"({"format":1,"newest":"2026-01-01T00:00:00Z","seen":{"a":{}}})");
    rig.dir.write("cache/seen.json", std::string_view(text));
    const auto opened = CollateralCache::open(
        rig.dir.path() / "cache", CollateralCache::Kind::production, rig.machine.anchors);
    REQUIRE_ERRC(Errc::collateral_damaged, opened);
    CHECK(opened.error().detail.find("remove the file") != std::string::npos);
}

TEST_CASE("cache: endorsements from elsewhere raise the floor and are held against it",
          "[collateral][cache][invariant-7]") {
    CacheRig rig;
    const auto endorsements = [&](const char* set) {
        Endorsements out;
        REQUIRE_OK(out.add(rig.served(kPckCrl, set), "given"));
        return out;
    };
    auto cache = rig.open();
    REQUIRE_OK(cache.admit(endorsements("older"), {}, kNow));
    REQUIRE_OK(cache.admit(endorsements("current"), {}, kNow));
    REQUIRE_ERRC(Errc::crl_rollback, cache.admit(endorsements("older"), {}, kNow));
    REQUIRE_ERRC(Errc::crl_rollback, rig.open().admit(endorsements("older"), {}, kNow));
}

TEST_CASE("cache: what root makes in another user's folder is that user's", "[collateral][cache]") {
    if (::geteuid() != 0) ATTESTD_SKIP("only root can give a folder away");
    CacheRig rig;
    constexpr uid_t kOther = 12345;
    REQUIRE(::chown(rig.dir.path().c_str(), kOther, kOther) == 0);
    REQUIRE_OK(rig.open().store(kTcb, rig.served(kTcb), {}, kNow));
    for (const char* const made : {"cache", "cache/.lock"}) {
        struct stat st {};
        REQUIRE(::stat((rig.dir / made).c_str(), &st) == 0);
        CHECK(st.st_uid == kOther);
    }
}

TEST_CASE("cache: AMD's leaf and list are checked by the issuers beside them",
          "[collateral][cache]") {
    const auto* const kind = GENERATE("snp-milan-v3", "snp-turin-v5");
    CacheRig rig(kind);
    const auto ids = needed_endorsements(rig.machine.evidence, {});
    REQUIRE_OK(ids);
    REQUIRE(ids->size() == 3);
    auto cache = rig.open();
    // Without the issuers nothing can be said of the leaf.
    REQUIRE_ERRC(Errc::chain_missing, cache.store(ids->at(1), rig.served(ids->at(1)), {}, kNow));
    for (const EndorsementId& id : *ids) {
        Endorsements context;
        REQUIRE_OK(context.add(rig.served(ids->at(0)), "issuers"));
        REQUIRE_OK(cache.store(id, rig.served(id), context, kNow));
    }
    for (const EndorsementId& id : *ids) REQUIRE_OK(rig.open().load(id, kNow));
    // Certificates have no newer version: they serve up to their end.
    REQUIRE_OK(rig.open().load(ids->at(1), kNow + days(365)));
    REQUIRE_ERRC(Errc::crl_expired, rig.open().load(ids->at(2), kNow + days(365)));
}

TEST_CASE("cache: a leaf of another TCB or chip is not taken for the one named",
          "[collateral][cache]") {
    CacheRig rig("snp-milan-v3");
    const auto ids = needed_endorsements(rig.machine.evidence, {});
    REQUIRE_OK(ids);
    Endorsements context;
    REQUIRE_OK(context.add(rig.served(ids->at(0)), "issuers"));
    auto cache = rig.open();
    VcekId other = std::get<VcekId>(ids->at(1));
    ++other.tcb.microcode;
    REQUIRE_ERRC(Errc::collateral_mismatch,
                 cache.store(other, rig.served(ids->at(1)), context, kNow));
    other = std::get<VcekId>(ids->at(1));
    other.hw_id[0] ^= 1;
    REQUIRE_ERRC(Errc::collateral_mismatch,
                 cache.store(other, rig.served(ids->at(1)), context, kNow));
}

}  // namespace
}  // namespace attestd::cache_test
