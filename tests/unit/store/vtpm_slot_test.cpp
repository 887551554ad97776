// The `vtpm` key slot: what it records, and when it opens.
#include "agent/store/vtpm_slot.h"

#include "agent/store/store.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {
namespace {

/// A vTPM in words: the key depends on the TPM, on the request and on what selected PCRs hold.
class FakeVtpm final : public Platform {
 public:
    std::array<int, 24> pcrs{};
    std::optional<Errc> broken;
    std::uint32_t last_selection = 0;

    std::string_view name() const noexcept override { return "azure_vtpm"; }
    bool has_vtpm() const noexcept override { return true; }
    Result<Evidence> collect(const ReportData&, Deadline) override {
        return fail(Errc::platform_unsupported, "not in this test");
    }
    Result<Secret> derive_key(const DerivedKeyRequest&, Deadline) override {
        return fail(Errc::platform_unsupported, "a vTPM has no such keys");
    }
    Result<Secret> derive_vtpm_key(const VtpmKeyRequest& request, Deadline) override {
        if (broken) return fail(*broken, "the vTPM is told to fail");
        last_selection = request.pcrs;
        std::string all = fmt::format("{}/", request.pcrs);
        for (std::size_t i = 0; i < pcrs.size(); ++i) {
            if ((request.pcrs >> i & 1) != 0) all += fmt::format("{}={},", i, pcrs.at(i));
        }
        return Secret::copy_of(sha256({as_bytes(all), request.context}));
    }
};

constexpr std::uint32_t kFourAndSeven = 1U << 4 | 1U << 7;

struct VtpmStore {
    TempDir dir;
    FakeVtpm vtpm;

    Result<SealedStore> create(std::uint32_t pcrs = kFourAndSeven,
                               MeasuredImage measured = MeasuredImage::stated) {
        VtpmSlotKey key(vtpm, pcrs);
        SlotKey* const keys[] = {&key};
        return SealedStore::create(folder_at(dir / "store"), keys, measured);
    }
    Result<SealedStore> open() {
        VtpmSlotKey key(vtpm, 1);  // its own selection plays no part
        SlotKey* const keys[] = {&key};
        return SealedStore::open(folder_at(dir / "store"), keys, MeasuredImage::stated);
    }
};

}  // namespace

TEST_CASE("vtpm slot: it opens while the PCRs that it records hold what they held",
          "[store][vtpm]") {
    VtpmStore rig;
    {
        auto store = rig.create();
        REQUIRE_OK(store);
        REQUIRE_OK(store->put(name_of("a"), secret_of("value")));
        const auto slots = store->slots();
        REQUIRE_OK(slots);
        REQUIRE(slots->size() == 1);
        CHECK(slots->front().kind == SlotKind::vtpm);
        CHECK(slots->front().detail == "PCR 4, 7 (SHA-256)");
    }
    rig.vtpm.pcrs[11] = 1;  // not selected
    {
        auto store = rig.open();
        REQUIRE_OK(store);
        CHECK(rig.vtpm.last_selection == kFourAndSeven);
        CHECK(text_of(store->get(name_of("a"))->value) == "value");
    }
    rig.vtpm.pcrs[4] = 1;
    const auto locked = rig.open();
    REQUIRE_ERRC(Errc::store_locked, locked);
    CHECK_THAT(locked.error().detail, ContainsSubstring("slot 0 (vtpm): the key is not the one"));
    rig.vtpm.pcrs[4] = 0;
    REQUIRE_OK(rig.open());
}

TEST_CASE("vtpm slot: without a measured image there is none", "[store][vtpm]") {
    VtpmStore rig;
    REQUIRE_ERRC(Errc::store_slot, rig.create(kFourAndSeven, MeasuredImage::not_stated));
}

TEST_CASE("vtpm slot: a selection of nothing, or of what is no PCR, is not asked for",
          "[store][vtpm]") {
    FakeVtpm vtpm;
    const std::uint32_t pcrs = GENERATE(0U, 1U << 24, 1U << 31 | 1U);
    REQUIRE_ERRC(Errc::store_slot, VtpmSlotKey(vtpm, pcrs).make());
    auto made = VtpmSlotKey(vtpm, 1).make();
    REQUIRE_OK(made);
    for (std::size_t i = 0; i < 4; ++i)
        made->params[i] = static_cast<std::uint8_t>(pcrs >> (8 * i));
    vtpm.last_selection = 0;
    REQUIRE_ERRC(Errc::store_corrupt, VtpmSlotKey(vtpm, 1).recover(made->params));
    CHECK(vtpm.last_selection == 0);
}

TEST_CASE("vtpm slot: each has a key of its own, and its params come back", "[store][vtpm]") {
    FakeVtpm vtpm;
    VtpmSlotKey key(vtpm, kFourAndSeven);
    const auto one = key.make(), other = key.make();
    REQUIRE_OK(one);
    REQUIRE_OK(other);
    CHECK_FALSE(one->key == other->key);
    const auto again = key.recover(one->params);
    REQUIRE_OK(again);
    CHECK(*again == one->key);
    CHECK(parse_vtpm_slot_params(one->params)->pcrs == kFourAndSeven);
    for (std::size_t len = 0; len < one->params.size(); ++len) {
        const ByteView cut = ByteView(one->params).first(len);
        REQUIRE_ERRC(Errc::store_corrupt, parse_vtpm_slot_params(cut));
    }
    Bytes longer = one->params;
    longer.push_back(0);
    REQUIRE_ERRC(Errc::store_corrupt, parse_vtpm_slot_params(longer));
}

TEST_CASE("vtpm slot: what the vTPM says is kept; only what may pass is tried again",
          "[store][vtpm]") {
    VtpmStore rig;
    REQUIRE_OK(rig.create());
    rig.vtpm.broken = Errc::timed_out;
    REQUIRE_ERRC(Errc::timed_out, rig.open());
    rig.vtpm.broken = Errc::vtpm_failed;
    REQUIRE_ERRC(Errc::store_locked, rig.open());
    REQUIRE_ERRC(Errc::vtpm_failed, VtpmSlotKey(rig.vtpm).make());
}

TEST_CASE("vtpm slot: a machine without a vTPM has none", "[store][vtpm]") {
    FakeMachine machine;
    REQUIRE_ERRC(Errc::platform_unsupported, VtpmSlotKey(machine).make());
}

}  // namespace attestd::test
