// The TDX module by its identity (`spec/tdx.md` section 6, step 8; pitfalls 6, 33).
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::IntelCase;
using test::outcome;

TEST_CASE("TDX pitfall 6: module identities are found whatever the case of their id",
          "[verifier][tdx][pitfall]") {
    const std::string id = GENERATE("TDX_0A", "TDX_0a", "tdx_0a");
    IntelCase c;
    test::td(c).tee_tcb_svn = {5, 10, 3};
    CHECK(outcome(c.setting()) == "refused: tdx.tdx-module.unknown");
    c.collateral.tcb_info.identities->push_back({id, {}, {{4, test::now(), "UpToDate", {}}}});
    CHECK(outcome(c.setting()) == "accepted");
}

TEST_CASE("TDX pitfall 33: a module that is not the one described is refused",
          "[verifier][tdx][pitfall]") {
    struct Row {
        const char* name;
        void (*spoil)(IntelCase&);
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {"MRSIGNERSEAM", [](auto& c) { test::td(c).mrsignerseam[0] = 1; }, "mismatch"},
        {"SEAMATTRIBUTES", [](auto& c) { test::td(c).seam_attributes = 1; }, "mismatch"},
        {"SEAMATTRIBUTES outside the mask",
         [](auto& c) {
             test::td(c).seam_attributes = 1;
             for (auto& i : *c.collateral.tcb_info.identities) i.module.attributes_mask = {};
         },
         "mismatch"},
        {"a version without identity", [](auto& c) { test::td(c).tee_tcb_svn[1] = 2; }, "unknown"},
        {"no identities at all", [](auto& c) { c.collateral.tcb_info.identities.reset(); },
         "unknown"},
        {"MRSIGNERSEAM of TDX 1.0",
         [](auto& c) {
             test::td(c).tee_tcb_svn[1] = 0;
             c.collateral.tcb_info.module->mrsigner[0] = 1;
         },
         "mismatch"},
    }));
    INFO(row.name);
    IntelCase c;
    row.spoil(c);
    CHECK(outcome(c.setting()) == std::string("refused: tdx.tdx-module.") + row.want);
}

TEST_CASE("TDX: the module running now is judged as the one at launch is", "[verifier][tdx]") {
    IntelCase c(forge::tdx_v5(forge::BodyType::td15));
    test::td(c).tee_tcb_svn2 = {5, 2, 3};
    CHECK(outcome(c.setting()) == "refused: tdx.tdx-module.unknown");
    test::td(c).tee_tcb_svn2 = {0, 1, 3};
    CHECK(outcome(c.setting()) == "refused: tdx.tcb.not-supported");
    test::td(c).tee_tcb_svn2 = {2, 1, 3};
    CHECK(outcome(c.setting()) ==
          "refused: tdx.tcb.current-status");  // the launch alone would be UpToDate
}

}  // namespace
}  // namespace attestd
