// Errc: the stable codes of everything that can go wrong.
//
// Each has a name of the form `step.name` (part of the API and of finding ids, never changed) and
// one line of explanation, which is also its line in the manual.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace attestd {

enum class Errc : std::uint8_t {
    // reading bytes and text
    truncated = 1,
    trailing_bytes,
    too_large,
    bad_length,
    bad_value,
    reserved_not_zero,
    unsupported_version,
    unsupported_type,
    bad_encoding,
    bad_der,
    bad_json,
    duplicate_key,
    unknown_key,
    missing_key,
    wrong_type,
    unknown_format,
    // the machine below
    not_found,
    access_denied,
    io_failed,
    no_space,
    timed_out,
    unavailable,
    memory_locked,
    crypto_failed,
    // encrypted messages and their keys (JOSE)
    jose_algorithm,
    jose_header,
    jwe_undecrypted,
    // evidence: structure that only verification judges
    quote_malformed,
    qe_vendor,
    report_malformed,
    report_unsigned,
    product_unknown,
    product_mismatch,
    // certificate chains
    chain_missing,
    chain_malformed,
    chain_name,
    chain_constraints,
    chain_algorithm,
    chain_signature,
    chain_untrusted_root,
    chain_expired,
    chain_not_yet_valid,
    chain_extension,
    // revocation lists
    crl_missing,
    crl_malformed,
    crl_issuer,
    crl_signature,
    crl_expired,
    crl_not_yet_valid,
    leaf_revoked,
    intermediate_revoked,
    tcb_signer_revoked,
    // Intel collateral
    tcb_info_missing,
    tcb_info_malformed,
    tcb_info_version,
    tcb_info_chain,
    tcb_info_signature,
    tcb_info_expired,
    tcb_info_not_yet_valid,
    tcb_info_tee,
    tcb_info_fmspc,
    tcb_info_pceid,
    qe_identity_missing,
    qe_identity_malformed,
    qe_identity_version,
    qe_identity_chain,
    qe_identity_signature,
    qe_identity_expired,
    qe_identity_not_yet_valid,
    qe_identity_tee,
    // Intel evidence
    qe_report_signature,
    qe_report_binding,
    qe_report_mismatch,
    quote_signature,
    tdx_module_unknown,
    tdx_module_mismatch,
    tcb_not_supported,
    // AMD evidence
    leaf_missing,
    leaf_kind,
    leaf_tcb,
    leaf_chip,
    chip_id_masked,
    report_signature,
    tcb_order,
    // a paravisor and its vTPM
    hcl_malformed,
    hcl_binding,
    vtpm_missing,
    vtpm_malformed,
    vtpm_nonce,
    vtpm_selection,
    vtpm_digest,
    vtpm_signature,
    vtpm_failed,
    event_log_missing,
    event_log_malformed,
    event_log_mismatch,
    // the network and what it brings
    fetch_denied,
    fetch_unreachable,
    fetch_tls,
    fetch_timed_out,
    fetch_too_large,
    fetch_truncated,
    fetch_redirected,
    fetch_protocol,
    fetch_process,
    collateral_not_found,
    collateral_gone,
    collateral_throttled,
    collateral_service,
    collateral_mismatch,
    collateral_rollback,
    crl_rollback,
    clock_before_collateral,
    collateral_damaged,
    bundle_malformed,
    // attestation tokens, and the services that give them
    token_malformed,
    token_algorithm,
    token_untrusted,
    token_signature,
    token_expired,
    token_issuer,
    token_audience,
    token_nonce,
    token_key,
    token_evidence,
    token_not_affirming,
    remote_verifier_refused,
    remote_verifier_unauthorized,
    remote_verifier_throttled,
    remote_verifier_failed,
    remote_verifier_protocol,
    kbs_version,
    kbs_refused,
    kbs_denied,
    kbs_missing,
    kbs_unauthorized,
    kbs_key,
    kbs_failed,
    kbs_throttled,
    kbs_protocol,
    // command line, configuration and policy
    bad_usage,
    bad_config,
    bad_reference,
    // the daemon
    not_affirming,
    platform_failed,
    platform_unsupported,
    platform_wrong_echo,
    quote_service,
    event_refused,
    event_lost,
    peer_foreign_pidns,
    peer_exited,
    peer_changed,
    peer_traced,
    writer_mismatch,
    cgroup_malformed,
    cgroup_foreign,
    cgroup_delegated,
    inspect_failed,
    exe_refused,
    credential_refused,
    caller_unknown,
    secret_unavailable,
    secret_too_large,
    bad_name,
    grant_expired,
    binding_mismatch,
    delivery_insecure,
    delivery_template,
    delivery_command,
    audit_failed,
    store_locked,
    store_corrupt,
    store_slot,
    store_rollback,
    provision_unknown,
    provision_consumed,
    provision_expired,
    provision_restarted,
    provision_binding,
    provision_machine,
    provision_exists,
    provision_disabled,
    bad_request,
    not_allowed,
    rate_limited,
    too_busy,
    protocol,
    internal,
};

struct ErrcInfo {
    Errc code;
    std::string_view name;     ///< stable, `step.name`
    std::string_view meaning;  ///< one sentence
};

/// Every code once, in the order of the enumeration.
[[nodiscard]] std::span<const ErrcInfo> all_errcs() noexcept;

/// The stable name; "internal.bug" for a number that is none of the enumeration's.
[[nodiscard]] std::string_view errc_name(Errc code) noexcept;

/// One sentence that says what the code means.
[[nodiscard]] std::string_view errc_meaning(Errc code) noexcept;

/// True for the codes which say that an endorsement was not given, as opposed to given and wrong.
[[nodiscard]] bool is_absence(Errc code) noexcept;

}  // namespace attestd
