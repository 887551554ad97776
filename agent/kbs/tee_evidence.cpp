#include "agent/kbs/tee_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/kbs/runtime_data.h"
#include "quote/amd/cert_table.h"
#include "quote/amd/snp_report.h"
#include "quote/azure/azure_evidence.h"
#include "quote/azure/tpm_quote.h"
#include "quote/base/encoding.h"
#include "quote/boot/event_log.h"
#include "quote/intel/quote.h"

namespace attestd::kbs {
namespace {

using nlohmann::json;

constexpr std::uint32_t kFirstSnpVersion = 3;
constexpr std::size_t kKeyInfoAt = 0x48, kSignatureAt = 0x2a0, kComponentLen = 72;
constexpr std::size_t kLogEndLen = 8;
constexpr std::uint8_t kTurinFamily = 0x1a;

json numbers(ByteView bytes) {
    json out = json::array();
    for (const std::uint8_t byte : bytes) out.push_back(byte);
    return out;
}

Result<void> check_echo(const ByteArray<64>& found, ByteView digest) {
    if (equal(found, report_data_of(digest))) return {};
    return fail(Errc::platform_wrong_echo,
                "the evidence carries other report data than the handshake's digest");
}

// --- TDX

bool explains(const EventLog& log, const TdReport& report) {
    const auto registers = log.kind == EventLogKind::cc
                               ? replay_sha384(log)
                               : Result<std::map<std::string, Sha384>>(fail(Errc::bad_value, ""));
    if (!registers) return false;
    for (std::size_t i = 0; i < report.rtmr.size(); ++i) {
        const auto found = registers->find(fmt::format("rtmr{}", i));
        if (found == registers->end() || !equal(found->second, report.rtmr[i])) return false;
    }
    return true;
}

json log_json(ByteView bytes, const TdReport& report) {
    if (bytes.empty()) return nullptr;
    const auto log = parse_event_log(bytes);
    if (!log || !explains(*log, report)) return nullptr;
    Bytes out = to_bytes(bytes.first(log->bytes_used));
    out.insert(out.end(), kLogEndLen, 0xff);
    return to_base64(out);
}

Result<json> tdx_evidence(const Evidence& evidence, ByteView digest) {
    ATTESTD_TRY(const ParsedQuote parsed, parse_intel_quote(evidence.quote));
    const auto* const report = std::get_if<TdReport>(&parsed.quote.body);
    if (report == nullptr) return fail(Errc::platform_unsupported, "the quote is no TD's");
    ATTESTD_CHECK(check_echo(report->report_data, digest));
    json out = json::object();
    out["quote"] = to_base64(ByteView(evidence.quote).first(parsed.consumed));
    out["cc_eventlog"] = log_json(evidence.event_log, *report);
    return out;
}

// --- SEV-SNP

json tcb_json(const ByteArray<8>& tcb, bool is_turin) {
    const std::size_t at = is_turin ? 1 : 0;
    json out = json::object();
    out["fmc"] = is_turin ? json(tcb[0]) : json(nullptr);
    out["bootloader"] = tcb[at];
    out["tee"] = tcb[at + 1];
    out["snp"] = tcb[is_turin ? 3 : 6];
    out["microcode"] = tcb[7];
    return out;
}

json version_json(const SnpVersion& version) {
    return {{"major", version.major}, {"minor", version.minor}, {"build", version.build}};
}

json snp_report_json(const SnpReport& r, ByteView bytes) {
    const bool is_turin = r.cpuid_family == kTurinFamily;
    const bool has_mit = r.version >= 5;
    json out = json::object();
    out["version"] = r.version;
    out["guest_svn"] = r.guest_svn;
    out["policy"] = r.policy.bits;
    out["family_id"] = numbers(r.family_id);
    out["image_id"] = numbers(r.image_id);
    out["vmpl"] = r.vmpl;
    out["sig_algo"] = r.signature_algo;
    out["plat_info"] = r.platform_info;
    out["key_info"] = load_le<std::uint32_t>(bytes.subspan<kKeyInfoAt, 4>());
    out["report_data"] = numbers(r.report_data);
    out["measurement"] = numbers(r.measurement);
    out["host_data"] = numbers(r.host_data);
    out["id_key_digest"] = numbers(r.id_key_digest);
    out["author_key_digest"] = numbers(r.author_key_digest);
    out["report_id"] = numbers(r.report_id);
    out["report_id_ma"] = numbers(r.report_id_ma);
    out["current_tcb"] = tcb_json(r.current_tcb, is_turin);
    out["reported_tcb"] = tcb_json(r.reported_tcb, is_turin);
    out["committed_tcb"] = tcb_json(r.committed_tcb, is_turin);
    out["launch_tcb"] = tcb_json(r.launch_tcb, is_turin);
    out["cpuid_fam_id"] = r.cpuid_family;
    out["cpuid_mod_id"] = r.cpuid_model;
    out["cpuid_step"] = r.cpuid_stepping;
    out["chip_id"] = numbers(r.chip_id);
    out["current"] = version_json(r.current_version);
    out["committed"] = version_json(r.committed_version);
    out["launch_mit_vector"] = has_mit ? json(r.launch_mit_vector) : json(nullptr);
    out["current_mit_vector"] = has_mit ? json(r.current_mit_vector) : json(nullptr);
    const ByteView signature = bytes.subspan(kSignatureAt);
    out["signature"] = {{"r", numbers(signature.first(kComponentLen))},
                        {"s", numbers(signature.subspan(kComponentLen, kComponentLen))}};
    return out;
}

json certificate_type(const CertTableEntry& entry) {
    switch (entry.kind) {
        case CertTableEntryKind::vcek:
            return "VCEK";
        case CertTableEntryKind::vlek:
            return "VLEK";
        case CertTableEntryKind::ask:
            return "ASK";
        case CertTableEntryKind::ark:
            return "ARK";
        case CertTableEntryKind::crl:
            return "CRL";
        case CertTableEntryKind::other:
            break;
    }
    return json{{"OTHER", entry.guid}};
}

// Null without a VCEK or VLEK: then the broker looks for it.
json certificates_json(const std::vector<Bytes>& endorsements) {
    json out = json::array();
    bool has_leaf = false;
    for (const Bytes& endorsement : endorsements) {
        const auto table = parse_cert_table(endorsement);
        if (!table) continue;
        for (const CertTableEntry& entry : *table) {
            has_leaf = has_leaf || entry.kind == CertTableEntryKind::vcek ||
                       entry.kind == CertTableEntryKind::vlek;
            out.push_back({{"cert_type", certificate_type(entry)}, {"data", numbers(entry.data)}});
        }
    }
    return has_leaf ? out : json(nullptr);
}

Result<json> snp_evidence(const Evidence& evidence, ByteView digest) {
    if (!evidence.service_manifest.empty()) {
        return fail(Errc::platform_unsupported,
                    "the report is an SVSM's: key brokers know no manifest of its services");
    }
    ATTESTD_TRY(const ParsedSnpReport parsed, parse_snp_report(evidence.quote));
    const SnpReport& report = parsed.report;
    if (report.version < kFirstSnpVersion) {
        return fail(
            Errc::unsupported_version,
            fmt::format("the report has version {}: key brokers take 3 and later", report.version));
    }
    if (report.vmpl != 0) {
        return fail(Errc::platform_unsupported,
                    fmt::format("the report is of VMPL {}: key brokers take 0", report.vmpl));
    }
    ATTESTD_CHECK(check_echo(report.report_data, digest));
    json out = json::object();
    out["attestation_report"] = snp_report_json(report, evidence.quote);
    out["cert_chain"] = certificates_json(evidence.endorsements);
    return out;
}

// --- Azure

// The vTPM signs the digest as it is, without padding (section 5.4).
Result<json> azure_evidence(const Evidence& evidence, ByteView digest) {
    const std::string_view text = as_text(evidence.quote);
    ATTESTD_TRY(const AzureEvidence parsed, parse_azure_evidence(text, "Azure evidence"));
    if (parsed.user_data != UserDataRule::nonce || !parsed.vtpm_quote) {
        return fail(Errc::unsupported_version,
                    "Azure evidence: key brokers take version 2, with a quote of the vTPM");
    }
    ATTESTD_TRY(const TpmQuote quote, parse_tpm_quote(parsed.vtpm_quote->message));
    if (!equal(quote.extra_data, digest)) {
        return fail(Errc::platform_wrong_echo,
                    "the vTPM's quote carries other data than the handshake's digest");
    }
    return json::parse(write_azure_evidence(parsed));
}

}  // namespace

std::string_view tee_name_of(TeeKind kind, TeeSpelling spelling) noexcept {
    if (!kind.is_azure) return tee_name(kind.tee);
    const bool is_tdx = kind.tee == Tee::tdx;
    if (spelling == TeeSpelling::legacy) return is_tdx ? "aztdxvtpm" : "azsnpvtpm";
    return is_tdx ? "az-tdx-vtpm" : "az-snp-vtpm";
}

TeeKind kind_of(const Evidence& evidence) {
    return {evidence.tee, looks_like_azure_evidence(as_text(evidence.quote))};
}

Result<json> primary_evidence(const Evidence& evidence, ByteView digest) {
    if (kind_of(evidence).is_azure) return azure_evidence(evidence, digest);
    return evidence.tee == Tee::tdx ? tdx_evidence(evidence, digest)
                                    : snp_evidence(evidence, digest);
}

}  // namespace attestd::kbs
