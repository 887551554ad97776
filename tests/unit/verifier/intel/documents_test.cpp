// TCB info and enclave identities (`spec/tdx.md` section 5; pitfalls 8, 12 to 16, 28, 31):
// correctly signed documents with one thing wrong, and the finding that must say so.
#include "tests/support/catch.h"
#include "tests/unit/verifier/intel/spoil.h"
#include "tests/unit/verifier/setting.h"

namespace attestd::documents_test {
namespace {

using test::intel;
using test::IntelCase;
using test::outcome;
using test::replaced;
using test::sign_again;

TEST_CASE("TDX pitfall 8: documents of the other TEE are refused", "[verifier][tdx][pitfall]") {
    const forge::CollateralSpec sgx = forge::sgx_collateral(intel(), {}, test::fresh());
    const forge::CollateralSpec tdx = forge::tdx_collateral(intel(), {}, test::fresh());
    IntelCase c;
    c.collateral.tcb_info = sgx.tcb_info;
    CHECK(outcome(c.setting()) == "refused: tdx.tcb-info.tee");
    c = IntelCase();
    c.collateral.qe_identity = sgx.qe_identity;
    CHECK(outcome(c.setting()) == "refused: tdx.qe-identity.tee");
    IntelCase e(forge::sgx_v4());
    e.collateral.tcb_info = tdx.tcb_info;
    CHECK(outcome(e.setting()) == "refused: sgx.tcb-info.tee");
    e = IntelCase(forge::sgx_v4());
    e.collateral.qe_identity = tdx.qe_identity;
    CHECK(outcome(e.setting()) == "refused: sgx.qe-identity.tee");
    e = IntelCase(forge::sgx_v4());
    e.collateral.qe_identity.id = "QVE";
    CHECK(outcome(e.setting()) == "refused: sgx.qe-identity.tee");
}

TEST_CASE("TDX pitfall 12: documents are good from issueDate to nextUpdate, both included",
          "[verifier][tdx][pitfall]") {
    const auto one = std::chrono::seconds(1);
    struct Row {
        Window window;
        const char* want;
    };
    const Row row = GENERATE_COPY(values<Row>({
        {{test::now(), test::now()}, nullptr},
        {{test::now() + one, test::now() + one}, "not-yet-valid"},
        {{test::now() - one, test::now() - one}, "expired"},
        {{test::now() + one, test::now() - one}, "not-yet-valid"},
    }));
    IntelCase c;
    c.collateral.tcb_info.issue_date = row.window.from;
    c.collateral.tcb_info.next_update = row.window.until;
    CHECK(outcome(c.setting()) ==
          (row.want == nullptr ? "accepted" : std::string("refused: tdx.tcb-info.") + row.want));
    c = IntelCase();
    c.collateral.qe_identity.issue_date = row.window.from;
    c.collateral.qe_identity.next_update = row.window.until;
    CHECK(outcome(c.setting()) ==
          (row.want == nullptr ? "accepted" : std::string("refused: tdx.qe-identity.") + row.want));
}

TEST_CASE("TDX pitfall 13: a blank inside the signed object is refused",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    c.spoil_collateral = [](auto& x) {
        x.tcb_info = replaced(x.tcb_info, R"("version":3)", R"("version": 3)");
    };
    CHECK(outcome(c.setting()) == "refused: tdx.tcb-info.signature");
    c.spoil_collateral = [](auto& x) { x.qe_identity += ' '; };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-identity.signature");
}

TEST_CASE("TDX pitfall 15: the order of TCB levels in the document means nothing",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    std::reverse(c.collateral.tcb_info.levels.begin(), c.collateral.tcb_info.levels.end());
    for (auto& identity : *c.collateral.tcb_info.identities)
        std::reverse(identity.levels.begin(), identity.levels.end());
    std::reverse(c.collateral.qe_identity.levels.begin(), c.collateral.qe_identity.levels.end());
    CHECK(outcome(c.setting()) == "accepted");
}

TEST_CASE("TDX pitfalls 14, 16, 28: correctly signed TCB info that is not as it must be is refused",
          "[verifier][tdx][pitfall]") {
    struct Row {
        const char* name;
        void (*spoil)(forge::TcbInfo&);
        const char* want = "malformed";
    };
    const Row row = GENERATE(values<Row>({
        {"15 SGX components", [](auto& i) { i.levels[0].sgx.pop_back(); }},
        {"17 SGX components", [](auto& i) { i.levels[0].sgx.push_back({}); }},
        {"15 TDX components", [](auto& i) { i.levels[1].tdx.pop_back(); }},
        {"17 TDX components", [](auto& i) { i.levels[1].tdx.push_back({}); }},
        {"no TDX components", [](auto& i) { i.levels[1].tdx.clear(); }},
        {"svn 256", [](auto& i) { i.levels[0].sgx[3].svn = 256; }},
        {"TDX svn 2^32 - 1", [](auto& i) { i.levels[0].tdx[3].svn = UINT32_MAX; }},
        {"PCESVN 65536", [](auto& i) { i.levels[0].pcesvn = 65536; }},
        {"a status that is not known", [](auto& i) { i.levels[0].status = "Fine"; }},
        {"no status", [](auto& i) { i.levels[0].status.clear(); }},
        {"a terminal status as a level's",
         [](auto& i) { i.levels[1].status = "TDRelaunchAdvised"; }},
        {"a level twice",
         [](auto& i) {
             i.levels.push_back(i.levels[0]);
             i.levels[2].status = "OutOfDate";
         }},
        {"tcbType 1", [](auto& i) { i.tcb_type = 1; }},
        {"evaluation number 2^31", [](auto& i) { i.tcb_evaluation_data_number = 0x80000000; }},
        {"id of neither", [](auto& i) { i.id = "tdx"; }},
        {"version 2", [](auto& i) { i.version = 2; }, "version"},
        {"version 4", [](auto& i) { i.version = 4; }, "version"},
        {"no TDX module", [](auto& i) { i.module.reset(); }},
        {"a module's ISVSVN of 65536",
         [](auto& i) { i.identities->at(1).levels[0].isvsvn = 65536; }},
        {"a module's status that components do not have",
         [](auto& i) { i.identities->at(1).levels[0].status = "ConfigurationNeeded"; }},
        {"a module's level twice",
         [](auto& i) { i.identities->at(1).levels.push_back(i.identities->at(1).levels[0]); }},
        {"a module twice", [](auto& i) { i.identities->push_back(i.identities->at(1)); }},
        {"a module twice in other letters",
         [](auto& i) {
             i.identities->push_back(i.identities->at(1));
             i.identities->back().id = "tdx_01";
         }},
        {"over 64 modules",
         [](auto& i) {
             for (int n = 10; n < 80; ++n)
                 i.identities->push_back({"TDX_" + std::to_string(n), {}, {}});
         }},
        {"another FMSPC", [](auto& i) { i.fmspc[5] ^= 1; }, "fmspc"},
        {"another PCEID", [](auto& i) { i.pceid[1] ^= 1; }, "pceid"},
    }));
    INFO(row.name);
    IntelCase c;
    row.spoil(c.collateral.tcb_info);
    CHECK(outcome(c.setting()) == std::string("refused: tdx.tcb-info.") + row.want);
}

TEST_CASE("TDX: an SGX document that holds TDX modules is refused", "[verifier][tdx]") {
    IntelCase c(forge::sgx_v3());
    c.collateral.tcb_info.module = forge::TdxModule{};
    CHECK(outcome(c.setting()) == "refused: sgx.tcb-info.malformed");
    c = IntelCase(forge::sgx_v3());
    c.collateral.tcb_info.identities.emplace();
    CHECK(outcome(c.setting()) == "refused: sgx.tcb-info.malformed");
}

TEST_CASE("TDX: correctly signed text that is no TCB info is refused", "[verifier][tdx]") {
    struct Row {
        const char* name;
        std::string (*text)(const std::string& good);
        const char* want = "malformed";
    };
    const Row row = GENERATE(values<Row>({
        {"empty", [](auto&) { return std::string(); }},
        {"a list", [](auto&) { return std::string("[]"); }},
        {"nested 100000 deep in 1 MiB",
         [](auto&) { return std::string(100000, '[') + std::string(900000, ' '); }},
        {"over 1 MiB", [](auto& good) { return good + std::string(1 << 20, ' '); }},
        {"a key twice",
         [](auto& good) { return replaced(good, R"("version":3)", R"("version":3,"version":3)"); }},
        {"an svn with a fraction",
         [](auto& good) { return replaced(good, R"("svn":3)", R"("svn":3.0)"); }},
        {"an svn below 0", [](auto& good) { return replaced(good, R"("svn":3)", R"("svn":-1)"); }},
        {"an svn as text", [](auto& good) { return replaced(good, R"("svn":3)", R"("svn":"3")"); }},
        {"a date without zone",
         [](auto& good) { return replaced(good, R"(Z","nextUpdate")", R"(","nextUpdate")"); }},
        {"an FMSPC of five bytes",
         [](auto& good) { return replaced(good, "70C06F000000", "70C06F0000"); }},
        {"an FMSPC that is not hexadecimal",
         [](auto& good) { return replaced(good, "70C06F000000", "70C06F00000g"); }},
        {"version as text",
         [](auto& good) { return replaced(good, R"("version":3)", R"("version":"3")"); }},
        {"no tcbLevels",
         [](auto& good) {
             return replaced(good, "tcbLevels\":[{\"tcb\":{\"sgx", "xcbLevels\":[{\"tcb\":{\"sgx");
         }},
        {"another key beside",
         [](auto& good) {
             return replaced(good, R"("version":3)", R"("version":3,"new":{"a":[]})");
         },
         nullptr},
    }));
    INFO(row.name);
    IntelCase c;
    c.spoil_collateral = [&](auto& x) {
        x.tcb_info = row.text(x.tcb_info);
        sign_again(x);
    };
    const std::string want =
        row.want == nullptr ? "accepted" : std::string("refused: tdx.tcb-info.") + row.want;
    CHECK(outcome(c.setting()) == want);
}

TEST_CASE("TDX: correctly signed enclave identities that are not as they must be are refused",
          "[verifier][tdx]") {
    struct Row {
        const char* name;
        void (*spoil)(forge::EnclaveIdentity&);
        const char* want = "malformed";
    };
    const Row row = GENERATE(values<Row>({
        {"version 1", [](auto& i) { i.version = 1; }, "version"},
        {"version 3", [](auto& i) { i.version = 3; }, "version"},
        {"an id that is not known", [](auto& i) { i.id = "td_qe"; }},
        {"ISVPRODID 65536", [](auto& i) { i.isvprodid = 65536; }},
        {"a status that enclaves do not have",
         [](auto& i) { i.levels[0].status = "SWHardeningNeeded"; }},
        {"an ISVSVN with two levels", [](auto& i) { i.levels.push_back(i.levels[0]); }},
        {"a negative evaluation number",
         [](auto& i) { i.tcb_evaluation_data_number = UINT32_MAX; }},
    }));
    INFO(row.name);
    IntelCase c;
    row.spoil(c.collateral.qe_identity);
    CHECK(outcome(c.setting()) == std::string("refused: tdx.qe-identity.") + row.want);
}

TEST_CASE("TDX pitfall 31: TCB info signed by a PCK key is refused by its chain",
          "[verifier][tdx][pitfall]") {
    const bool three = GENERATE(true, false);
    IntelCase c;
    c.spoil_collateral = [&](auto& x) {
        x.tcb_info_signature = forge::sign_text(x.tcb_info, intel().keys.pck);
        const std::string chain = intel().pck_chain(intel().pck({}));
        x.tcb_info_issuer_chain =
            three ? chain
                  : forge::certificate_pem(intel().pck({})) + forge::certificate_pem(intel().root);
    };
    CHECK(outcome(c.setting()) == "refused: tdx.tcb-info.chain");
}

}  // namespace
}  // namespace attestd::documents_test
