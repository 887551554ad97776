// The pitfalls of `spec/tdx.md` section 9, by their numbers: correctly signed test data with one
// thing wrong, and the finding that must say so. (18, 19, 23, 30: tests/unit/quote. 4, 5, 15, 34:
// also tcb_evaluation_test. 22 is the network's; 21 and 29 need a memory across restarts, the
// agent's.)
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::intel;
using test::IntelCase;
using test::outcome;

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    REQUIRE(at != text.npos);
    return text.replace(at, from.size(), to);
}

void sign_again(forge::Collateral& c) {
    c.tcb_info_signature = forge::sign_text(c.tcb_info, intel().keys.tcb_signing);
    c.qe_identity_signature = forge::sign_text(c.qe_identity, intel().keys.tcb_signing);
}

TEST_CASE("TDX pitfall 0: the unspoilt case is accepted", "[verifier][tdx][pitfall]") {
    CHECK(outcome(IntelCase().setting()) == "accepted");
}

TEST_CASE("TDX pitfall 1: an edited QE identity is refused by its signature",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    c.spoil_collateral = [](auto& x) {
        x.qe_identity = replaced(x.qe_identity, R"("isvprodid":2)", R"("isvprodid":3)");
    };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-identity.signature");
}

TEST_CASE("TDX pitfall 1: a quoting enclave that its identity does not describe is refused",
          "[verifier][tdx][pitfall]") {
    struct Row {
        const char* name;
        void (*spoil)(IntelCase&);
    };
    const Row row = GENERATE(values<Row>({
        {"ISVPRODID", [](auto& c) { ++c.spec.qe.report.isvprodid; }},
        {"MRSIGNER", [](auto& c) { c.spec.qe.report.mrsigner[31] ^= 1; }},
        {"MISCSELECT under its mask", [](auto& c) { c.spec.qe.report.miscselect = 0x80000000; }},
        {"ATTRIBUTES under their mask", [](auto& c) { c.spec.qe.report.flags |= 0x20; }},
        {"DEBUG", [](auto& c) { c.spec.qe.report.flags |= 0x02; }},
        {"DEBUG outside the mask",
         [](auto& c) {
             c.spec.qe.report.flags |= 0x02;
             c.collateral.qe_identity.attributes_mask = {};
         }},
    }));
    INFO(row.name);
    IntelCase c;
    row.spoil(c);
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.mismatch");
}

TEST_CASE("TDX: bits of the quoting enclave outside the identity's masks are not judged",
          "[verifier][tdx]") {
    IntelCase c;
    c.spec.qe.report.xfrm = 0x1234;
    c.spec.qe.report.miscselect = 0x01000000;
    c.collateral.qe_identity.miscselect = {0, 0, 0, 0x02};  // outside the mask on this side too
    c.collateral.qe_identity.miscselect_mask = {0xff, 0xff, 0xff, 0xfc};
    CHECK(outcome(c.setting()) == "accepted");
}

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

TEST_CASE("TDX pitfall 3: debuggable TDs and enclaves are refused, unless policy says otherwise",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    test::td(c).td_attributes |= 1;
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "refused: tdx.policy.debug");
    setting.policy.tdx.allow_debug = true;
    CHECK(outcome(setting) == "accepted");
    IntelCase e(forge::sgx_v3());
    std::get<forge::EnclaveReport>(e.spec.body).flags |= 2;
    setting = e.setting();
    CHECK(outcome(setting) == "refused: sgx.policy.debug");
    setting.policy.sgx.allow_debug = true;
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("TDX pitfall 6: module identities are found whatever the case of their id",
          "[verifier][tdx][pitfall]") {
    const std::string id = GENERATE("TDX_0A", "TDX_0a", "tdx_0a");
    IntelCase c;
    test::td(c).tee_tcb_svn = {5, 10, 3};
    CHECK(outcome(c.setting()) == "refused: tdx.tdx-module.unknown");
    c.collateral.tcb_info.identities->push_back({id, {}, {{4, test::now(), "UpToDate", {}}}});
    CHECK(outcome(c.setting()) == "accepted");
}

TEST_CASE("TDX pitfall 7: another vendor id is refused although correctly signed",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    c.spec.header.vendor_id[0] ^= 1;
    CHECK(outcome(c.setting()) == "refused: tdx.quote.qe-vendor");
}

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

TEST_CASE("TDX pitfall 9: another outer certification type is refused",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    c.spoil_quote = [](auto& parts) { parts.outer_type = 5; };
    CHECK(outcome(c.setting()) == "refused: tdx.quote.malformed");
}

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

TEST_CASE("TDX pitfall 20: signatures that no key makes are refused", "[verifier][tdx][pitfall]") {
    const std::string n = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    const std::string zero(64, '0'), one = std::string(63, '0') + "1";
    const auto [r, s] = GENERATE_COPY(table<std::string, std::string>(
        {{zero, zero}, {zero, one}, {one, zero}, {n, one}, {one, n}, {n, n}}));
    const Bytes bad = from_hex(r + s, "signature").value();
    IntelCase c;
    c.spoil_quote = [&](auto& parts) { parts.signature = bad; };
    CHECK(outcome(c.setting()) == "refused: tdx.quote.signature");
    c.spoil_quote = [&](auto& parts) { parts.qe_report_signature = bad; };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.signature");
    c.spoil_quote = nullptr;
    c.spoil_collateral = [&](auto& x) { x.tcb_info_signature = to_hex(bad); };
    CHECK(outcome(c.setting()) == "refused: tdx.tcb-info.signature");
}

TEST_CASE("TDX pitfall 20: an attestation key that is no point on the curve is refused",
          "[verifier][tdx][pitfall]") {
    const auto spoil = GENERATE(
        as<void (*)(Bytes&)>{}, [](Bytes& k) { k[63] ^= 1; }, [](Bytes& k) { k.assign(64, 0); },
        [](Bytes& k) { k.assign(64, 0xff); });
    IntelCase c;
    c.spoil_quote = [&](auto& parts) {
        spoil(parts.attestation_key);
        parts.rebind_qe();
        parts.sign_qe(intel().keys.pck);
    };
    CHECK(outcome(c.setting()) == "refused: tdx.quote.signature");
}

TEST_CASE("TDX: signatures of the wrong length or in other digits are refused", "[verifier][tdx]") {
    const auto spoil = GENERATE(
        as<void (*)(std::string&)>{}, [](std::string& s) { s.clear(); },
        [](std::string& s) { s.pop_back(); }, [](std::string& s) { s += "00"; },
        [](std::string& s) { s[0] = 'x'; });
    IntelCase c;
    c.spoil_collateral = [&](auto& x) { spoil(x.tcb_info_signature); };
    CHECK(outcome(c.setting()) == "refused: tdx.tcb-info.signature");
    c.spoil_collateral = [&](auto& x) { spoil(x.qe_identity_signature); };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-identity.signature");
}

TEST_CASE("TDX: the quoting enclave's report must vouch for the attestation key and nothing else",
          "[verifier][tdx]") {
    const auto sign = [](forge::QuoteParts& parts) { parts.sign_qe(intel().keys.pck); };
    IntelCase c;
    c.spoil_quote = [&](auto& parts) {
        parts.qe_report[320] ^= 1;
        sign(parts);
    };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.binding");
    c.spoil_quote = [&](auto& parts) {
        parts.qe_report[383] = 1;
        sign(parts);
    };  // the half that must be zero
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.binding");
    c.spoil_quote = [&](auto& parts) { parts.auth_data.push_back(0); };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.binding");
    c.spoil_quote = [&](auto& parts) { parts.sign_qe(intel().keys.attestation); };
    CHECK(outcome(c.setting()) == "refused: tdx.qe-report.signature");
    c.spoil_quote = [&](auto& parts) {
        parts.signature = intel().keys.pck.sign_raw(parts.signed_part);
    };
    CHECK(outcome(c.setting()) == "refused: tdx.quote.signature");
}

TEST_CASE("TDX pitfall 23: authentication data of any length verifies",
          "[verifier][tdx][pitfall]") {
    IntelCase c;
    c.spec.qe.auth_data.assign(GENERATE(0U, 64U), 0x5a);
    CHECK(outcome(c.setting()) == "accepted");
}

TEST_CASE("TDX pitfall 24: each TD attribute and XFAM bit is judged for itself",
          "[verifier][tdx][pitfall]") {
    for (unsigned bit = 0; bit < 64; ++bit) {
        IntelCase c;
        test::td(c).td_attributes ^= std::uint64_t{1} << bit;
        const std::string want = bit == 0               ? "refused: tdx.policy.debug"
                                 : bit >= 4 && bit <= 6 ? "refused: tdx.policy.profiling"
                                 : bit == 17            ? "refused: tdx.policy.servtd-ext"
                                 : bit == 28            ? "refused: tdx.policy.sept-ve-disable"
                                 : bit == 29            ? "refused: tdx.policy.migratable"
                                 : bit == 16 || bit == 27 || bit == 30 || bit == 31 || bit >= 62
                                     ? "accepted"
                                     : "refused: tdx.policy.reserved-attributes";
        INFO("TDATTRIBUTES bit " << bit);
        CHECK(outcome(c.setting()) == want);
    }
    for (unsigned bit = 0; bit < 64; ++bit) {
        IntelCase c;
        test::td(c).xfam = 0x0006dbe7 ^ std::uint64_t{1} << bit;
        const bool refused = bit <= 1 || (std::uint64_t{0x0006dbe7} >> bit & 1) == 0;
        INFO("XFAM bit " << bit);
        CHECK(outcome(c.setting()) == (refused ? "refused: tdx.policy.xfam" : "accepted"));
    }
}

TEST_CASE("TDX pitfall 25: a service TD is refused unless it is pinned",
          "[verifier][tdx][pitfall]") {
    IntelCase c(forge::tdx_v5(forge::BodyType::td15));
    test::td(c).mrservicetd.fill(0x7b);
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "refused: tdx.mrservicetd.mismatch");
    auto& pin = setting.policy.tdx.mrservicetd;
    pin.kind = ReferenceValues<48>::Kind::listed;
    CHECK(outcome(setting) == "refused: tdx.mrservicetd.mismatch");
    pin.values = {ByteArray<48>{1}};
    CHECK(outcome(setting) == "refused: tdx.mrservicetd.mismatch");
    pin.values.push_back(test::td(c).mrservicetd);
    CHECK(outcome(setting) == "accepted");
    setting.evidence =
        IntelCase(forge::tdx_v5(forge::BodyType::td15)).setting().evidence;  // zero: none is bound
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("TDX pitfall 27: Revoked cannot be allowed", "[verifier][tdx][pitfall]") {
    const auto revoke = GENERATE(
        as<void (*)(forge::CollateralSpec&)>{},
        [](auto& s) { s.tcb_info.levels[0].status = "Revoked"; },
        [](auto& s) { s.tcb_info.identities->at(1).levels[0].status = "Revoked"; },
        [](auto& s) { s.qe_identity.levels[0].status = "Revoked"; });
    IntelCase c;
    revoke(c.collateral);
    test::Setting setting = c.setting();
    setting.policy.tdx.tcb.allowed_tcb_statuses = {"UpToDate", "OutOfDate", "Revoked"};
    setting.policy.tdx.tcb.grace_days = 3650;
    CHECK(outcome(setting) == "refused: tdx.tcb.status");
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

TEST_CASE("TDX pitfall 35: SGX quotes verify in every version, under either authority",
          "[verifier][sgx][pitfall]") {
    const auto make = GENERATE(forge::sgx_v3, forge::sgx_v4, forge::sgx_v5);
    CHECK(outcome(IntelCase(make()).setting()) == "accepted");
    const forge::IntelHierarchy& processor = intel(forge::PckCa::processor);
    IntelCase c(make());
    c.spoil_quote = [&](auto& parts) {
        parts.certification_data =
            forge::pck_chain_data(processor.pck_chain(processor.pck(forge::processor_fields())));
    };
    c.spoil_collateral = [&](auto& x) {
        x.pck_crl_issuer_chain = processor.pck_crl_issuer_chain();
        x.pck_crl = forge::issue(processor.pck_crl_spec(test::fresh()), processor.pck_issuer());
    };
    CHECK(outcome(c.setting()) == "accepted");
}

TEST_CASE("TDX: every policy failure is listed, not only the first", "[verifier][tdx]") {
    IntelCase c;
    test::td(c).td_attributes = 0x20000001;
    c.collateral.tcb_info.levels[0].status = "ConfigurationNeeded";
    test::Setting setting = c.setting();
    setting.policy.tdx.mrtd.kind = ReferenceValues<48>::Kind::listed;
    setting.expected.report_data = ReportData{1};
    CHECK(outcome(setting) ==
          "refused: tdx.tcb.status tdx.policy.debug tdx.policy.sept-ve-disable "
          "tdx.policy.migratable tdx.mrtd.mismatch tdx.report-data.mismatch");
}

TEST_CASE("TDX: report data is compared over all 64 bytes", "[verifier][tdx]") {
    IntelCase c;
    test::td(c).report_data.fill(0x33);
    test::Setting setting = c.setting();
    setting.expected.report_data = test::td(c).report_data;
    CHECK(outcome(setting) == "accepted");
    const std::size_t at = GENERATE(0U, 31U, 32U, 63U);
    setting.expected.report_data->at(at) ^= 1;
    CHECK(outcome(setting) == "refused: tdx.report-data.mismatch");
}

}  // namespace
}  // namespace attestd
