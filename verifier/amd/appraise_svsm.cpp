// Reports that an SVSM made for the guest above it (`spec/snp.md` section 8, SVSM).

#include <fmt/format.h>

#include "quote/amd/service_manifest.h"
#include "verifier/internal/appraisal.h"

namespace attestd {
namespace {

constexpr std::uint32_t kSvsmVmpl = 0;

// A list of services must be one; the manifest of a single service is that service's own bytes.
void appraise_manifest(ResultBuilder& out, ByteView manifest) {
    if (!looks_like_service_manifest(manifest)) {
        out.info("svsm.manifest", "the report binds the manifest of a single service");
        return;
    }
    const auto services = parse_service_manifest(manifest);
    if (!services) {
        out.error("svsm.manifest", to_string(services.error()));
        return;
    }
    std::string names;
    for (const SvsmService& service : *services) names += ' ' + service.guid;
    out.info("svsm.manifest", fmt::format("the report binds a manifest of {} services:{}",
                                          services->size(), names.empty() ? " none" : names));
}

}  // namespace

void appraise_snp_report_data(ResultBuilder& out, const SnpReport& report,
                              const Expectations& expected) {
    if (!expected.service_manifest) return appraise_report_data(out, report.report_data, expected);
    if (report.vmpl != kSvsmVmpl) {
        out.error("svsm.vmpl",
                  fmt::format("the report was made for VMPL {}, an SVSM's is made for VMPL 0",
                              report.vmpl));
    }
    if (!expected.report_data) {
        out.error("svsm.nonce", "a service manifest is bound together with a nonce: expect one");
        return;
    }
    // Never plain equality: whoever can ask the SVSM chooses the nonce, not the manifest.
    const auto bound = svsm_report_data(*expected.report_data, *expected.service_manifest);
    Expectations recomputed;
    recomputed.report_data = bound;
    const std::size_t errors = out.num_errors();
    appraise_report_data(out, report.report_data, recomputed);
    if (out.num_errors() == errors) appraise_manifest(out, *expected.service_manifest);
}

}  // namespace attestd
