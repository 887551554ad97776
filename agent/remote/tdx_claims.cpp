#include "agent/remote/tdx_claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/log.h"
#include "agent/remote/token.h"

namespace attestd::remote {
namespace {

constexpr std::size_t kMaxShownStatus = 64;

constexpr auto kTdPairs = std::to_array<ClaimPair>({
    {"tdx_mrtd", "mrtd", Need::must_be_there},
    {"tdx_rtmr0", "rtmr0", Need::must_be_there},
    {"tdx_rtmr1", "rtmr1", Need::must_be_there},
    {"tdx_rtmr2", "rtmr2", Need::must_be_there},
    {"tdx_rtmr3", "rtmr3", Need::must_be_there},
    {"tdx_mrconfigid", "mrconfigid", Need::may_be_absent},
    {"tdx_mrowner", "mrowner", Need::may_be_absent},
    {"tdx_mrownerconfig", "mrownerconfig", Need::may_be_absent},
    {"tdx_mrseam", "mrseam", Need::may_be_absent},
    {"tdx_mrsignerseam", "mrsignerseam", Need::may_be_absent},
    {"tdx_tee_tcb_svn", "tee_tcb_svn", Need::may_be_absent},
    {"tdx_td_attributes", "td_attributes", Need::may_be_absent},
    {"tdx_seam_attributes", "seam_attributes", Need::may_be_absent},
    {"tdx_xfam", "xfam", Need::may_be_absent},
});

constexpr auto kMiddleTier = std::to_array<std::string_view>({
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
});

void appraise_tcb(JsonObject& claims, bool accept_warning, Findings& out) {
    const auto status = text_claim(claims, "attester_tcb_status");
    if (!status) {
        out.push_back({"tcb.status", Severity::error, status.error().detail});
        return;
    }
    if (*status == "UpToDate") return;
    const bool is_middle =
        std::find(kMiddleTier.begin(), kMiddleTier.end(), *status) != kMiddleTier.end();
    out.push_back({"tcb.status", is_middle && accept_warning ? Severity::warning : Severity::error,
                   fmt::format("attester_tcb_status is \"{}\"{}", escaped(*status, kMaxShownStatus),
                               is_middle ? " (\"accept_warning\" decides about it)" : "")});
}

}  // namespace

Result<void> check_td_claims(JsonObject& claims, const Claims& evidence) {
    return check_claims(claims, kTdPairs, evidence);
}

void appraise_debug_flag(JsonObject& claims, std::string_view name, Findings& out) {
    const auto value = claims.optional(name);
    const auto flag = value ? value->boolean() : Result<bool>(fail(Errc::missing_key, ""));
    if (flag && !*flag) return;
    out.push_back(
        {"policy.debug", Severity::error,
         flag ? fmt::format("{} is true", name) : fmt::format("the token does not say {}", name)});
}

// Whichever of the three says something must say no, and one must.
void appraise_td_claims(JsonObject& claims, bool accept_warning, Findings& out) {
    appraise_tcb(claims, accept_warning, out);
    bool is_said = false;
    for (const std::string_view name : {"tdx_is_debuggable", "tdx_td_attributes_debug"}) {
        if (!claims.optional(name)) continue;
        is_said = true;
        appraise_debug_flag(claims, name, out);
    }
    if (const auto state = claims.optional("dbgstat")) {
        is_said = true;
        const std::string text = state->is_text() ? state->text().value_or("") : std::string();
        if (!text.starts_with("disabled")) {
            out.push_back({"policy.debug", Severity::error,
                           fmt::format("dbgstat is \"{}\"", escaped(text, kMaxShownStatus))});
        }
    }
    if (!is_said)
        out.push_back({"policy.debug", Severity::error, "the token does not say the debug state"});
}

}  // namespace attestd::remote
