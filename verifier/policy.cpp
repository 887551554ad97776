#include "verifier/policy.h"

#include <fmt/format.h>

#include "quote/base/digest.h"
#include "quote/base/json.h"
#include "verifier/intel/tcb_status.h"
#include "verifier/internal/policy_members.h"

namespace attestd {
namespace policy {

Result<void> any_text(const JsonValue& value, const std::string& text) {
    if (text.empty()) return value.fail_here(Errc::bad_config, "empty text");
    return {};
}

Result<void> status_text(const JsonValue& value, const std::string& text) {
    if (allowable_status_from(text)) return {};
    if (text == "Revoked") {
        return value.fail_here(Errc::bad_config, "Revoked can never be allowed");
    }
    return value.fail_here(Errc::bad_config, fmt::format("\"{}\" is not a TCB status", text));
}

}  // namespace policy

namespace {

using namespace policy;

constexpr JsonLimits kLimits{std::size_t{1} << 20, 16};

Result<void> parse_intel_tcb(Members& in, IntelTcbPolicy& out) {
    ATTESTD_CHECK(in.texts("allowed_tcb_statuses", out.allowed_tcb_statuses, status_text));
    ATTESTD_CHECK(in.texts("allowed_advisories", out.allowed_advisories, any_text));
    ATTESTD_CHECK(in.number("grace_days", out.grace_days, 3650));
    return in.number("min_tcb_evaluation_data_number", out.min_tcb_evaluation_data_number,
                     INT32_MAX);
}

Result<TdxPolicy> parse_tdx(Members in, PolicyStrictness strictness) {
    TdxPolicy out;
    ATTESTD_CHECK(parse_intel_tcb(in, out.tcb));
    ATTESTD_CHECK(in.flag("allow_debug", out.allow_debug));
    ATTESTD_CHECK(in.flag("allow_migratable", out.allow_migratable));
    ATTESTD_CHECK(in.flag("require_sept_ve_disable", out.require_sept_ve_disable));
    ATTESTD_CHECK(in.bits("xfam", out.xfam));
    ATTESTD_CHECK(in.bits("td_attributes", out.td_attributes));
    ATTESTD_CHECK(in.bits("td_attributes_mask", out.td_attributes_mask));
    if (const auto mask = in.object().optional("td_attributes_mask"); mask && !out.td_attributes) {
        return mask->fail_here(Errc::bad_config,
                               "a mask without \"td_attributes\" would check nothing");
    }
    ATTESTD_CHECK(in.reference("mrtd", out.mrtd, true));
    for (std::size_t i = 0; i < out.rtmr.size(); ++i) {
        ATTESTD_CHECK(in.reference(fmt::format("rtmr{}", i), out.rtmr.at(i), true));
    }
    ATTESTD_CHECK(in.reference("mrseam", out.mrseam, true));
    ATTESTD_CHECK(in.reference("mrconfigid", out.mrconfigid, true));
    ATTESTD_CHECK(in.reference("mrowner", out.mrowner, true));
    ATTESTD_CHECK(in.reference("mrownerconfig", out.mrownerconfig, true));
    ATTESTD_CHECK(in.reference("mrservicetd", out.mrservicetd, false));  // zero unless named
    ATTESTD_CHECK(in.reference("ppid", out.ppid, false));
    ATTESTD_CHECK(in.reference("platform_instance_id", out.platform_instance_id, false));
    ATTESTD_CHECK(parse_azure(in, strictness, out.azure));
    ATTESTD_CHECK(in.finish());
    return out;
}

Result<SgxPolicy> parse_sgx(Members in) {
    SgxPolicy out;
    ATTESTD_CHECK(parse_intel_tcb(in, out.tcb));
    ATTESTD_CHECK(in.flag("allow_debug", out.allow_debug));
    ATTESTD_CHECK(in.reference("mrenclave", out.mrenclave, true));
    ATTESTD_CHECK(in.reference("mrsigner", out.mrsigner, true));
    if (const auto value = in.object().optional("isvprodid")) {
        ATTESTD_TRY(const std::int64_t number, value->integer(0, 0xffff));
        out.isvprodid = static_cast<std::uint16_t>(number);
    }
    ATTESTD_CHECK(in.number("min_isvsvn", out.min_isvsvn, 0xffff));
    ATTESTD_CHECK(in.finish());
    return out;
}

Result<std::optional<Members>> section(JsonObject& root, std::string_view key,
                                       PolicyStrictness strictness) {
    const auto value = root.optional(key);
    if (!value) return std::nullopt;
    ATTESTD_TRY(JsonObject object, value->object());
    return Members(std::move(object), strictness);
}

}  // namespace

Result<AppraisalPolicy> parse_appraisal_policy(std::string_view text, std::string name,
                                               PolicyStrictness strictness) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(text, std::move(name), kLimits, JsonComments::allowed));
    ATTESTD_TRY(JsonObject root, document.root().object());
    static_cast<void>(root.optional("$schema"));
    ATTESTD_TRY(auto tdx, section(root, "tdx", strictness));
    ATTESTD_TRY(auto snp, section(root, "snp", strictness));
    ATTESTD_TRY(auto sgx, section(root, "sgx", strictness));
    ATTESTD_TRY(auto event_log, section(root, "event_log", strictness));
    ATTESTD_CHECK(root.finish());
    if (!tdx && !snp && !sgx) {
        return document.root().fail_here(
            Errc::bad_config,
            "the policy accepts nothing: it needs a member \"tdx\", \"snp\" or \"sgx\"");
    }
    AppraisalPolicy out;
    out.names_tdx = tdx.has_value();
    out.names_snp = snp.has_value();
    out.names_sgx = sgx.has_value();
    if (tdx) {
        ATTESTD_TRY(out.tdx, parse_tdx(*std::move(tdx), strictness));
    }
    if (snp) {
        ATTESTD_TRY(out.snp, parse_snp(*std::move(snp), strictness));
    }
    if (sgx) {
        ATTESTD_TRY(out.sgx, parse_sgx(*std::move(sgx)));
    }
    if (event_log) {
        ATTESTD_TRY(out.event_log, parse_event_log_policy(*std::move(event_log)));
    }
    const Sha256 digest = sha256(as_bytes(text));
    out.digest.assign(digest.begin(), digest.end());
    return out;
}

}  // namespace attestd
