// Revocation lists of Intel's (`spec/tdx.md` section 6, step 3; pitfall 2): each list that is bad
// in one way, and each certificate that one names.
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::intel;
using test::IntelCase;
using test::outcome;

struct CrlRow {
    const char* name;
    Bytes (*make)(const forge::CrlSpec& good, const forge::Issuer& issuer);
    const char* want;
};

const std::vector<CrlRow> kCrlRows{
    {"empty", [](auto&, auto&) { return Bytes{}; }, "crl.malformed"},
    {"garbage", [](auto&, auto&) { return Bytes(300, 0x5a); }, "crl.malformed"},
    {"cut short",
     [](auto& good, auto& by) {
         Bytes b = forge::issue(good, by);
         b.pop_back();
         return b;
     },
     "crl.malformed"},
    {"forged",
     [](auto& good, auto& by) {
         return forge::issue(good, {by.name, intel().keys.pck});
     },
     "crl.signature"},
    {"expired",
     [](auto& good, auto& by) {
         forge::CrlSpec spec = good;
         spec.validity = {test::now() - std::chrono::days(30),
                          test::now() - std::chrono::seconds(1)};
         return forge::issue(spec, by);
     },
     "crl.expired"},
    {"not yet in force",
     [](auto& good, auto& by) {
         forge::CrlSpec spec = good;
         spec.validity.from = test::now() + std::chrono::seconds(1);
         return forge::issue(spec, by);
     },
     "crl.not-yet-valid"},
    {"of another authority",
     [](auto& good, auto&) {
         return forge::issue(good, intel(forge::PckCa::processor).pck_issuer());
     },
     "crl.issuer"},
};

TEST_CASE("TDX pitfall 2: each bad PCK list is refused for its own reason",
          "[verifier][tdx][pitfall]") {
    for (const CrlRow& row : kCrlRows) {
        INFO(row.name);
        IntelCase c;
        c.spoil_collateral = [&](auto& x) {
            x.pck_crl = row.make(c.collateral.pck_crl, intel().pck_issuer());
        };
        CHECK(outcome(c.setting()) == std::string("refused: tdx.") + row.want);
    }
}

TEST_CASE("TDX pitfall 2: each bad root list is refused for its own reason",
          "[verifier][tdx][pitfall]") {
    for (const CrlRow& row : kCrlRows) {
        INFO(row.name);
        IntelCase c;
        c.spoil_collateral = [&](auto& x) {
            x.root_ca_crl = row.make(c.collateral.root_crl, intel().root_issuer());
        };
        CHECK(outcome(c.setting()) == std::string("refused: tdx.") + row.want);
    }
}

TEST_CASE("TDX: a list is in force at both ends of its time", "[verifier][tdx]") {
    IntelCase c;
    c.collateral.pck_crl.validity = {test::now(), test::now()};
    CHECK(outcome(c.setting()) == "accepted");
}

TEST_CASE("TDX: revoked certificates are refused by their place", "[verifier][tdx]") {
    struct Row {
        const char* name;
        void (*revoke)(forge::CollateralSpec&);
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {"PCK leaf",
         [](auto& s) {
             s.pck_crl.revoked = {{intel().pck_spec({}).serial, test::now()}};
         },
         "crl.leaf-revoked"},
        {"PCK authority",
         [](auto& s) {
             s.root_crl.revoked = {{intel().pck_ca_spec().serial, test::now()}};
         },
         "crl.intermediate-revoked"},
        {"TCB signer",
         [](auto& s) {
             s.root_crl.revoked = {{intel().tcb_signing_spec().serial, test::now()}};
         },
         "crl.tcb-signer-revoked"},
    }));
    INFO(row.name);
    IntelCase c;
    row.revoke(c.collateral);
    CHECK(outcome(c.setting()) == std::string("refused: tdx.") + row.want);
}

}  // namespace
}  // namespace attestd
