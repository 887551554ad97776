// SEV-SNP reports: parsing, writing again, verification.
#include "quote/amd/snp_report.h"

#include <algorithm>

#include "tests/fuzz/appraisal.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::fuzz::snp_report {
namespace {

forge::FirmwareVersion version_of(const SnpVersion& v) { return {v.build, v.minor, v.major}; }

// The signed part again, from its fields alone.
Bytes written(const SnpReport& r) {
    forge::SnpFields out;
    out.version = r.version;
    out.guest_svn = r.guest_svn;
    out.policy = r.policy.bits;
    out.family_id = r.family_id;
    out.image_id = r.image_id;
    out.vmpl = r.vmpl;
    out.signature_algo = r.signature_algo;
    out.current_tcb = r.current_tcb;
    out.platform_info = r.platform_info;
    out.key_info = (r.author_key_en ? 1U : 0U) | (r.mask_chip_key ? 2U : 0U) |
                   static_cast<std::uint32_t>(r.signing_key) << 2;
    out.report_data = r.report_data;
    out.measurement = r.measurement;
    out.host_data = r.host_data;
    out.id_key_digest = r.id_key_digest;
    out.author_key_digest = r.author_key_digest;
    out.report_id = r.report_id;
    out.report_id_ma = r.report_id_ma;
    out.reported_tcb = r.reported_tcb;
    out.cpuid_family = r.cpuid_family;
    out.cpuid_model = r.cpuid_model;
    out.cpuid_stepping = r.cpuid_stepping;
    out.chip_id = r.chip_id;
    out.committed_tcb = r.committed_tcb;
    out.current_version = version_of(r.current_version);
    out.committed_version = version_of(r.committed_version);
    out.launch_tcb = r.launch_tcb;
    out.launch_mit_vector = r.launch_mit_vector;
    out.current_mit_vector = r.current_mit_vector;
    Bytes bytes = forge::report_bytes(out);
    bytes.resize(kSnpSignedLen);
    return bytes;
}

// R and S lie little-endian in 72 bytes each.
bool holds_signature(const ParsedSnpReport& parsed, ByteView signature) {
    return std::equal(parsed.r.rbegin(), parsed.r.rend(), signature.begin()) &&
           std::equal(parsed.s.rbegin(), parsed.s.rend(), signature.begin() + 72) &&
           parsed.signature_zero == all_zero(signature);
}

// All reports of one product have one chain; version 2 does not say which product made it.
struct Cases {
    ForgedCase milan3{"snp-milan-v3"}, milan2{"snp-milan-v2"}, milan5{"snp-milan-v5"},
        turin5{"snp-turin-v5"};
    std::vector<ForgedCase*> all{&milan3, &milan2, &milan5, &turin5};
};
Cases& cases() {
    static Cases made;
    return made;
}

bool is_genuine(const ParsedSnpReport& parsed) {
    return std::any_of(cases().all.begin(), cases().all.end(), [&](const ForgedCase* one) {
        return equal(parsed.signed_part, ByteView(one->evidence()).first(kSnpSignedLen));
    });
}

void run(ByteView input) {
    const auto parsed = parse_snp_report(input);
    if (parsed) {
        reached();
        holds(equal(written(parsed->report), parsed->signed_part), "the fields are written again");
        holds(holds_signature(*parsed, input.subspan(kSnpSignedLen)), "the signature is read");
    }
    const bool turin = parsed && parsed->report.product == Product::turin;
    const AttestationResult result = (turin ? cases().turin5 : cases().milan3).appraise(input);
    look_at(result);
    if (result.verdict() == Verdict::accepted)
        holds(parsed && is_genuine(*parsed), "what was not signed is not verified");
}

Seeds seeds() {
    Seeds out;
    for (const ForgedCase* one : cases().all)
        out.push_back({std::to_string(out.size()), one->evidence()});
    return out;
}

const bool kAdded = add({.name = "snp-report", .run = run, .seeds = seeds});

}  // namespace
}  // namespace attestd::fuzz::snp_report
