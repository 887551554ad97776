#include "agent/cli/policy_draft.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "agent/cli/event_log_draft.h"
#include "agent/cli/output.h"
#include "agent/cli/policy_writer.h"
#include "quote/base/reader.h"

namespace attestd::cli {
namespace {

constexpr std::uint64_t bit(unsigned n) noexcept { return std::uint64_t{1} << n; }

// TDATTRIBUTES (`spec/tdx.md` section 7): what no draft permits, and what a switch does.
constexpr std::uint64_t kDebug = bit(0);
constexpr std::uint64_t kUntrusted = 0xff;  // DEBUG, profiling, and reserved beside them
constexpr std::uint64_t kServTdExt = bit(17);
constexpr std::uint64_t kSeptVeDisable = bit(28);
constexpr std::uint64_t kMigratable = bit(29);

class Draft {
 public:
    explicit Draft(const AttestationResult& result) : result_(result) {}

    void leave_refused(const std::string& what) {
        out_.note("LEFT REFUSED: " + what);
        left_refused_.push_back(what);
    }

    // -- Intel --

    void tcb_status() {
        const auto* const tcb = std::get_if<IntelTcb>(&result_.tcb());
        std::vector<std::string> allowed{"UpToDate"};
        const auto allow = [&](const std::string& status) {
            if (status == "UpToDate" || status == "Revoked" || status == "TcbNotSupported") return;
            if (std::find(allowed.begin(), allowed.end(), status) == allowed.end())
                allowed.push_back(status);
        };
        if (tcb == nullptr) {
            out_.note("The platform's TCB status is not known: no endorsements were given.");
        } else {
            allow(tcb->status);
            if (tcb->current) allow(*tcb->current);
            if (tcb->status == "Revoked" || tcb->status == "TcbNotSupported")
                leave_refused(fmt::format("the platform's TCB is {}", tcb->status));
        }
        if (allowed.size() > 1) {
            out_.note(fmt::format(
                "LOOSENED: this platform is {}; it may have known weaknesses ({}). Update it, and "
                "drop the word.",
                fmt::join(allowed.begin() + 1, allowed.end(), ", "),
                tcb->advisory_ids.empty() ? "no advisory named"
                                          : fmt::format("{}", fmt::join(tcb->advisory_ids, ", "))));
        }
        out_.texts("What Intel says of platform, module and quoting enclave together.",
                   "allowed_tcb_statuses", allowed);
    }

    void td_attributes(const TdReport& td) {
        const auto attributes = load_le<std::uint64_t>(td.td_attributes);
        if ((attributes & kDebug) != 0) {
            leave_refused(
                "the TD is debuggable: its host reads its memory. Launch it without "
                "debug; the attributes below are pinned without it");
        } else if ((attributes & kUntrusted) != 0) {
            leave_refused(
                "the TD's host may profile it (TDATTRIBUTES 0..7); the attributes below "
                "are pinned without that");
        }
        if ((attributes & kMigratable) != 0) {
            out_.flag(
                "LOOSENED: this TD may be moved to another machine by a migration TD, which "
                "must be trusted as much as this one.",
                "allow_migratable", true);
        }
        if ((attributes & kSeptVeDisable) == 0) {
            out_.flag(
                "LOOSENED: SEPT_VE_DISABLE is not set, as under a paravisor; the host can "
                "raise #VE by taking pages away.",
                "require_sept_ve_disable", false);
        }
        out_.bits("Attributes of the TD, exactly.", "td_attributes", attributes & ~kUntrusted);
        out_.bits("Extended processor state that the TD may use, exactly.", "xfam",
                  load_le<std::uint64_t>(td.xfam));
        if (td.mr_service_td && (!all_zero(*td.mr_service_td) || (attributes & kServTdExt) != 0)) {
            out_.pin(
                "LOOSENED: a service TD (migration) is bound to this one, and must be trusted "
                "as much.",
                "mrservicetd", *td.mr_service_td);
        } else {
            out_.note("mrservicetd is left out: no service TD may be bound.");
        }
    }

    void tdx(const TdReport& td) {
        tcb_status();
        td_attributes(td);
        out_.pin("The TD's initial memory: its firmware.", "mrtd", td.mr_td);
        out_.pin("Firmware configuration, as measured by the firmware.", "rtmr0", td.rtmr[0]);
        out_.pin("Boot loader and kernel, as measured by the firmware.", "rtmr1", td.rtmr[1]);
        out_.pin("Kernel command line, initrd and what the boot loader measured.", "rtmr2",
                 td.rtmr[2]);
        out_.pin("Extended at run time: say \"any\" if what is measured there varies.", "rtmr3",
                 td.rtmr[3]);
        out_.pin(
            "The TDX module: changes when the host updates it, which Intel's TCB information "
            "judges too; \"any\" leaves it to that.",
            "mrseam", td.mr_seam);
        out_.pin("Set at launch: the configuration that the TD was given.", "mrconfigid",
                 td.mr_config_id);
        out_.pin("Set at launch: the TD's owner.", "mrowner", td.mr_owner);
        out_.pin("Set at launch: the owner's configuration.", "mrownerconfig", td.mr_owner_config);
    }

    void sgx(const EnclaveReport& enclave) {
        tcb_status();
        if (enclave.debug())
            leave_refused(
                "the enclave is debuggable: its host reads its memory. Build it without "
                "debug");
        out_.pin("The enclave's initial memory.", "mrenclave", enclave.mr_enclave);
        out_.pin("The key that signed the enclave.", "mrsigner", enclave.mr_signer);
        out_.member("The signer's number for this program.", "isvprodid",
                    std::to_string(enclave.isv_prod_id));
        out_.member("The lowest version of it: this one.", "min_isvsvn",
                    std::to_string(enclave.isv_svn));
    }

    // -- AMD --

    void snp(const SnpReport& report, const std::optional<std::string>& csp_id) {
        out_.pin(
            "The guest's initial memory: firmware, and with direct boot kernel, initrd and "
            "command line.",
            "measurement", report.measurement);
        out_.pin("Set by the host at launch: a claim to match, not a proof of origin.", "host_data",
                 report.host_data);
        id_block(report);
        guest_policy(report);
        out_.member(report.vmpl == 0 ? "The privilege level that asked: the highest."
                                     : "The privilege level that asked; a paravisor or SVSM above "
                                       "it is trusted too.",
                    "vmpl", fmt::format("[{}]", report.vmpl));
        constexpr std::uint64_t kAliasCheck = bit(5);
        if ((report.platform_info & kAliasCheck) != 0)
            out_.bits("The host checked its memory for aliases (CVE-2024-21944).",
                      "platform_info_required", kAliasCheck);
        min_tcb(report);
        signing_key(report, csp_id);
    }

    PolicyDraft finish(std::string_view member, std::string header) && {
        const std::string events =
            result_.boot() == nullptr
                ? std::string()
                : fmt::format(",\n  \"event_log\": {{\n{}  }}", draft_event_log(*result_.boot()));
        return {fmt::format("{}{{\n  \"$schema\": \"/usr/share/attestd/appraisal.schema.json\",\n"
                            "  \"{}\": {{\n{}  }}{}\n}}\n",
                            header, member, out_.text(), events),
                std::move(left_refused_)};
    }

 private:
    void id_block(const SnpReport& report) {
        const bool there = !all_zero(report.id_key_digest);
        out_.pin(there ? "The key that signed the ID block." : "No ID block: zero, and so pinned.",
                 "id_key_digest", report.id_key_digest);
        if (report.author_key_en)
            out_.pin("The author's key, which signed the ID key.", "author_key_digest",
                     report.author_key_digest);
        else
            out_.member("No author key was used.", "author_key_digest", "\"any\"");
        if (!there) return;
        out_.flag("The guest must be launched with an ID block.", "require_id_block", true);
        out_.pin("The ID block's family.", "family_id", report.family_id);
        out_.pin("The ID block's image.", "image_id", report.image_id);
        out_.member("The ID block's version: this one or later.", "min_guest_svn",
                    std::to_string(report.guest_svn));
    }

    void guest_policy(const SnpReport& report) {
        const SnpGuestPolicy& guest = report.policy;
        if (guest.debug())
            leave_refused(
                "the guest is debuggable: its host decrypts its memory. Launch it "
                "without debug (POLICY bit 19)");
        const bool agent = !std::all_of(report.report_id_ma.begin(), report.report_id_ma.end(),
                                        [](std::uint8_t b) { return b == 0xff; });
        if (guest.migrate_ma() || agent) {
            out_.flag(
                "LOOSENED: a migration agent may move this guest, and must be trusted as "
                "much as it.",
                "allow_migration_agent", true);
        }
        const bool smt = guest.smt() || (report.platform_info & 1) != 0;
        out_.flag(smt ? "SMT is allowed or on: threads of the host share a core with the guest."
                      : "Neither allowed nor on.",
                  "allow_smt", smt);
        struct Rule {
            bool strict;
            const char* key;
            const char* what;
        };
        const Rule rules[] = {
            {guest.single_socket(), "require_single_socket", "One socket only."},
            {!guest.cxl_allow(), "require_cxl_off", "No CXL memory or devices."},
            {guest.mem_aes_256_xts(), "require_aes_256_xts", "Memory under AES-256-XTS."},
            {guest.rapl_dis(), "require_rapl_dis", "No power readings for the host."},
            {guest.ciphertext_hiding_dram(), "require_ciphertext_hiding",
             "The host does not see ciphertext."},
            {guest.page_swap_disable(), "require_page_swap_disable",
             "The host moves and swaps no page of the guest."}};
        for (const Rule& rule : rules) {
            if (rule.strict) out_.flag(rule.what, rule.key, true);
        }
        out_.member("The firmware's ABI that the guest demands, at least: major.", "min_abi_major",
                    std::to_string(guest.abi_major()));
        out_.member("The same: minor.", "min_abi_minor", std::to_string(guest.abi_minor()));
    }

    static std::string components(const TcbVersion& tcb) {
        return fmt::format(
            "{{ {}\"bootloader\": {}, \"tee\": {}, \"snp\": {}, \"microcode\": {} }}",
            tcb.fmc ? fmt::format("\"fmc\": {}, ", *tcb.fmc) : std::string(), tcb.bootloader,
            tcb.tee, tcb.snp, tcb.microcode);
    }

    void min_tcb(const SnpReport& report) {
        if (!report.product) {
            out_.member(
                "UNKNOWN PRODUCT: this report does not say what made it, and its "
                "certificate was not given. Old firmware is accepted until this is set.",
                "min_tcb", "\"any\"");
            return;
        }
        const std::string name(product_name(*report.product));
        out_.texts("The product line.", "products", {name});
        const TcbVersion reported = decode_tcb(*report.product, report.reported_tcb);
        const TcbVersion launch = decode_tcb(*report.product, report.launch_tcb);
        std::string entry = fmt::format("\"all\": {}", components(reported));
        if (!at_least(launch, reported)) {
            out_.note(
                "LOOSENED: this guest was launched before the host's last update, and ran "
                "under the firmware of then; \"launch\" can go once it is launched again.");
            entry += fmt::format(", \"launch\": {}", components(launch));
        }
        out_.member("The lowest firmware: what this report states (REPORTED_TCB), for all four.",
                    "min_tcb", fmt::format("{{ \"{}\": {{ {} }} }}", name, entry));
    }

    void signing_key(const SnpReport& report, const std::optional<std::string>& csp_id) {
        const bool vlek = report.signing_key == SnpSigningKey::vlek;
        if (!vlek && all_zero(report.chip_id)) {
            out_.flag(
                "LOOSENED: CHIP_ID is masked, so the key is bound to this report by its "
                "signature alone.",
                "allow_masked_chip_id", true);
        }
        out_.flag("Keys of the chip itself.", "allow_vcek", !vlek);
        out_.flag("Keys that a cloud provider has for all its chips.", "allow_vlek", vlek);
        if (!vlek) return;
        if (csp_id)
            out_.texts("The provider, as AMD certified it.", "csp_ids", {*csp_id});
        else
            out_.member("NOT KNOWN: the VLEK's certificate was not given. Name the provider.",
                        "csp_ids", "\"any\"");
    }

    const AttestationResult& result_;
    PolicyWriter out_;
    std::vector<std::string> left_refused_;
};

std::string header_of(const AttestationResult& result, std::string_view source) {
    std::string out = fmt::format(
        "// Appraisal policy drafted from {} ({}), as of {}.\n"
        "// It pins what that evidence shows: read it, and keep it only if the machine was good.\n",
        printable(source), result.format(), to_rfc3339(result.verified_at()));
    if (result.verdict() == Verdict::accepted && result.grade() == Grade::test)
        out += "// It was verified under an added trust anchor: results are test grade.\n";
    for (const Finding& finding : result.findings()) {
        if (finding.id.ends_with(".missing"))
            out += fmt::format("// NOT VERIFIED, for want of endorsements: {}: {}\n", finding.id,
                               printable(finding.detail));
    }
    return out;
}

}  // namespace

PolicyDraft draft_policy(const AttestationResult& result, const std::optional<std::string>& csp_id,
                         std::string_view source) {
    Draft draft(result);
    if (const auto* const report = std::get_if<SnpReport>(&result.claims())) {
        draft.snp(*report, csp_id);
    } else if (const auto* const quote = std::get_if<IntelQuote>(&result.claims())) {
        if (const auto* const td = std::get_if<TdReport>(&quote->body))
            draft.tdx(*td);
        else
            draft.sgx(std::get<EnclaveReport>(quote->body));
    }
    return std::move(draft).finish(tee_name(result.tee()), header_of(result, source));
}

}  // namespace attestd::cli
