#include "agent/azure_vtpm/tpm_error.h"

#include <fmt/format.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tpm2_types.h>

namespace attestd::vtpm {
namespace {

constexpr TSS2_RC kFormatOne = 0x080;  // TPM 2.0 part 2, section 6.6.2
constexpr TSS2_RC kNumberOfOne = 0x03f;
constexpr TSS2_RC kLayerMask = 0xff0000;

// The code without the number of the handle, session or parameter that it is about.
TSS2_RC bare(TSS2_RC code) noexcept {
    if ((code & kLayerMask) != 0) return code;
    return (code & kFormatOne) != 0 ? code & (kFormatOne | kNumberOfOne) : code;
}

std::string_view mend(TSS2_RC code) noexcept {
    switch (bare(code)) {
        case TPM2_RC_HANDLE:
            return "this is no vTPM of an Azure confidential VM, or its paravisor has not set it "
                   "up";
        case TPM2_RC_BAD_AUTH:
        case TPM2_RC_AUTH_FAIL:
        case TPM2_RC_AUTH_MISSING:
            return "an authorisation value was set where a paravisor leaves none: tpm2_clear, or "
                   "tpm2_changeauth, sets it to nothing again";
        case TPM2_RC_LOCKOUT:
            return "the TPM is locked after failed authorisations: tpm2_dictionarylockout "
                   "--clear-lockout";
        case TPM2_RC_NV_SPACE:
            return "the TPM has no room for another NV index: tpm2_nvundefine removes one";
        case TPM2_RC_NV_LOCKED:
            return "the NV index is locked until the next boot";
        case TPM2_RC_NV_UNINITIALIZED:
            return "the NV index was never written";
        case TPM2_RC_OBJECT_MEMORY:
        case TPM2_RC_SESSION_MEMORY:
        case TPM2_RC_SESSION_HANDLES:
            return "other programs fill the TPM's memory: those that use /dev/tpm0 must use "
                   "/dev/tpmrm0";
        case TPM2_RC_RETRY:
        case TPM2_RC_YIELDED:
        case TPM2_RC_TESTING:
            return "it was busy each time it was asked";
        case TPM2_RC_INITIALIZE:
            return "the firmware has not started the TPM";
        case TPM2_RC_FAILURE:
            return "the TPM is in failure mode until the next boot";
        default:
            return {};
    }
}

}  // namespace

Error tpm_error(std::string_view step, TSS2_RC code) {
    std::string detail = fmt::format("{}: {} (0x{:x})", step, ::Tss2_RC_Decode(code), code);
    if (const auto words = mend(code); !words.empty()) detail += fmt::format("; {}", words);
    return {Errc::vtpm_failed, std::move(detail)};
}

bool is_absent(TSS2_RC code) noexcept { return bare(code) == TPM2_RC_HANDLE; }

bool is_changed_pcr(TSS2_RC code) noexcept {
    return bare(code) == TPM2_RC_PCR_CHANGED || bare(code) == TPM2_RC_POLICY_FAIL;
}

}  // namespace attestd::vtpm
