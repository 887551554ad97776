// Config: all that an administrator decides, as one immutable value.
//
// Made by load_config() (loader.h) and by nothing else; a reload makes another one. Every name in
// it has been resolved: users are numbers, workloads and sources exist, paths are absolute.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/container_pattern.h"
#include "config/duration.h"
#include "quote/base/digest.h"
#include "quote/claims.h"
#include "quote/platform/evidence.h"
#include "quote/platform/vtpm_key.h"

namespace attestd {

/// A file that configuration names, with the bytes that were read and digested.
struct LoadedFile {
    std::filesystem::path path;
    Bytes bytes;

    friend bool operator==(const LoadedFile&, const LoadedFile&) = default;
};

enum class PlatformType : std::uint8_t {
    automatic,
    configfs_tsm,
    sev_guest,
    tdx_guest,
    azure_vtpm,
    external,
};

/// Evidence made by a service at a higher privilege (an SVSM) in the guest's place.
struct TsmServiceConfig {
    std::string provider;          ///< "svsm"
    std::string guid;              ///< in lower case; empty: all services
    std::string manifest_version;  ///< decimal; empty: the service's default

    friend bool operator==(const TsmServiceConfig&, const TsmServiceConfig&) = default;
};

struct PlatformConfig {
    PlatformType type = PlatformType::automatic;
    std::filesystem::path socket;       ///< of an external one, and of attestd-azure-vtpm
    std::optional<std::uint32_t> vmpl;  ///< of SNP reports, 0 to 3; not given: the guest's own
    /// "vsock://CID:PORT" of a TDX guest's host; empty: what /etc/tdx-attest.conf says.
    std::string quote_service;
    std::optional<TsmServiceConfig> service;  ///< of `configfs_tsm`

    friend bool operator==(const PlatformConfig&, const PlatformConfig&) = default;
};

/// Where endorsements come from that are neither in files nor with the evidence.
struct CollateralConfig {
    std::filesystem::path cache;  ///< folder of what was fetched, and of what was the newest
    bool fetch = true;            ///< ask the services for what is missing, through attestd-fetch
    std::filesystem::path fetch_socket = "/run/attestd/fetch.sock";
    std::string pccs, kds;      ///< base addresses; empty for the vendors' own
    bool early_update = false;  ///< Intel's newest TCB documents, not the standard set
    std::optional<std::uint32_t> evaluation_data_number;  ///< a certain set; excludes the above

    friend bool operator==(const CollateralConfig&, const CollateralConfig&) = default;
};

/// A secret of another source: the key of a store's `remote` slot is made from it.
struct RemoteSlotConfig {
    std::string source;
    std::string resource;  ///< its name there

    friend bool operator==(const RemoteSlotConfig&, const RemoteSlotConfig&) = default;
};

/// The sealed store.
struct StoreSourceConfig {
    std::filesystem::path path;
    bool measured_image = false;  ///< without it no platform slot is used
    /// An operator's public key (PEM) for the recovery slot of a store that is made anew.
    std::optional<LoadedFile> recovery_key;
    std::optional<RemoteSlotConfig> remote_slot;
    std::uint32_t vtpm_pcrs = kDefaultVtpmPcrs;  ///< what a new `vtpm` slot is bound to, as a mask

    friend bool operator==(const StoreSourceConfig&, const StoreSourceConfig&) = default;
};

enum class KbsProtocol : std::uint8_t { v0_2_0, v0_4_0 };

[[nodiscard]] constexpr std::string_view kbs_protocol_name(KbsProtocol p) noexcept {
    return p == KbsProtocol::v0_2_0 ? "0.2.0" : "0.4.0";
}

/// Of the key pair that a key broker encrypts to.
enum class TeeKeyType : std::uint8_t { p256, p521, rsa3072 };

/// A Trustee key broker (`spec/kbs.md`).
struct KbsSourceConfig {
    std::string url;  ///< "https://kbs.example.com:8080": no slash at the end
    /// Who signs tokens: a public key, a certificate, a CA certificate (PEM) or a JWKS document.
    std::optional<LoadedFile> token_signer;
    /// No signer is pinned: the key that a token itself names is taken, so nothing but the TLS
    /// connection says who judged the evidence.
    bool discover_token_signer = false;
    std::string token_algorithm;  ///< "RS384", ...; empty: the usual one of the signer's key
    KbsProtocol protocol = KbsProtocol::v0_4_0;
    TeeKeyType tee_key = TeeKeyType::p256;
    bool legacy_tee_names = false;              ///< of Azure, as Trustee spelt them before v0.16
    std::string extra_params;                   ///< an object's JSON: added to the handshake's own
    std::optional<LoadedFile> init_data;        ///< the document whose digest the hardware holds
    bool accept_warning = false;                ///< tokens with ear.status "warning" open, too
    Millis timeout = std::chrono::seconds(50);  ///< one read, with all that it takes
    std::filesystem::path fetch_socket = "/run/attestd/fetch.sock";

    friend bool operator==(const KbsSourceConfig&, const KbsSourceConfig&) = default;
};

/// Where the token comes from that attestd logs in with: what says to others that this machine was
/// attested.
enum class LoginToken : std::uint8_t {
    verifier,  ///< the verifier's own, of the present result
    source,    ///< of a key broker, which is a source
    file,      ///< another service keeps one in a file
};

/// HashiCorp Vault or OpenBao (`spec/remote-verifiers.md` section 6.1).
struct HashiVaultSourceConfig {
    std::string url;                 ///< "https://vault.example.com:8200": no slash at the end
    std::string name_space;          ///< "team/app"; empty: the root's
    std::string auth_mount = "jwt";  ///< of the JWT auth method
    std::string role;                ///< of that method
    LoginToken login_token = LoginToken::verifier;
    std::string token_source;                   ///< with LoginToken::source
    std::filesystem::path token_file;           ///< with LoginToken::file
    Millis timeout = std::chrono::seconds(30);  ///< one read, with all that it takes
    std::filesystem::path fetch_socket = "/run/attestd/fetch.sock";

    friend bool operator==(const HashiVaultSourceConfig&, const HashiVaultSourceConfig&) = default;
};

/// What systemd gives to attestd's own unit.
struct CredentialSourceConfig {
    friend bool operator==(const CredentialSourceConfig&, const CredentialSourceConfig&) = default;
};

/// Sealed secrets of the Confidential Containers (`spec/kbs.md` section 10). Signatures are checked
/// always: there is no member that turns that off.
struct SealedSourceConfig {
    std::optional<LoadedFile> trusted_keys;  ///< JWKS: keys on P-256, each with its own "kid"
    /// Resources of `broker` whose content is a signer's JWK: whoever can write one can sign.
    std::vector<std::string> trusted_kids;
    std::string broker;                     ///< a source of type "kbs"; empty: no pointers to one
    std::string hashi_vault;                ///< a source of type "vault"; empty: no envelopes
    std::string transit_mount = "transit";  ///< of that source's engine
    /// A file is taken without the name of its secret in it: whoever delivers files may put any
    /// other of the same signers in its place.
    bool unbound = false;

    friend bool operator==(const SealedSourceConfig&, const SealedSourceConfig&) = default;
};

enum class VerifierType : std::uint8_t {
    local,     ///< in this process
    external,  ///< a service on a Unix socket (attestd-plugin(7))
    ita,       ///< Intel Trust Authority
    maa,       ///< Microsoft Azure Attestation
    veraison,  ///< Veraison's challenge-response API
    kbs,       ///< the attestation service behind a Trustee key broker
    coco_as,   ///< Trustee's restful attestation service, asked by itself
};

[[nodiscard]] constexpr std::string_view verifier_type_name(VerifierType type) noexcept {
    constexpr std::string_view kNames[] = {"local",    "external", "ita",    "maa",
                                           "veraison", "kbs",      "coco_as"};
    return kNames[static_cast<std::size_t>(type)];
}

/// Whether that token is an attestation service's of Confidential Containers.
[[nodiscard]] constexpr bool is_coco_service(VerifierType type) noexcept {
    return type == VerifierType::kbs || type == VerifierType::coco_as;
}

/// Whether results of this kind come with a token that others take as its word.
[[nodiscard]] constexpr bool gives_identity_token(VerifierType type) noexcept {
    return type != VerifierType::local && type != VerifierType::external;
}

/// What is made of a revocation list of a token signer's that cannot be had.
enum class CrlRule : std::uint8_t {
    require,  ///< no token counts without it
    soft,     ///< a finding tells; a list that is there counts all the same
};

/// A verifier on the network that answers with a signed token (`spec/remote-verifiers.md`).
struct RemoteVerifierConfig {
    std::string url;       ///< base address, no slash at the end
    std::string issuer;    ///< "iss" of its tokens, letter by letter; empty: not looked at
    std::string audience;  ///< "aud" must name it; empty: not looked at
    /// Who signs tokens: public keys, certificates or authorities (PEM), or a JWKS document.
    std::optional<LoadedFile> token_signer;
    /// A JWKS. Its keys count as far as their certificates lead to an authority of `token_signer`;
    /// without one, nothing but TLS vouches for them.
    std::string token_keys_url;
    std::filesystem::path api_key_file;  ///< of `ita`: read for each attempt, never digested
    /// `ita`: ids that must have matched, all; `maa`: hashes ("x-ms-policy-hash") and `veraison`:
    /// ids, one of which must have been applied. Empty: whichever the service applies. `coco_as`:
    /// ids that are asked for, one of which must have been applied; never empty.
    std::vector<std::string> policies;
    std::string api_version;               ///< of `maa`
    std::vector<LoadedFile> endorsements;  ///< certificates (PEM) that go along with evidence
    bool accept_warning = false;           ///< the middle tier opens, too
    /// Of `ita`: the lists that the chains of its key set name.
    CrlRule crl = CrlRule::require;
    std::optional<Sha256> signer_root;    ///< of `ita`: of the certificate that those chains end in
    std::optional<LoadedFile> init_data;  ///< of `coco_as`: whose digest the hardware holds
    std::filesystem::path fetch_socket = "/run/attestd/fetch.sock";

    friend bool operator==(const RemoteVerifierConfig&, const RemoteVerifierConfig&) = default;
};

/// A key broker that is asked for its attestation service's token.
struct BrokerVerifierConfig {
    KbsSourceConfig broker;
    std::string issuer;                 ///< as above
    std::vector<std::string> policies;  ///< one must be "ear.appraisal-policy-id"; empty: any
    Tee tee;                            ///< whose evidence this machine gives
    bool is_azure = false;              ///< by way of a paravisor's vTPM

    friend bool operator==(const BrokerVerifierConfig&, const BrokerVerifierConfig&) = default;
};

struct VerifierConfig {
    VerifierType type = VerifierType::local;
    std::filesystem::path socket;               ///< of an external one
    Millis timeout = std::chrono::seconds(30);  ///< for its answer; of one on the network, for each
                                                ///< of challenge and appraisal
    bool expects_test = false;  ///< of any but the local one: all its results are test grade
    std::optional<RemoteVerifierConfig> remote;  ///< `ita`, `maa`, `veraison`, `coco_as`
    std::optional<BrokerVerifierConfig> broker;  ///< `kbs`
    LoadedFile policy;                           ///< the appraisal policy of the local one
    Millis max_age = std::chrono::minutes(10);
    std::vector<std::filesystem::path> endorsements;  ///< files and folders, read at each appraisal
    std::vector<LoadedFile> trust_anchors;            ///< additional: every result is test grade
    CollateralConfig collateral;
    /// No key of its own: the configuration is bound to RTMR3, so the log that explains the
    /// registers must be held against them whether or not the appraisal policy pins events.
    bool needs_event_log = false;

    /// No signer of tokens is pinned: who can answer in the service's place can judge in its place.
    [[nodiscard]] bool keys_by_tls_alone() const noexcept {
        return (remote && !remote->token_signer && !remote->signer_root) ||
               (broker && broker->broker.discover_token_signer);
    }
    /// Every result may be of test grade.
    [[nodiscard]] bool is_test() const noexcept { return expects_test || !trust_anchors.empty(); }

    friend bool operator==(const VerifierConfig&, const VerifierConfig&) = default;
};

/// Compares whole components of a unit's name; with `any_instance`, `name` is "web@" and the
/// instance is free.
struct UnitPattern {
    std::string name;
    std::string suffix;  ///< ".service"; used with any_instance only
    bool any_instance = false;

    [[nodiscard]] bool matches(std::string_view unit) const noexcept;
};

/// All that is given must hold. At least one thing is given.
struct MatchItem {
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::optional<gid_t> group_id;  ///< supplementary
    std::optional<UnitPattern> unit;
    std::optional<std::string> slice, container_id, pod_uid, selinux, apparmor, socket;
    // What only attestd-inspect can see: conditions beside one of the above, never an identity.
    std::optional<Sha256> exe_sha256;
    std::optional<Sha256> exe_verity;  ///< the fs-verity digest, which is not the file's SHA-256
    std::optional<std::string> exe_path;
    bool init_pidns = false, init_userns = false;  ///< the daemon's own namespace
    bool allow_unlinked = false;                   ///< exe_sha256 may be a deleted file's

    /// Whether attestd-inspect has to be asked about a caller before this item can be judged.
    [[nodiscard]] bool needs_inspection() const noexcept {
        return exe_sha256 || exe_verity || exe_path || init_pidns || init_userns;
    }
    /// Nothing is asked but that the caller came by this listener.
    [[nodiscard]] bool is_socket_alone() const noexcept {
        return socket && !uid && !gid && !group_id && !unit && !slice && !container_id &&
               !pod_uid && !selinux && !apparmor && !needs_inspection();
    }
};

/// How well a secret was protected on its way into this machine.
enum class Protection : std::uint8_t { transport, end_to_end };

[[nodiscard]] constexpr std::string_view protection_name(Protection p) noexcept {
    return p == Protection::end_to_end ? "end_to_end" : "transport";
}

/// A claim that the evidence must make, with one of these values.
struct ClaimCondition {
    std::size_t claim;  ///< index into all_claims()
    std::vector<ClaimValue> one_of;
};

enum class GradeCondition : std::uint8_t { any, production, test };

/// What must hold, beside an affirming result, for a secret to leave. Nothing given: nothing asked.
struct Conditions {
    /// All conditions of one of these sets; each set is about one kind of evidence.
    std::vector<std::vector<ClaimCondition>> claims;
    std::vector<std::string> verifiers;  ///< one of these kinds
    std::optional<Millis> max_age;       ///< of the evidence, counted from its nonce
    GradeCondition grade = GradeCondition::any;
    Protection min_protection = Protection::transport;
};

/// One secret's release policy.
struct SecretPolicy {
    std::string name;
    std::string source;
    std::string resource;                  ///< its name at the source
    std::vector<std::string> allow, deny;  ///< ids of workloads; deny wins
    bool test = false;                     ///< may be released on a test-grade result
    Conditions require;
    /// How long a receiver may keep it without asking again; not given: until the attestation
    /// result on which it was released expires.
    std::optional<Millis> ttl;
};

/// A token about this machine that a workload may have: the verifier's, or a key broker's.
struct TokenGrant {
    /// Judged as a secret's is. `source` is the key broker's name; empty: the verifier's token.
    /// `name` is what the audit record calls it.
    SecretPolicy policy;
    std::string audience;  ///< who it is for; empty: asked for by a listener of kind `coco` alone
};

struct Workload {
    std::string id;
    std::vector<MatchItem> match;      ///< one of them must match
    bool allow_root = false;           ///< a caller with uid 0 may be this workload
    bool raw_evidence = false;         ///< may have its bytes put into evidence unchanged
    bool events = false;               ///< may have run-time events measured, in its own name
    std::vector<TokenGrant> tokens{};  ///< in the order of the configuration
    /// With a key broker's token, the private key that it is about: whoever has both is this
    /// machine to that broker.
    bool export_key = false;
};

enum class ListenerKind : std::uint8_t {
    workloads,
    admin,
    credentials,  ///< systemd's LoadCredential=
    coco,         ///< workloads, by the paths of the Confidential Containers' REST server
};

/// What a unit gets whose credential is refused.
enum class OnRefusal : std::uint8_t {
    fail,   ///< too much: systemd does not start it
    empty,  ///< nothing: it starts with an empty credential
};

struct ListenerConfig {
    std::string name;
    std::filesystem::path path;
    ListenerKind kind = ListenerKind::workloads;
    std::optional<gid_t> group;
    mode_t mode = 0660;
    OnRefusal on_refusal = OnRefusal::fail;  ///< of credentials
    Millis hold = std::chrono::seconds(20);  ///< how long credentials wait for an affirming result
    bool coco_strict_status = false;         ///< of `coco`: 500 for whatever fails
    std::string coco_token_source;           ///< of `coco`: the broker of "kbs" tokens; or empty
    /// Of `coco`: no path; a TCP socket on a loopback address that systemd hands over by this name.
    /// The kernel names nobody who calls there.
    bool loopback_tcp = false;

    friend bool operator==(const ListenerConfig&, const ListenerConfig&) = default;
};

enum class AuditSync : std::uint8_t {
    batched,  ///< on disk within a second
    each,     ///< on disk before the secret leaves
};

struct AuditConfig {
    std::filesystem::path path;
    AuditSync sync = AuditSync::batched;
    std::uint32_t max_len = 64U << 20;  ///< bytes after which a file is set aside; 0: never
    std::uint32_t keep = 0;             ///< files set aside that are kept; 0: all
    bool journal = false;               ///< each record goes to systemd's journal too

    friend bool operator==(const AuditConfig&, const AuditConfig&) = default;
};

/// Tokens that fill up at `per_second` until there are `burst`.
struct RateLimit {
    double per_second;
    double burst;
};

/// Bounds on what callers can take (spec/workload-identity.md section 8).
struct Limits {
    std::uint32_t backlog = 128;  ///< of each listener: connections that wait to be accepted
    std::uint32_t connections = 1024;
    std::uint32_t connections_per_uid = 64;
    Millis request_timeout = std::chrono::seconds(5);
    Millis idle_timeout = std::chrono::seconds(30);
    Millis max_wait = std::chrono::seconds(60);  ///< of ?wait=
    std::uint32_t max_request_len = 65536;       ///< header and body
    std::uint32_t max_admin_body_len = 1 << 20;  ///< the body of an admin PUT
    RateLimit requests{50, 50};
    RateLimit quotes{2, 5};
    RateLimit failures{5.0 / 60, 5};  ///< authorisations that fail
    Millis failure_lock = std::chrono::minutes(1);
    Millis collect_timeout = std::chrono::seconds(30);  ///< one piece of evidence
};

struct IdentityConfig {
    bool allow_weak = false;                 ///< run on a kernel without pidfd
    std::optional<bool> require_peer_pidfd;  ///< not given: when the kernel has it
    bool allow_traced = false;
    /// How old the last look at what stands in /proc alone may be when a secret leaves: a tracer,
    /// and the cgroup where no rule looks at it and the kernel gives it no number. 0: look anew.
    Millis trace_recheck = std::chrono::milliseconds(100);
    bool allow_inherited_connection = false;  ///< the writer may be another process than the peer
    std::filesystem::path inspect_socket;     ///< of attestd-inspect; empty: there is none
    std::vector<ContainerPattern> container_patterns;  ///< beside those that are known
    /// No key of its own: some workload's rule looks at a fact that the cgroup gives.
    bool cgroup_matters = true;
};

/// What stands between the host, which can write the disk, and this configuration.
enum class ConfigBinding : std::uint8_t {
    none,        ///< nothing: a warning in every result
    image,       ///< the image that it lies in is measured
    hostdata,    ///< SNP's HOST_DATA holds its SHA-256
    mrconfigid,  ///< TDX' MRCONFIGID holds its SHA-384
    rtmr3,       ///< TDX' RTMR3 was extended with its SHA-256 before anything was released
};

[[nodiscard]] constexpr std::string_view config_binding_name(ConfigBinding b) noexcept {
    constexpr std::string_view kNames[] = {"none", "image", "hostdata", "mrconfigid", "rtmr3"};
    return kNames[static_cast<std::size_t>(b)];
}

struct Config {
    PlatformConfig platform;
    VerifierConfig verifier;
    std::map<std::string, StoreSourceConfig, std::less<>> stores;  ///< sources of type "store"
    std::map<std::string, KbsSourceConfig, std::less<>> brokers;   ///< sources of type "kbs"
    std::map<std::string, HashiVaultSourceConfig, std::less<>> hashi_vaults;  ///< of type "vault"
    std::map<std::string, CredentialSourceConfig, std::less<>> credentials;   ///< "credential"
    std::map<std::string, SealedSourceConfig, std::less<>> sealed_sources;    ///< of type "sealed"
    std::vector<Workload> workloads;                                          ///< sorted by id
    std::map<std::string, SecretPolicy, std::less<>> secrets;
    /// What attestd itself gets to open the `remote` slot of the store of this name.
    std::map<std::string, SecretPolicy, std::less<>> slot_secrets;
    std::vector<ListenerConfig> listeners;
    std::filesystem::path state_dir;
    AuditConfig audit;
    Limits limits;
    IdentityConfig identity;
    ConfigBinding config_binding = ConfigBinding::none;
    /// Appraisal policy of the machines that stored secrets may be handed over to; none: to nobody.
    std::optional<LoadedFile> hand_over_policy;
    /// Over every file that was loaded, in order, and every name that was resolved: each with its
    /// length (8 bytes, big-endian) before it.
    Sha256 digest{};
    Sha384 digest_sha384{};  ///< over the same bytes

    [[nodiscard]] bool has_source(std::string_view name) const {
        return stores.contains(name) || brokers.contains(name) || hashi_vaults.contains(name) ||
               credentials.contains(name) || sealed_sources.contains(name);
    }
    /// Sources that are no sealed stores: each answers on a thread of its own.
    [[nodiscard]] std::size_t num_remote_sources() const noexcept {
        return brokers.size() + hashi_vaults.size() + credentials.size() + sealed_sources.size();
    }
    /// Of what a source gives. A store is worth no more than what opens it.
    [[nodiscard]] Protection protection_of(std::string_view source) const;
    [[nodiscard]] bool is_test_setup() const noexcept { return verifier.is_test(); }
    /// Whether any rule can only be judged with attestd-inspect's help.
    [[nodiscard]] bool needs_inspection() const noexcept;
};

}  // namespace attestd
