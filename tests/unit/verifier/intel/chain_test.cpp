// One defect of Intel's hierarchy at a time, and the one error that it must give (`spec/tdx.md`
// section 4 and section 6, steps 2 to 5).
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd::chain_test {
namespace {

using test::intel;
using test::IntelCase;
using test::outcome;

// The four certificates' specs, to be spoilt, and issued again with the right keys or others.
struct Hierarchy {
    forge::CertificateSpec root = intel().root_spec(), ca = intel().pck_ca_spec(),
                           leaf = intel().pck_spec({}), signer = intel().tcb_signing_spec();
    forge::Issuer root_issuer = intel().root_issuer(), ca_issuer = intel().root_issuer(),
                  leaf_issuer = intel().pck_issuer(), signer_issuer = intel().root_issuer();

    Bytes root_der() const { return forge::issue(root, root_issuer); }
    std::string pck_chain() const {
        return forge::certificate_pem(forge::issue(leaf, leaf_issuer)) +
               forge::certificate_pem(forge::issue(ca, ca_issuer)) +
               forge::certificate_pem(root_der());
    }
    std::string signer_chain() const {
        return forge::certificate_pem(forge::issue(signer, signer_issuer)) +
               forge::certificate_pem(root_der());
    }
};

struct Row {
    const char* name;
    void (*spoil)(Hierarchy&);
    const char* want;
};

forge::Extension& constraints(forge::CertificateSpec& spec) {
    return forge::find_extension(spec.extensions, forge::oid::kBasicConstraints);
}
forge::Extension& usage(forge::CertificateSpec& spec) {
    return forge::find_extension(spec.extensions, forge::oid::kKeyUsage);
}
void expire(forge::CertificateSpec& spec) {
    spec.validity.until = test::now() - std::chrono::seconds(1);
}
void postpone(forge::CertificateSpec& spec) {
    spec.validity.from = test::now() + std::chrono::seconds(1);
}
const forge::Extension kCritical{"1.2.3.4", true, forge::der::null()};

TEST_CASE("PCK chain: each defect has its own error", "[verifier][tdx][chain]") {
    const Row row = GENERATE(values<Row>({
        {"root expired", [](auto& h) { expire(h.root); }, "chain.expired"},
        {"authority expired", [](auto& h) { expire(h.ca); }, "chain.expired"},
        {"leaf expired", [](auto& h) { expire(h.leaf); }, "chain.expired"},
        {"root not yet valid", [](auto& h) { postpone(h.root); }, "chain.not-yet-valid"},
        {"authority not yet valid", [](auto& h) { postpone(h.ca); }, "chain.not-yet-valid"},
        {"leaf not yet valid", [](auto& h) { postpone(h.leaf); }, "chain.not-yet-valid"},
        {"root of another name",
         [](auto& h) { forge::common_name(h.root.subject) = "Intel SGX Root CA 2"; }, "chain.name"},
        {"authority of another name",
         [](auto& h) { forge::common_name(h.ca.subject) = "Intel SGX PCK Platform"; },
         "chain.name"},
        {"leaf of another name",
         [](auto& h) { forge::common_name(h.leaf.subject) = "Intel SGX TCB Signing"; },
         "chain.name"},
        {"leaf of another organization",
         [](auto& h) { h.leaf.subject[1].text = "Intel Corporatlon"; }, "chain.name"},
        {"leaf with a further name part",
         [](auto& h) {
             h.leaf.subject.push_back({std::string(forge::oid::kOrganizationalUnit), "X"});
         },
         "chain.name"},
        {"leaf under another authority's name",
         [](auto& h) { h.leaf_issuer.name = forge::intel_name("Intel SGX PCK Processor CA"); },
         "chain.name"},
        {"authority under another root's name",
         [](auto& h) { h.ca_issuer.name = forge::intel_name("Intel SGX Root CB"); }, "chain.name"},
        {"root not named as its own issuer",
         [](auto& h) { h.root_issuer.name = forge::intel_name("Intel SGX Root CB"); },
         "chain.name"},
        {"leaf signed by the root", [](auto& h) { h.leaf_issuer.key = intel().keys.root; },
         "chain.signature"},
        {"authority signed by itself", [](auto& h) { h.ca_issuer.key = intel().keys.pck_ca; },
         "chain.signature"},
        {"root signed by another", [](auto& h) { h.root_issuer.key = intel().keys.pck_ca; },
         "chain.signature"},
        {"authority that is none",
         [](auto& h) { constraints(h.ca) = forge::basic_constraints({}); }, "chain.constraints"},
        {"authority without constraints",
         [](auto& h) { forge::remove_extension(h.ca.extensions, forge::oid::kBasicConstraints); },
         "chain.constraints"},
        {"authority without key usage",
         [](auto& h) { forge::remove_extension(h.ca.extensions, forge::oid::kKeyUsage); },
         "chain.constraints"},
        {"authority with a leaf's key usage",
         [](auto& h) { usage(h.ca) = forge::key_usage(forge::kSignAndNonRepudiation); },
         "chain.constraints"},
        {"authority that may not sign lists",
         [](auto& h) { usage(h.ca) = forge::key_usage(forge::kCertSign); }, "crl.issuer"},
        {"root that may not sign lists",
         [](auto& h) { usage(h.root) = forge::key_usage(forge::kCertSign); }, "crl.issuer"},
        {"root with path length 0",
         [](auto& h) {
             constraints(h.root) = forge::basic_constraints({true, std::uint8_t{0}});
         },
         "chain.constraints"},
        {"leaf that is an authority",
         [](auto& h) {
             constraints(h.leaf) = forge::basic_constraints({true, {}});
         },
         "chain.constraints"},
        {"leaf that may sign certificates",
         [](auto& h) { usage(h.leaf) = forge::key_usage(forge::kCertSign); }, "chain.constraints"},
        {"unknown critical extension of the leaf",
         [](auto& h) { h.leaf.extensions.push_back(kCritical); }, "chain.constraints"},
        {"unknown critical extension of the authority",
         [](auto& h) { h.ca.extensions.push_back(kCritical); }, "chain.constraints"},
        {"unknown critical extension of the root",
         [](auto& h) { h.root.extensions.push_back(kCritical); }, "chain.constraints"},
        {"leaf key on P-384", [](auto& h) { h.leaf.spki = forge::shared_amd_keys().vcek.spki(); },
         "chain.algorithm"},
        {"leaf without the SGX extension",
         [](auto& h) { forge::remove_extension(h.leaf.extensions, forge::kSgxExtensionOid); },
         "chain.extension"},
        {"leaf whose SGX extension is damaged",
         [](auto& h) {
             forge::find_extension(h.leaf.extensions, forge::kSgxExtensionOid).value.push_back(0);
         },
         "chain.extension"},
        {"leaf whose SGX extension is critical",
         [](auto& h) {
             forge::find_extension(h.leaf.extensions, forge::kSgxExtensionOid).critical = true;
         },
         "chain.constraints"},
    }));
    INFO(row.name);
    Hierarchy h;
    row.spoil(h);
    IntelCase c;
    c.spoil_quote = [&](auto& parts) {
        parts.certification_data = forge::pck_chain_data(h.pck_chain());
    };
    CHECK(outcome(c.setting()) == std::string("refused: tdx.") + row.want);
}

TEST_CASE("TCB signer: each defect of its chain is the document's", "[verifier][tdx][chain]") {
    const Row row = GENERATE(values<Row>({
        {"expired", [](auto& h) { expire(h.signer); }, "chain.expired"},
        {"not yet valid", [](auto& h) { postpone(h.signer); }, "chain.not-yet-valid"},
        {"another name",
         [](auto& h) { forge::common_name(h.signer.subject) = "Intel SGX PCK Certificate"; },
         "chain.name"},
        {"another issuer's name",
         [](auto& h) { h.signer_issuer.name = forge::intel_name("Intel SGX Root CB"); },
         "chain.name"},
        {"signed by the PCK authority", [](auto& h) { h.signer_issuer.key = intel().keys.pck_ca; },
         "chain.signature"},
        {"an authority",
         [](auto& h) {
             constraints(h.signer) = forge::basic_constraints({true, {}});
         },
         "chain.constraints"},
        {"unknown critical extension", [](auto& h) { h.signer.extensions.push_back(kCritical); },
         "chain.constraints"},
        {"key on P-384", [](auto& h) { h.signer.spki = forge::shared_amd_keys().vcek.spki(); },
         "chain.algorithm"},
        {"root expired", [](auto& h) { expire(h.root); }, "chain.expired"},
        {"root of another name",
         [](auto& h) { forge::common_name(h.root.subject) = "Intel SGX Root CB"; }, "chain.name"},
    }));
    INFO(row.name);
    Hierarchy h;
    row.spoil(h);
    for (const std::string document : {"tcb-info", "qe-identity"}) {
        IntelCase c;
        c.spoil_collateral = [&](auto& x) {
            (document == "tcb-info" ? x.tcb_info_issuer_chain : x.qe_identity_issuer_chain) =
                h.signer_chain();
        };
        const AttestationResult result = test::appraise(c.setting());
        CHECK(test::outcome_of(result) == "refused: tdx." + document + ".chain");
        CHECK_THAT(result.findings().back().detail, test::ContainsSubstring(row.want));
    }
}

TEST_CASE("TCB signer: a chain of one, three or none at all", "[verifier][tdx][chain]") {
    struct Length {
        std::string chain;
        const char* want;
    };
    const std::string signer = forge::certificate_pem(intel().tcb_signing),
                      root = forge::certificate_pem(intel().root);
    for (const auto& [chain, want] : {Length{signer, "refused: tdx.tcb-info.chain"},
                                      Length{signer + root + root, "refused: tdx.tcb-info.chain"},
                                      Length{root + signer, "refused: tdx.tcb-info.chain"},
                                      Length{"", "refused: tdx.tcb-info.chain"},
                                      Length{"garbage", "refused: tdx.tcb-info.chain"}}) {
        IntelCase c;
        c.spoil_collateral = [&, text = chain](auto& x) { x.tcb_info_issuer_chain = text; };
        CHECK(outcome(c.setting()) == want);
    }
}

// Genuine evidence mixes two certificates of one root key (section 1).
TEST_CASE("PCK chain: two certificates of the root's key serve one result",
          "[verifier][tdx][chain]") {
    Hierarchy h;
    h.root.validity.until -= std::chrono::days(1000);
    h.root.serial = {1};
    IntelCase c;
    c.spoil_quote = [&](auto& parts) {
        parts.certification_data = forge::pck_chain_data(h.pck_chain());
    };
    CHECK(outcome(c.setting()) == "accepted");
    c.spoil_collateral = [&](auto& x) {
        x.pck_crl_issuer_chain =
            forge::certificate_pem(intel().pck_ca) + forge::certificate_pem(h.root_der());
    };
    CHECK(outcome(c.setting()) == "accepted");
}

TEST_CASE("PCK chain: the list's own chain must be the authority's when it is given",
          "[verifier][tdx][chain]") {
    Hierarchy h;
    struct Chain {
        const char* name;
        std::string text;
    };
    const std::string ca = forge::certificate_pem(intel().pck_ca),
                      root = forge::certificate_pem(intel().root);
    for (const Chain& row :
         {Chain{"one certificate", ca}, Chain{"three", ca + root + root},
          Chain{"no certificate", ca + "x" + root}, Chain{"the signer in its place", root + ca}}) {
        INFO(row.name);
        IntelCase c;
        c.spoil_collateral = [&](auto& x) { x.pck_crl_issuer_chain = row.text; };
        CHECK(outcome(c.setting()) == "refused: tdx.crl.issuer");
    }
}

TEST_CASE("quote without chain: the PCK certificate that signed it is taken from the endorsements",
          "[verifier][tdx][chain]") {
    IntelCase c;
    const Bytes leaf = intel().pck({});
    c.spoil_quote = [](auto& parts) {
        parts.certification_type = 3;
        parts.certification_data = forge::ppid_data(3, {});
    };
    test::Setting setting = c.setting();
    CHECK(outcome(setting) == "undecided: tdx.chain.missing");
    setting.endorsements.push_back(to_bytes(as_bytes(intel().pck_chain(leaf))));
    CHECK(outcome(setting) == "accepted");
    // Others of the same names do not get in the way, wherever they stand.
    const forge::IntelHierarchy other(forge::IntelKeys{},
                                      forge::IntelValidity::around(test::now()));
    const Bytes foreign = to_bytes(as_bytes(other.pck_chain(other.pck({}))));
    setting.endorsements.insert(setting.endorsements.begin(), foreign);
    CHECK(outcome(setting) == "accepted");
    // Without the authority it is an absence again.
    setting.endorsements.back() = leaf;
    CHECK(outcome(setting) == "undecided: tdx.chain.missing");
}

TEST_CASE("quote without chain: an expired certificate of the root's key does not hide a good one",
          "[verifier][tdx][chain]") {
    Hierarchy h;
    expire(h.root);
    IntelCase c;
    c.spoil_quote = [](auto& parts) { parts.certification_type = 2; };
    test::Setting setting = c.setting();
    const std::vector<Bytes> all{h.root_der(), intel().root, intel().pck_ca, intel().pck({})};
    setting.endorsements.insert(setting.endorsements.end(), all.begin(), all.end());
    CHECK(outcome(setting) == "accepted");
    std::reverse(setting.endorsements.begin(), setting.endorsements.end());
    CHECK(outcome(setting) == "accepted");
}

}  // namespace
}  // namespace attestd::chain_test
