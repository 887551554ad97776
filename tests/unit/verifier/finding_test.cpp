// Finding ids are part of the API: programs compare them. Each code of verification, its id, and
// the severity that a failed step has. (That each is provoked: pitfalls, chains, absences.)
#include "verifier/finding.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace attestd {
namespace {

struct Row {
    Tee tee;
    Errc code;
    const char* id;
};

const std::vector<Row> kIds{
    {Tee::tdx, Errc::quote_malformed, "tdx.quote.malformed"},
    {Tee::sgx, Errc::quote_malformed, "sgx.quote.malformed"},
    {Tee::tdx, Errc::qe_vendor, "tdx.quote.qe-vendor"},
    {Tee::snp, Errc::report_malformed, "snp.report.malformed"},
    {Tee::snp, Errc::report_unsigned, "snp.report.unsigned"},
    {Tee::snp, Errc::product_unknown, "snp.report.product-unknown"},
    {Tee::snp, Errc::product_mismatch, "snp.report.product-mismatch"},
    {Tee::tdx, Errc::chain_missing, "tdx.chain.missing"},
    {Tee::tdx, Errc::chain_malformed, "tdx.chain.malformed"},
    {Tee::tdx, Errc::chain_name, "tdx.chain.name"},
    {Tee::tdx, Errc::chain_constraints, "tdx.chain.constraints"},
    {Tee::tdx, Errc::chain_algorithm, "tdx.chain.algorithm"},
    {Tee::tdx, Errc::chain_signature, "tdx.chain.signature"},
    {Tee::tdx, Errc::chain_untrusted_root, "tdx.chain.untrusted-root"},
    {Tee::tdx, Errc::chain_expired, "tdx.chain.expired"},
    {Tee::tdx, Errc::chain_not_yet_valid, "tdx.chain.not-yet-valid"},
    {Tee::tdx, Errc::chain_extension, "tdx.chain.extension"},
    {Tee::tdx, Errc::crl_missing, "tdx.crl.missing"},
    {Tee::tdx, Errc::crl_malformed, "tdx.crl.malformed"},
    {Tee::tdx, Errc::crl_issuer, "tdx.crl.issuer"},
    {Tee::tdx, Errc::crl_signature, "tdx.crl.signature"},
    {Tee::tdx, Errc::crl_expired, "tdx.crl.expired"},
    {Tee::tdx, Errc::crl_not_yet_valid, "tdx.crl.not-yet-valid"},
    {Tee::tdx, Errc::leaf_revoked, "tdx.crl.leaf-revoked"},
    {Tee::tdx, Errc::intermediate_revoked, "tdx.crl.intermediate-revoked"},
    {Tee::tdx, Errc::tcb_signer_revoked, "tdx.crl.tcb-signer-revoked"},
    {Tee::tdx, Errc::tcb_info_missing, "tdx.tcb-info.missing"},
    {Tee::tdx, Errc::tcb_info_malformed, "tdx.tcb-info.malformed"},
    {Tee::tdx, Errc::tcb_info_version, "tdx.tcb-info.version"},
    {Tee::tdx, Errc::tcb_info_chain, "tdx.tcb-info.chain"},
    {Tee::tdx, Errc::tcb_info_signature, "tdx.tcb-info.signature"},
    {Tee::tdx, Errc::tcb_info_expired, "tdx.tcb-info.expired"},
    {Tee::tdx, Errc::tcb_info_not_yet_valid, "tdx.tcb-info.not-yet-valid"},
    {Tee::tdx, Errc::tcb_info_tee, "tdx.tcb-info.tee"},
    {Tee::tdx, Errc::tcb_info_fmspc, "tdx.tcb-info.fmspc"},
    {Tee::tdx, Errc::tcb_info_pceid, "tdx.tcb-info.pceid"},
    {Tee::tdx, Errc::qe_identity_missing, "tdx.qe-identity.missing"},
    {Tee::tdx, Errc::qe_identity_malformed, "tdx.qe-identity.malformed"},
    {Tee::tdx, Errc::qe_identity_version, "tdx.qe-identity.version"},
    {Tee::tdx, Errc::qe_identity_chain, "tdx.qe-identity.chain"},
    {Tee::tdx, Errc::qe_identity_signature, "tdx.qe-identity.signature"},
    {Tee::tdx, Errc::qe_identity_expired, "tdx.qe-identity.expired"},
    {Tee::tdx, Errc::qe_identity_not_yet_valid, "tdx.qe-identity.not-yet-valid"},
    {Tee::tdx, Errc::qe_identity_tee, "tdx.qe-identity.tee"},
    {Tee::tdx, Errc::qe_report_signature, "tdx.qe-report.signature"},
    {Tee::tdx, Errc::qe_report_binding, "tdx.qe-report.binding"},
    {Tee::tdx, Errc::qe_report_mismatch, "tdx.qe-report.mismatch"},
    {Tee::tdx, Errc::quote_signature, "tdx.quote.signature"},
    {Tee::tdx, Errc::tdx_module_unknown, "tdx.tdx-module.unknown"},
    {Tee::tdx, Errc::tdx_module_mismatch, "tdx.tdx-module.mismatch"},
    {Tee::tdx, Errc::tcb_not_supported, "tdx.tcb.not-supported"},
    {Tee::snp, Errc::leaf_missing, "snp.leaf.missing"},
    {Tee::snp, Errc::leaf_kind, "snp.leaf.kind"},
    {Tee::snp, Errc::leaf_tcb, "snp.leaf.tcb"},
    {Tee::snp, Errc::leaf_chip, "snp.leaf.chip"},
    {Tee::snp, Errc::chip_id_masked, "snp.leaf.chip-id-masked"},
    {Tee::snp, Errc::report_signature, "snp.report.signature"},
    {Tee::snp, Errc::tcb_order, "snp.tcb.order"},
};

TEST_CASE("finding: the id of each failed step is stable, and denies", "[verifier][finding]") {
    for (const Row& row : kIds) {
        const Finding finding = finding_of(row.tee, {row.code, "why"});
        CHECK(finding.id == row.id);
        CHECK(finding.severity == Severity::error);
        CHECK(finding.detail == "why");
    }
}

TEST_CASE("finding: every code from quote.malformed to tcb.order is in this list",
          "[verifier][finding]") {
    for (auto code = static_cast<int>(Errc::quote_malformed);
         code <= static_cast<int>(Errc::tcb_order); ++code) {
        const bool listed = std::any_of(kIds.begin(), kIds.end(), [&](const Row& row) {
            return static_cast<int>(row.code) == code;
        });
        INFO(errc_name(static_cast<Errc>(code)));
        CHECK(listed);
    }
}

}  // namespace
}  // namespace attestd
