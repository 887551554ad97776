// Where a PCK chain must end and what it must consist of (`spec/tdx.md` section 6, step 2; pitfalls
// 10, 11).
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::intel;
using test::IntelCase;
using test::outcome;

TEST_CASE("TDX pitfall 10: only chains of exactly three certificates in their order are taken",
          "[verifier][tdx][pitfall]") {
    struct Row {
        const char* name;
        std::string (*chain)();
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {"a fourth at the end",
         [] {
             return intel().pck_chain(intel().pck({})) +
                    forge::certificate_pem(intel().tcb_signing);
         },
         "chain.malformed"},
        {"the root twice",
         [] { return intel().pck_chain(intel().pck({})) + forge::certificate_pem(intel().root); },
         "chain.malformed"},
        {"no root",
         [] {
             return forge::certificate_pem(intel().pck({})) +
                    forge::certificate_pem(intel().pck_ca);
         },
         "chain.malformed"},
        {"the leaf alone", [] { return forge::certificate_pem(intel().pck({})); },
         "chain.malformed"},
        {"nothing", [] { return std::string(); }, "chain.malformed"},
        {"a revocation list in it",
         [] { return intel().pck_chain(intel().pck({})) + forge::to_pem("X509 CRL", Bytes(9)); },
         "chain.malformed"},
        {"a damaged certificate",
         [] {
             return forge::certificate_pem(ByteView(intel().pck({})).subspan(1)) +
                    intel().pck_crl_issuer_chain();
         },
         "chain.malformed"},
        {"the root first",
         [] {
             return forge::certificate_pem(intel().root) + forge::certificate_pem(intel().pck_ca) +
                    forge::certificate_pem(intel().pck({}));
         },
         "chain.name"},
        {"the authority twice",
         [] {
             return forge::certificate_pem(intel().pck_ca) +
                    forge::certificate_pem(intel().pck_ca) + forge::certificate_pem(intel().root);
         },
         "chain.name"},
    }));
    INFO(row.name);
    IntelCase c;
    c.spoil_quote = [&](auto& parts) {
        parts.certification_data = forge::pck_chain_data(row.chain());
    };
    CHECK(outcome(c.setting()) == std::string("refused: tdx.") + row.want);
}

TEST_CASE("TDX pitfall 11: a look-alike of the root is refused by its key",
          "[verifier][tdx][pitfall]") {
    forge::IntelKeys keys = forge::shared_intel_keys();
    keys.root = forge::SigningKey(KeyKind::p256);
    const forge::IntelHierarchy other(keys, forge::IntelValidity::around(test::now()));
    IntelCase c;
    c.spoil_quote = [&](auto& parts) {
        parts.certification_data = forge::pck_chain_data(other.pck_chain(other.pck({})));
    };
    CHECK(outcome(c.setting()) == "refused: tdx.chain.untrusted-root");
    c = IntelCase();
    c.spoil_collateral = [&](auto& x) { x.tcb_info_issuer_chain = other.tcb_signing_chain(); };
    CHECK(outcome(c.setting()) == "refused: tdx.tcb-info.chain");
    c = IntelCase();
    c.spoil_collateral = [&](auto& x) { x.qe_identity_issuer_chain = other.tcb_signing_chain(); };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-identity.chain");
    c = IntelCase();
    c.spoil_collateral = [&](auto& x) { x.pck_crl_issuer_chain = other.pck_crl_issuer_chain(); };
    CHECK(outcome(c.setting()) == "refused: tdx.crl.issuer");
}

TEST_CASE("TDX: two added anchors do not mix within one result", "[verifier][tdx]") {
    forge::IntelKeys keys = forge::shared_intel_keys();
    keys.root = forge::SigningKey(KeyKind::p256);
    const forge::IntelHierarchy other(keys, forge::IntelValidity::around(test::now()));
    IntelCase c;
    c.spoil_collateral = [&](auto& x) { x.tcb_info_issuer_chain = other.tcb_signing_chain(); };
    test::Setting setting = c.setting();
    setting.anchors.push_back(other.root);
    CHECK(outcome(setting) == "refused: tdx.tcb-info.chain");
}

}  // namespace
}  // namespace attestd
