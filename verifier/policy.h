// AppraisalPolicy: what verified claims must say to be accepted (RFC 9334).
//
// Keys and defaults are those of `spec/tdx.md` section 7 and `spec/snp.md` section 11. The defaults
// here are the baseline of `attestctl verify`: everything that needs no reference value is judged
// strictly; reference values that are not given are reported as unpinned.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

/// Reference values of N bytes: not given, any value whatever, or one of a list.
template <std::size_t N>
struct ReferenceValues {
    enum class Kind : std::uint8_t { unpinned, any, listed };
    Kind kind = Kind::unpinned;
    std::vector<ByteArray<N>> values;  ///< used when listed; an empty list accepts nothing

    [[nodiscard]] bool allows(const ByteArray<N>& value) const noexcept {
        return kind != Kind::listed ||
               std::find(values.begin(), values.end(), value) != values.end();
    }
};

/// What the two policies about Intel evidence share.
struct IntelTcbPolicy {
    std::vector<std::string> allowed_tcb_statuses{"UpToDate"};  ///< never "Revoked"
    std::vector<std::string>
        allowed_advisories;  ///< lets SWHardeningNeeded pass when all are listed
    std::int64_t grace_days =
        0;  ///< days for which OutOfDate passes after the platform fell behind
    std::int64_t min_tcb_evaluation_data_number = 0;
};

/// Evidence that a paravisor and its vTPM wrap (`spec/snp.md` section 13).
struct AzurePolicy {
    bool named = false;   ///< the policy speaks of it: bare evidence is refused then
    bool allowed = true;  ///< false in a strict policy that does not speak of it
    std::optional<bool> require_secure_boot, allow_console;  ///< not given: a warning
    bool require_vtpm_quote = true;
    bool any_pcrs = false;
    std::array<ReferenceValues<32>, 24> pcrs;  ///< SHA-256 bank; not given: not judged
};

struct TdxPolicy {
    IntelTcbPolicy tcb;
    bool allow_debug = false;
    bool allow_migratable = false;
    bool require_sept_ve_disable = true;
    std::optional<std::uint64_t> xfam;           ///< exact
    std::optional<std::uint64_t> td_attributes;  ///< exact, under the mask
    std::uint64_t td_attributes_mask = ~std::uint64_t{0};
    ReferenceValues<48> mrtd, mrseam, mrconfigid, mrowner, mrownerconfig, mrservicetd;
    std::array<ReferenceValues<48>, 4> rtmr;
    ReferenceValues<16> ppid, platform_instance_id;  ///< known machines; not given: not judged
    AzurePolicy azure;
};

struct SgxPolicy {
    IntelTcbPolicy tcb;
    bool allow_debug = false;
    ReferenceValues<32> mrenclave, mrsigner;
    std::optional<std::uint16_t> isvprodid;
    std::uint16_t min_isvsvn = 0;
};

/// Per-component minimums of a TCB version; a component that a product lacks is not judged.
struct TcbMinimum {
    std::uint8_t fmc = 0, bootloader = 0, tee = 0, snp = 0, microcode = 0;
};

struct SnpMinimumTcb {
    TcbMinimum reported, committed, current, launch;
};

struct SnpPolicy {
    bool allow_debug = false;
    bool allow_migration_agent = false;
    bool allow_smt = true;
    bool allow_masked_chip_id = false;
    bool allow_provisional = true;  ///< CURRENT above COMMITTED
    bool require_crl = false;
    bool require_id_block = false;
    bool require_single_socket = false;
    bool require_cxl_off = false;
    bool require_aes_256_xts = false;
    bool require_rapl_dis = false;
    bool require_ciphertext_hiding = false;
    bool require_page_swap_disable = false;
    std::uint8_t min_abi_major = 0, min_abi_minor = 0;
    std::array<std::uint8_t, 3> min_version{};  ///< firmware major, minor, build
    std::vector<std::uint32_t> vmpl{0, 1, 2, 3};
    std::uint64_t platform_info_required = 0, platform_info_forbidden = 0;
    std::uint64_t mit_vector = 0;  ///< bits that CURRENT and LAUNCH must have; needs version 5
    std::uint32_t min_guest_svn = 0;
    /// By product ("Milan"); when given, a product without an entry is refused.
    std::optional<std::map<std::string, SnpMinimumTcb>> min_tcb;
    bool any_min_tcb = false;
    std::vector<std::string> products;  ///< empty: every product with a pinned root
    bool allow_vcek = true, allow_vlek = true;
    std::optional<std::vector<std::string>> csp_ids;  ///< of a VLEK; not given: unpinned
    bool any_csp_id = false;
    ReferenceValues<48> measurement, id_key_digest, author_key_digest;
    ReferenceValues<32> host_data;
    ReferenceValues<16> family_id, image_id;
    ReferenceValues<64> chip_id;
    std::vector<ByteArray<64>> denied_chip_ids;
    AzurePolicy azure;
};

/// Allowed texts, or digests of either bank: not given, any whatever, or those of a list.
template <class T>
struct AllowedValues {
    enum class Kind : std::uint8_t { unpinned, any, listed };
    Kind kind = Kind::unpinned;
    std::vector<T> values;  ///< used when listed; an empty list accepts nothing

    [[nodiscard]] bool is_listed() const noexcept { return kind == Kind::listed; }
    [[nodiscard]] bool allows(const T& value) const noexcept {
        return !is_listed() || std::find(values.begin(), values.end(), value) != values.end();
    }
};
using AllowedTexts = AllowedValues<std::string>;
using AllowedDigests = AllowedValues<Bytes>;  ///< of 32 bytes (a vTPM's) or 48 (RTMRs')

/// What the events of boot and run time must be, as far as registers bear them out
/// (quote/boot/boot_facts.h).
struct EventLogPolicy {
    bool named = false;                    ///< the policy speaks of it
    bool required = true;                  ///< evidence without a log is not accepted
    std::optional<bool> secure_boot;       ///< must be on, or off; not given: not judged
    ReferenceValues<32> pk, kek, db, dbx;  ///< SHA-256 of the variable's data
    AllowedDigests images;                 ///< everything that firmware loaded, and at least one
    AllowedDigests files;                  ///< everything that boot loader and kernel loaded
    AllowedDigests initrd;                 ///< what the log calls the initrd, and at least one
    AllowedTexts command_line;             ///< the kernel's
    AllowedTexts boot_commands;            ///< every text of the boot loader
    AllowedTexts runtime_events;  ///< "workload/db started": every event's domain and operation
};

struct AppraisalPolicy {
    TdxPolicy tdx;
    SnpPolicy snp;
    SgxPolicy sgx;
    EventLogPolicy event_log;
    /// TEEs the policy file speaks of; evidence of another is refused. All of them in the baseline.
    bool names_tdx = true, names_snp = true, names_sgx = true;
    Bytes digest;  ///< SHA-256 of the file; empty for the baseline
};

enum class PolicyStrictness : std::uint8_t {
    lenient,  ///< `attestctl verify --policy`: a reference value may be left out and is then
              ///< unpinned
    strict,   ///< the daemon: every reference value is a list or "any" in so many words
};

/// Parses a policy file (JSON with comments). `name` is its path, for error texts, which say line
/// and expectation. Errc::bad_config and the JSON errors.
[[nodiscard]] Result<AppraisalPolicy> parse_appraisal_policy(std::string_view text,
                                                             std::string name,
                                                             PolicyStrictness strictness);

}  // namespace attestd
