// The "snp" member of an appraisal policy (`spec/snp.md` section 11).

#include "quote/amd/product.h"
#include "verifier/internal/policy_members.h"

namespace attestd::policy {
namespace {

Result<TcbMinimum> parse_minimum(const JsonValue& value, PolicyStrictness strictness) {
    ATTESTD_TRY(JsonObject object, value.object());
    Members in(std::move(object), strictness);
    TcbMinimum out;
    ATTESTD_CHECK(in.number("fmc", out.fmc, 255));
    ATTESTD_CHECK(in.number("bootloader", out.bootloader, 255));
    ATTESTD_CHECK(in.number("tee", out.tee, 255));
    ATTESTD_CHECK(in.number("snp", out.snp, 255));
    ATTESTD_CHECK(in.number("microcode", out.microcode, 255));
    ATTESTD_CHECK(in.finish());
    return out;
}

// One minimum for all four TCBs; `launch` apart lowers it for guests launched before an update.
Result<SnpMinimumTcb> parse_product_minimum(const JsonValue& value, PolicyStrictness strictness) {
    ATTESTD_TRY(JsonObject object, value.object());
    const auto launch = object.optional("launch");
    const auto all = object.required("all");
    if (!all) return tl::make_unexpected(all.error());
    ATTESTD_CHECK(object.finish());
    ATTESTD_TRY(const TcbMinimum minimum, parse_minimum(*all, strictness));
    SnpMinimumTcb out{minimum, minimum, minimum, minimum};
    if (launch) {
        ATTESTD_TRY(out.launch, parse_minimum(*launch, strictness));
    }
    return out;
}

Result<void> parse_min_tcb(Members& in, PolicyStrictness strictness, SnpPolicy& out) {
    const auto value = in.object().optional("min_tcb");
    if (!value) return in.demand("min_tcb");
    if (value->is_text()) {
        ATTESTD_CHECK(Members::expect_any(*value));
        out.any_min_tcb = true;
        return {};
    }
    ATTESTD_TRY(JsonObject products, value->object());
    out.min_tcb.emplace();
    for (const auto& [name, entry] : products.rest()) {
        ATTESTD_CHECK(product_text(entry, name));
        ATTESTD_TRY(const SnpMinimumTcb minimum, parse_product_minimum(entry, strictness));
        out.min_tcb->emplace(name, minimum);
    }
    return {};
}

Result<void> parse_csp_ids(Members& in, SnpPolicy& out) {
    const auto value = in.object().optional("csp_ids");
    if (!value) return out.allow_vlek ? in.demand("csp_ids") : Result<void>{};
    if (value->is_text()) {
        ATTESTD_CHECK(Members::expect_any(*value));
        out.any_csp_id = true;
        return {};
    }
    ATTESTD_TRY(out.csp_ids, Members::parse_texts(*value, any_text));
    return {};
}

Result<void> parse_snp_switches(Members& in, SnpPolicy& out) {
    const std::pair<std::string_view, bool*> flags[] = {
        {"allow_debug", &out.allow_debug},
        {"allow_migration_agent", &out.allow_migration_agent},
        {"allow_smt", &out.allow_smt},
        {"allow_masked_chip_id", &out.allow_masked_chip_id},
        {"allow_provisional", &out.allow_provisional},
        {"require_crl", &out.require_crl},
        {"require_id_block", &out.require_id_block},
        {"require_single_socket", &out.require_single_socket},
        {"require_cxl_off", &out.require_cxl_off},
        {"require_aes_256_xts", &out.require_aes_256_xts},
        {"require_rapl_dis", &out.require_rapl_dis},
        {"require_ciphertext_hiding", &out.require_ciphertext_hiding},
        {"require_page_swap_disable", &out.require_page_swap_disable},
        {"allow_vcek", &out.allow_vcek},
        {"allow_vlek", &out.allow_vlek},
    };
    for (const auto& [key, target] : flags) ATTESTD_CHECK(in.flag(key, *target));
    return {};
}

Result<void> parse_snp_numbers(Members& in, SnpPolicy& out) {
    ATTESTD_CHECK(in.number("min_abi_major", out.min_abi_major, 255));
    ATTESTD_CHECK(in.number("min_abi_minor", out.min_abi_minor, 255));
    ATTESTD_CHECK(in.number("min_guest_svn", out.min_guest_svn, UINT32_MAX));
    ATTESTD_CHECK(in.bits("platform_info_required", out.platform_info_required));
    ATTESTD_CHECK(in.bits("platform_info_forbidden", out.platform_info_forbidden));
    ATTESTD_CHECK(in.bits("mit_vector", out.mit_vector));
    if (const auto value = in.object().optional("min_version")) {
        ATTESTD_TRY(const auto parts, value->array(3));
        if (parts.size() != 3)
            return value->fail_here(Errc::bad_config, "expected is [major, minor, build]");
        for (std::size_t i = 0; i < 3; ++i) {
            ATTESTD_TRY(const std::int64_t number, parts[i].integer(0, 255));
            out.min_version.at(i) = static_cast<std::uint8_t>(number);
        }
    }
    if (const auto value = in.object().optional("vmpl")) {
        ATTESTD_TRY(const auto levels, value->array(4));
        out.vmpl.clear();
        for (const JsonValue& level : levels) {
            ATTESTD_TRY(const std::int64_t number, level.integer(0, 3));
            out.vmpl.push_back(static_cast<std::uint32_t>(number));
        }
    }
    return {};
}

}  // namespace

Result<void> product_text(const JsonValue& value, const std::string& text) {
    if (product_from_name(text)) return {};
    return value.fail_here(
        Errc::bad_config,
        fmt::format("\"{}\" is not a product; known are Milan, Genoa and Turin", text));
}

Result<SnpPolicy> parse_snp(Members in, PolicyStrictness strictness) {
    SnpPolicy out;
    // A file speaks for itself: the level that firmware and kernel run at, unless it says
    // otherwise.
    out.vmpl = {0};
    ATTESTD_CHECK(parse_snp_switches(in, out));
    ATTESTD_CHECK(parse_snp_numbers(in, out));
    ATTESTD_CHECK(parse_min_tcb(in, strictness, out));
    ATTESTD_CHECK(parse_csp_ids(in, out));
    ATTESTD_CHECK(in.texts("products", out.products, product_text));
    if (const auto given = in.object().optional("products"); given && out.products.empty()) {
        return given->fail_here(
            Errc::bad_config,
            "an empty list of products accepts nothing: leave it out to allow each");
    }
    ATTESTD_CHECK(in.reference("measurement", out.measurement, true));
    ATTESTD_CHECK(in.reference("host_data", out.host_data, true));
    ATTESTD_CHECK(in.reference("id_key_digest", out.id_key_digest, true));
    ATTESTD_CHECK(in.reference("author_key_digest", out.author_key_digest, true));
    ATTESTD_CHECK(in.reference("family_id", out.family_id, false));
    ATTESTD_CHECK(in.reference("image_id", out.image_id, false));
    ATTESTD_CHECK(in.reference("chip_id", out.chip_id, false));
    ATTESTD_CHECK(in.values("denied_chip_ids", out.denied_chip_ids));
    ATTESTD_CHECK(parse_azure(in, strictness, out.azure));
    ATTESTD_CHECK(in.finish());
    return out;
}

}  // namespace attestd::policy
