#include "quote/base/errc.h"

#include <algorithm>
#include <array>

namespace attestd {
namespace {

constexpr auto kTable = std::to_array<ErrcInfo>({
    // reading bytes and text
    {Errc::truncated, "parse.truncated", "The input ends before a field that must be there."},
    {Errc::trailing_bytes, "parse.trailing-bytes",
     "Bytes follow where the format says that it ends."},
    {Errc::too_large, "parse.too-large", "A length or a whole input is over its written maximum."},
    {Errc::bad_length, "parse.bad-length",
     "A length field or an input size does not fit the format."},
    {Errc::bad_value, "parse.bad-value", "A field holds a value that the format does not allow."},
    {Errc::reserved_not_zero, "parse.reserved-not-zero", "A field that must be zero is not."},
    {Errc::unsupported_version, "parse.unsupported-version",
     "The version is not one that is known here."},
    {Errc::unsupported_type, "parse.unsupported-type",
     "A type or algorithm number is not one that is known here."},
    {Errc::bad_encoding, "parse.bad-encoding",
     "Text is not the hex, base64, PEM, UTF-8, date or number that it should be."},
    {Errc::bad_der, "parse.bad-der", "ASN.1 is not the DER that the format demands."},
    {Errc::bad_json, "parse.bad-json",
     "Text is not JSON, nests too deep or has something after its end."},
    {Errc::duplicate_key, "parse.duplicate-key", "A JSON object names a key twice."},
    {Errc::unknown_key, "parse.unknown-key", "A JSON object has a key that is not known here."},
    {Errc::missing_key, "parse.missing-key", "A JSON object lacks a key that it must have."},
    {Errc::wrong_type, "parse.wrong-type", "A JSON value has another type than it must have."},
    {Errc::unknown_format, "parse.unknown-format",
     "The input is no kind of evidence or endorsement that is known here."},
    // the machine below
    {Errc::not_found, "io.not-found", "A file, folder or socket does not exist."},
    {Errc::access_denied, "io.access-denied", "The operating system does not allow the access."},
    {Errc::io_failed, "io.failed", "A read, write or other system call failed."},
    {Errc::no_space, "io.no-space", "The disk is full."},
    {Errc::timed_out, "io.timed-out", "An answer did not come within its deadline."},
    {Errc::unavailable, "io.unavailable", "A device or a service could not be reached."},
    {Errc::memory_locked, "io.memory-not-locked",
     "Memory for secrets could not be locked against swap."},
    {Errc::crypto_failed, "crypto.failed", "The cryptographic library refused an operation."},
    // evidence: structure that only verification judges
    {Errc::quote_malformed, "quote.malformed", "The quote does not parse."},
    {Errc::qe_vendor, "quote.qe-vendor", "The quoting enclave's vendor is not Intel."},
    {Errc::report_malformed, "report.malformed", "The report does not parse."},
    {Errc::report_unsigned, "report.unsigned",
     "The report carries no signature (no signing key, or a masked one)."},
    {Errc::product_unknown, "report.product-unknown",
     "No AMD product with a pinned root fits the report."},
    {Errc::product_mismatch, "report.product-mismatch",
     "Report, leaf and chain speak of different products."},
    // certificate chains
    {Errc::chain_missing, "chain.missing", "The certificate chain or a part of it is absent."},
    {Errc::chain_malformed, "chain.malformed",
     "A certificate of the chain does not parse, or the chain has the wrong length."},
    {Errc::chain_name, "chain.name",
     "A certificate has the wrong subject or issuer name for its place."},
    {Errc::chain_constraints, "chain.constraints",
     "Basic constraints or key usage do not fit a certificate's place."},
    {Errc::chain_algorithm, "chain.algorithm",
     "A key or signature algorithm is not the one that the vendor uses."},
    {Errc::chain_signature, "chain.signature",
     "A certificate's signature is not by its issuer's key."},
    {Errc::chain_untrusted_root, "chain.untrusted-root",
     "The chain ends in a key that is not pinned."},
    {Errc::chain_expired, "chain.expired",
     "A certificate's validity had ended at the time of verification."},
    {Errc::chain_not_yet_valid, "chain.not-yet-valid",
     "A certificate's validity had not begun at the time of verification."},
    {Errc::chain_extension, "chain.extension",
     "A certificate lacks a vendor extension, has it twice or has it malformed."},
    // revocation lists
    {Errc::crl_missing, "crl.missing", "A revocation list that must be checked is absent."},
    {Errc::crl_malformed, "crl.malformed", "A revocation list does not parse."},
    {Errc::crl_issuer, "crl.issuer",
     "A revocation list was issued by another authority than the one it is needed for."},
    {Errc::crl_signature, "crl.signature",
     "A revocation list's signature is not by its issuer's key."},
    {Errc::crl_expired, "crl.expired", "A revocation list's nextUpdate has passed."},
    {Errc::crl_not_yet_valid, "crl.not-yet-valid",
     "A revocation list's thisUpdate lies in the future."},
    {Errc::leaf_revoked, "crl.leaf-revoked", "The attestation key's certificate is revoked."},
    {Errc::intermediate_revoked, "crl.intermediate-revoked",
     "The intermediate authority's certificate is revoked."},
    {Errc::tcb_signer_revoked, "crl.tcb-signer-revoked",
     "The certificate that signs TCB information is revoked."},
    // Intel collateral
    {Errc::tcb_info_missing, "tcb-info.missing", "TCB information for this platform is absent."},
    {Errc::tcb_info_malformed, "tcb-info.malformed",
     "TCB information does not parse, or holds values that are not allowed."},
    {Errc::tcb_info_version, "tcb-info.version", "TCB information has a version other than 3."},
    {Errc::tcb_info_chain, "tcb-info.chain",
     "The chain of TCB information's signer is not as it must be."},
    {Errc::tcb_info_signature, "tcb-info.signature",
     "The signature over TCB information is wrong."},
    {Errc::tcb_info_expired, "tcb-info.expired", "TCB information's nextUpdate has passed."},
    {Errc::tcb_info_not_yet_valid, "tcb-info.not-yet-valid",
     "TCB information's issueDate lies in the future."},
    {Errc::tcb_info_tee, "tcb-info.tee", "TCB information is for the other TEE (SGX or TDX)."},
    {Errc::tcb_info_fmspc, "tcb-info.fmspc",
     "TCB information is for another FMSPC than the PCK certificate's."},
    {Errc::tcb_info_pceid, "tcb-info.pceid",
     "TCB information is for another PCEID than the PCK certificate's."},
    {Errc::qe_identity_missing, "qe-identity.missing",
     "The quoting enclave's identity document is absent."},
    {Errc::qe_identity_malformed, "qe-identity.malformed",
     "The quoting enclave's identity does not parse, or holds values that are not allowed."},
    {Errc::qe_identity_version, "qe-identity.version",
     "The quoting enclave's identity has a version other than 2."},
    {Errc::qe_identity_chain, "qe-identity.chain",
     "The chain of the identity's signer is not as it must be."},
    {Errc::qe_identity_signature, "qe-identity.signature",
     "The signature over the quoting enclave's identity is wrong."},
    {Errc::qe_identity_expired, "qe-identity.expired",
     "The quoting enclave's identity has passed its nextUpdate."},
    {Errc::qe_identity_not_yet_valid, "qe-identity.not-yet-valid",
     "The quoting enclave's identity was issued in the future."},
    {Errc::qe_identity_tee, "qe-identity.tee",
     "The identity is of another enclave than the one that signed (QE or TD_QE)."},
    // Intel evidence
    {Errc::qe_report_signature, "qe-report.signature",
     "The quoting enclave's report is not signed by the PCK key."},
    {Errc::qe_report_binding, "qe-report.binding",
     "The quoting enclave's report does not vouch for the attestation key."},
    {Errc::qe_report_mismatch, "qe-report.mismatch",
     "The quoting enclave is not the one that its identity document describes."},
    {Errc::quote_signature, "quote.signature", "The quote is not signed by its attestation key."},
    {Errc::tdx_module_unknown, "tdx-module.unknown",
     "TCB information has no identity for this TDX module."},
    {Errc::tdx_module_mismatch, "tdx-module.mismatch",
     "The TDX module's signer or attributes are not those of its identity."},
    {Errc::tcb_not_supported, "tcb.not-supported", "No TCB level fits this platform."},
    // AMD evidence
    {Errc::leaf_missing, "leaf.missing", "The VCEK or VLEK certificate is absent."},
    {Errc::leaf_kind, "leaf.kind",
     "The leaf is a VCEK where the report needs a VLEK, or the reverse."},
    {Errc::leaf_tcb, "leaf.tcb",
     "The leaf was issued for another TCB than the report's REPORTED_TCB."},
    {Errc::leaf_chip, "leaf.chip",
     "The leaf was issued for another chip than the report's CHIP_ID."},
    {Errc::chip_id_masked, "leaf.chip-id-masked",
     "CHIP_ID is masked, so the leaf cannot be bound to the chip."},
    {Errc::report_signature, "report.signature", "The report is not signed by the leaf's key."},
    {Errc::tcb_order, "tcb.order", "REPORTED, COMMITTED and CURRENT TCB are not in their order."},
    // command line, configuration and policy
    {Errc::bad_usage, "usage.bad-arguments", "The command line is wrong."},
    {Errc::bad_config, "config.invalid", "A configuration or policy value is not allowed."},
    {Errc::bad_reference, "config.bad-reference",
     "Configuration names something that it does not define."},
    // the daemon
    {Errc::not_affirming, "session.not-affirming",
     "The platform's attestation result is not affirming."},
    {Errc::platform_failed, "platform.failed", "The platform did not give evidence."},
    {Errc::platform_unsupported, "platform.unsupported",
     "This machine offers no supported way to evidence."},
    {Errc::platform_wrong_echo, "platform.wrong-echo",
     "The evidence does not carry the report data that was asked for."},
    {Errc::peer_foreign_pidns, "caller.foreign-pidns",
     "The caller lives in a pid namespace that cannot be seen from here."},
    {Errc::peer_exited, "caller.exited", "The caller's process is gone."},
    {Errc::peer_changed, "caller.changed",
     "The caller's process is not what it was when it connected."},
    {Errc::peer_traced, "caller.traced", "The caller is being traced by another process."},
    {Errc::writer_mismatch, "caller.writer-mismatch",
     "The request was written by another process than the one that connected."},
    {Errc::cgroup_malformed, "caller.cgroup-malformed",
     "The caller's cgroup cannot be read as a unit or container."},
    {Errc::cgroup_foreign, "caller.cgroup-foreign",
     "The caller's cgroup lies outside this cgroup namespace."},
    {Errc::cgroup_delegated, "caller.cgroup-delegated",
     "A user owns part of the cgroup path that names the caller."},
    {Errc::caller_unknown, "caller.unknown", "No workload of the policy matches the caller."},
    {Errc::secret_unavailable, "secret.unavailable", "There is no such secret for this caller."},
    {Errc::secret_too_large, "secret.too-large", "The secret is over 1 MiB."},
    {Errc::bad_name, "secret.bad-name", "A secret's name is not in the allowed form."},
    {Errc::grant_expired, "grant.expired",
     "The grant was made under a session or policy that no longer holds."},
    {Errc::audit_failed, "audit.failed",
     "The audit record could not be written, so nothing was released."},
    {Errc::store_locked, "store.locked", "No key slot of the sealed store opens on this machine."},
    {Errc::store_corrupt, "store.corrupt",
     "A record or slot of the sealed store is damaged or was changed."},
    {Errc::store_slot, "store.slot", "A key slot cannot be added or dropped as asked."},
    {Errc::bad_request, "request.malformed", "The HTTP request is not one that this route takes."},
    {Errc::not_allowed, "request.not-allowed", "The caller may not use this route."},
    {Errc::rate_limited, "request.rate-limited", "The caller asks too often."},
    {Errc::too_busy, "request.too-busy", "A limit on connections or work in flight is reached."},
    {Errc::protocol, "peer.protocol",
     "A service answered in a way that its protocol does not allow."},
    {Errc::internal, "internal.bug", "Something that must not happen did: please report it."},
});

// A code's place in the table is its number: a forgotten or misplaced row does not compile.
static_assert([] {
    for (std::size_t i = 0; i < kTable.size(); ++i) {
        if (static_cast<std::size_t>(kTable[i].code) != i + 1) return false;
    }
    return static_cast<std::size_t>(Errc::internal) == kTable.size();
}());

const ErrcInfo& info(Errc code) noexcept {
    const auto index = static_cast<std::size_t>(code) - 1;
    return index < kTable.size() ? kTable[index] : kTable.back();
}

}  // namespace

std::span<const ErrcInfo> all_errcs() noexcept { return kTable; }
std::string_view errc_name(Errc code) noexcept { return info(code).name; }
std::string_view errc_meaning(Errc code) noexcept { return info(code).meaning; }

bool is_absence(Errc code) noexcept {
    constexpr std::array kAbsences{Errc::chain_missing, Errc::crl_missing, Errc::tcb_info_missing,
                                   Errc::qe_identity_missing, Errc::leaf_missing};
    return std::find(kAbsences.begin(), kAbsences.end(), code) != kAbsences.end();
}

}  // namespace attestd
