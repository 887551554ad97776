// The "azure" member within "snp" and "tdx" of an appraisal policy.

#include "verifier/internal/policy_members.h"

namespace attestd::policy {
namespace {

Result<void> parse_flag(Members& in, std::string_view key, std::optional<bool>& out) {
    const auto value = in.object().optional(key);
    if (!value) return {};
    ATTESTD_TRY(out, value->boolean());
    return {};
}

// "any", or {"4": [...], "7": "any"}: registers that are not named are not judged.
Result<void> parse_pcrs(Members& in, PolicyStrictness strictness, AzurePolicy& out) {
    const auto value = in.object().optional("pcrs");
    if (!value) return in.demand("pcrs");
    if (value->is_text()) {
        ATTESTD_CHECK(Members::expect_any(*value));
        out.any_pcrs = true;
        return {};
    }
    ATTESTD_TRY(JsonObject object, value->object());
    Members pcrs(std::move(object), strictness);
    bool named = false;
    for (std::size_t i = 0; i < out.pcrs.size(); ++i) {
        ATTESTD_CHECK(pcrs.reference(fmt::format("{}", i), out.pcrs.at(i), false));
        named = named || out.pcrs.at(i).kind != ReferenceValues<32>::Kind::unpinned;
    }
    ATTESTD_CHECK(pcrs.finish());
    if (named) return {};
    return value->fail_here(Errc::bad_config, "no PCR is named: give reference values, or \"any\"");
}

}  // namespace

Result<void> parse_azure(Members& in, PolicyStrictness strictness, AzurePolicy& out) {
    const auto value = in.object().optional("azure");
    out.named = value.has_value();
    out.allowed = out.named || strictness == PolicyStrictness::lenient;
    if (!value) return {};
    ATTESTD_TRY(JsonObject object, value->object());
    Members members(std::move(object), strictness);
    ATTESTD_CHECK(parse_flag(members, "require_secure_boot", out.require_secure_boot));
    ATTESTD_CHECK(parse_flag(members, "allow_console", out.allow_console));
    ATTESTD_CHECK(members.flag("require_vtpm_quote", out.require_vtpm_quote));
    ATTESTD_CHECK(parse_pcrs(members, strictness, out));
    return members.finish();
}

}  // namespace attestd::policy
