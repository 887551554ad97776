#include "verifier/policy.h"

#include <fmt/format.h>

#include "quote/amd/product.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "verifier/intel/tcb_status.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxListLen = 4096;
constexpr JsonLimits kLimits{std::size_t{1} << 20, 16};

// Members of one policy object. A member that is absent leaves the target as it is; in a strict
// policy a reference value must be there.
class Members {
 public:
    Members(JsonObject object, PolicyStrictness strictness)
        : object_(std::move(object)), strictness_(strictness) {}

    Result<void> flag(std::string_view key, bool& out) {
        const auto value = object_.optional(key);
        if (!value) return {};
        ATTESTD_TRY(out, value->boolean());
        return {};
    }

    template <class T>
    Result<void> number(std::string_view key, T& out, std::int64_t max) {
        const auto value = object_.optional(key);
        if (!value) return {};
        ATTESTD_TRY(const std::int64_t number, value->integer(0, max));
        out = static_cast<T>(number);
        return {};
    }

    // 64-bit fields are numbers written "0x...": bare digits could be taken for bytes in memory
    // order.
    template <class Out>
    Result<void> bits(std::string_view key, Out& out) {
        const auto value = object_.optional(key);
        if (!value) return {};
        ATTESTD_TRY(out, parse_bits(*value));
        return {};
    }

    template <class Check>
    Result<void> texts(std::string_view key, std::vector<std::string>& out, Check check) {
        const auto value = object_.optional(key);
        if (!value) return {};
        ATTESTD_TRY(out, parse_texts(*value, check));
        return {};
    }

    // "any", or a list of hexadecimal values.
    template <std::size_t N>
    Result<void> reference(std::string_view key, ReferenceValues<N>& out, bool must_be_named) {
        const auto value = object_.optional(key);
        if (!value) return must_be_named ? demand(key) : Result<void>{};
        if (value->is_text()) {
            ATTESTD_CHECK(expect_any(*value));
            out.kind = ReferenceValues<N>::Kind::any;
            return {};
        }
        if (!value->is_array())
            return value->fail_here(Errc::bad_config,
                                    "expected is a list of hexadecimal values, or \"any\"");
        ATTESTD_TRY(out.values, (parse_values<N>(*value)));
        out.kind = ReferenceValues<N>::Kind::listed;
        return {};
    }

    template <std::size_t N>
    Result<void> values(std::string_view key, std::vector<ByteArray<N>>& out) {
        const auto value = object_.optional(key);
        if (!value) return {};
        ATTESTD_TRY(out, (parse_values<N>(*value)));
        return {};
    }

    // In a strict policy: says that `key` must be there.
    [[nodiscard]] Result<void> demand(std::string_view key) const {
        if (strictness_ == PolicyStrictness::lenient) return {};
        return object_.value().fail_here(
            Errc::bad_config,
            fmt::format(
                "\"{}\" is missing: give its reference values, or \"any\" to accept every value",
                key));
    }

    static Result<void> expect_any(const JsonValue& value) {
        ATTESTD_TRY(const std::string text, value.text());
        if (text == "any") return {};
        return value.fail_here(Errc::bad_config,
                               "expected is a list of values, or the word \"any\"");
    }

    [[nodiscard]] JsonObject& object() noexcept { return object_; }
    [[nodiscard]] Result<void> finish() const { return object_.finish(); }

    template <class Check>
    static Result<std::vector<std::string>> parse_texts(const JsonValue& value, Check check) {
        ATTESTD_TRY(const auto elements, value.array(kMaxListLen));
        std::vector<std::string> out;
        for (const JsonValue& element : elements) {
            ATTESTD_TRY(std::string text, element.text());
            ATTESTD_CHECK(check(element, text));
            out.push_back(std::move(text));
        }
        return out;
    }

 private:
    template <std::size_t N>
    static Result<std::vector<ByteArray<N>>> parse_values(const JsonValue& value) {
        ATTESTD_TRY(const auto elements, value.array(kMaxListLen));
        std::vector<ByteArray<N>> out;
        for (const JsonValue& element : elements) {
            ATTESTD_TRY(const std::string text, element.text());
            ATTESTD_TRY(const auto bytes, array_from_hex<N>(text, element.where()));
            out.push_back(bytes);
        }
        return out;
    }

    static Result<std::uint64_t> parse_bits(const JsonValue& value) {
        ATTESTD_TRY(const std::string text, value.text());
        if (!text.starts_with("0x") || text.size() < 3 || text.size() > 18) {
            return value.fail_here(Errc::bad_config,
                                   "expected is a number as \"0x1f\", at most 64 bits");
        }
        const std::string digits = std::string(18 - text.size(), '0') + text.substr(2);
        ATTESTD_TRY(const auto bytes, array_from_hex<8>(digits, value.where()));
        std::uint64_t out = 0;
        for (const std::uint8_t b : bytes) out = out << 8 | b;
        return out;
    }

    JsonObject object_;
    PolicyStrictness strictness_;
};

const auto kAnyText = [](const JsonValue& value, const std::string& text) -> Result<void> {
    if (text.empty()) return value.fail_here(Errc::bad_config, "empty text");
    return {};
};

const auto kStatusText = [](const JsonValue& value, const std::string& text) -> Result<void> {
    if (allowable_status_from(text)) return {};
    if (text == "Revoked") return value.fail_here(Errc::bad_config, "Revoked can never be allowed");
    return value.fail_here(Errc::bad_config, fmt::format("\"{}\" is not a TCB status", text));
};

const auto kProductText = [](const JsonValue& value, const std::string& text) -> Result<void> {
    if (product_from_name(text)) return {};
    return value.fail_here(
        Errc::bad_config,
        fmt::format("\"{}\" is not a product; known are Milan, Genoa and Turin", text));
};

Result<void> parse_intel_tcb(Members& in, IntelTcbPolicy& out) {
    ATTESTD_CHECK(in.texts("allowed_tcb_statuses", out.allowed_tcb_statuses, kStatusText));
    ATTESTD_CHECK(in.texts("allowed_advisories", out.allowed_advisories, kAnyText));
    ATTESTD_CHECK(in.number("grace_days", out.grace_days, 3650));
    return in.number("min_tcb_evaluation_data_number", out.min_tcb_evaluation_data_number,
                     INT32_MAX);
}

Result<TdxPolicy> parse_tdx(Members in) {
    TdxPolicy out;
    ATTESTD_CHECK(parse_intel_tcb(in, out.tcb));
    ATTESTD_CHECK(in.flag("allow_debug", out.allow_debug));
    ATTESTD_CHECK(in.flag("allow_migratable", out.allow_migratable));
    ATTESTD_CHECK(in.flag("require_sept_ve_disable", out.require_sept_ve_disable));
    ATTESTD_CHECK(in.bits("xfam", out.xfam));
    ATTESTD_CHECK(in.bits("td_attributes", out.td_attributes));
    ATTESTD_CHECK(in.bits("td_attributes_mask", out.td_attributes_mask));
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
        ATTESTD_CHECK(kProductText(entry, name));
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
    ATTESTD_TRY(out.csp_ids, Members::parse_texts(*value, kAnyText));
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

Result<SnpPolicy> parse_snp(Members in, PolicyStrictness strictness) {
    SnpPolicy out;
    // A file speaks for itself: the level that firmware and kernel run at, unless it says
    // otherwise.
    out.vmpl = {0};
    ATTESTD_CHECK(parse_snp_switches(in, out));
    ATTESTD_CHECK(parse_snp_numbers(in, out));
    ATTESTD_CHECK(parse_min_tcb(in, strictness, out));
    ATTESTD_CHECK(parse_csp_ids(in, out));
    ATTESTD_CHECK(in.texts("products", out.products, kProductText));
    ATTESTD_CHECK(in.reference("measurement", out.measurement, true));
    ATTESTD_CHECK(in.reference("host_data", out.host_data, true));
    ATTESTD_CHECK(in.reference("id_key_digest", out.id_key_digest, true));
    ATTESTD_CHECK(in.reference("author_key_digest", out.author_key_digest, true));
    ATTESTD_CHECK(in.reference("family_id", out.family_id, false));
    ATTESTD_CHECK(in.reference("image_id", out.image_id, false));
    ATTESTD_CHECK(in.reference("chip_id", out.chip_id, false));
    ATTESTD_CHECK(in.values("denied_chip_ids", out.denied_chip_ids));
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
        ATTESTD_TRY(out.tdx, parse_tdx(*std::move(tdx)));
    }
    if (snp) {
        ATTESTD_TRY(out.snp, parse_snp(*std::move(snp), strictness));
    }
    if (sgx) {
        ATTESTD_TRY(out.sgx, parse_sgx(*std::move(sgx)));
    }
    const Sha256 digest = sha256(as_bytes(text));
    out.digest.assign(digest.begin(), digest.end());
    return out;
}

}  // namespace attestd
