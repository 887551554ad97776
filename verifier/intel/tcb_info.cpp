#include "verifier/intel/tcb_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "verifier/internal/intel_json.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxTcbLevels = 256;
constexpr std::size_t kMaxModules = 64;
constexpr std::size_t kNumComponents = 16;
constexpr JsonLimits kLimits{std::size_t{1} << 20, 32};

Result<ByteArray<16>> parse_components(JsonObject& tcb, std::string_view key) {
    ATTESTD_TRY(const JsonValue member, tcb.required(key));
    ATTESTD_TRY(const auto values, member.array(kNumComponents));
    if (values.size() != kNumComponents)
        return member.fail_here(Errc::bad_value, "must have exactly 16 components");
    ByteArray<16> out{};
    for (std::size_t i = 0; i < kNumComponents; ++i) {
        ATTESTD_TRY(JsonObject component, values[i].object());
        ATTESTD_TRY(const JsonValue svn, component.required("svn"));
        ATTESTD_TRY(const std::int64_t number, svn.integer(0, 255));
        out[i] = static_cast<std::uint8_t>(number);
    }
    return out;
}

Result<TcbLevel> parse_level(const JsonValue& value, bool tdx) {
    ATTESTD_TRY(JsonObject object, value.object());
    ATTESTD_TRY(const JsonValue tcb, object.required("tcb"));
    ATTESTD_TRY(JsonObject tcb_object, tcb.object());
    TcbLevel level{};
    ATTESTD_TRY(level.sgx_components, parse_components(tcb_object, "sgxtcbcomponents"));
    ATTESTD_TRY(level.pce_svn, u16_member(tcb_object, "pcesvn"));
    if (tdx) {
        ATTESTD_TRY(level.tdx_components, parse_components(tcb_object, "tdxtcbcomponents"));
    }
    ATTESTD_TRY(level.date, time_member(object, "tcbDate"));
    ATTESTD_TRY(const JsonValue status, object.required("tcbStatus"));
    ATTESTD_TRY(const std::string text, status.text());
    const auto known = platform_status_from(text);
    if (!known)
        return status.fail_here(Errc::bad_value, fmt::format("\"{}\" is not a TCB status", text));
    level.status = *known;
    ATTESTD_TRY(level.advisory_ids, advisory_member(object));
    return level;
}

auto level_key(const TcbLevel& level) {
    return std::tie(level.sgx_components, level.pce_svn, level.tdx_components);
}

Result<std::vector<TcbLevel>> parse_levels(JsonObject& object, bool tdx) {
    ATTESTD_TRY(const JsonValue member, object.required("tcbLevels"));
    ATTESTD_TRY(const auto values, member.array(kMaxTcbLevels));
    std::vector<TcbLevel> levels;
    levels.reserve(values.size());
    for (const JsonValue& value : values) {
        ATTESTD_TRY(auto level, parse_level(value, tdx));
        levels.push_back(std::move(level));
    }
    // The document's order means nothing (6.1).
    std::sort(levels.begin(), levels.end(),
              [](const auto& a, const auto& b) { return level_key(a) > level_key(b); });
    const auto doubled = std::adjacent_find(
        levels.begin(), levels.end(),
        [](const auto& a, const auto& b) { return level_key(a) == level_key(b); });
    if (doubled != levels.end())
        return member.fail_here(Errc::bad_value, "a TCB level stands there twice");
    return levels;
}

Result<TdxModule> parse_module(JsonObject& object) {
    TdxModule module{};
    ATTESTD_TRY(module.mr_signer, hex_member<48>(object, "mrsigner"));
    ATTESTD_TRY(module.attributes, hex_member<8>(object, "attributes"));
    ATTESTD_TRY(module.attributes_mask, hex_member<8>(object, "attributesMask"));
    return module;
}

std::string upper(std::string text) {
    for (char& c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
}

Result<void> parse_modules(JsonObject& object, TcbInfo& info) {
    ATTESTD_TRY(const JsonValue module, object.required("tdxModule"));
    ATTESTD_TRY(JsonObject module_object, module.object());
    ATTESTD_TRY(info.module, parse_module(module_object));
    const auto identities = object.optional("tdxModuleIdentities");
    if (!identities) return {};
    ATTESTD_TRY(const auto values, identities->array(kMaxModules));
    for (const JsonValue& value : values) {
        ATTESTD_TRY(JsonObject identity, value.object());
        TdxModuleIdentity out;
        ATTESTD_TRY(std::string id, text_member(identity, "id"));
        out.id = upper(std::move(id));
        ATTESTD_TRY(out.module, parse_module(identity));
        ATTESTD_TRY(out.levels, isv_levels_member(identity));
        const bool doubled =
            std::any_of(info.module_identities.begin(), info.module_identities.end(),
                        [&](const auto& other) { return other.id == out.id; });
        if (doubled)
            return value.fail_here(Errc::bad_value,
                                   fmt::format("a second identity for {}", out.id));
        info.module_identities.push_back(std::move(out));
    }
    return {};
}

Result<void> parse_head(JsonObject& object, TcbInfo& info) {
    ATTESTD_TRY(const JsonValue version, object.required("version"));
    ATTESTD_TRY(const std::int64_t number, version.integer(0, 255));
    if (number != 3)
        return version.fail_here(Errc::tcb_info_version,
                                 fmt::format("version {}, only 3 is known here", number));
    ATTESTD_TRY(const JsonValue id, object.required("id"));
    ATTESTD_TRY(const std::string text, id.text());
    if (text != "TDX" && text != "SGX")
        return id.fail_here(Errc::bad_value, "must be \"SGX\" or \"TDX\"");
    info.tdx = text == "TDX";
    ATTESTD_TRY(info.validity, validity_members(object));
    ATTESTD_TRY(info.fmspc, hex_member<6>(object, "fmspc"));
    ATTESTD_TRY(info.pce_id, hex_member<2>(object, "pceId"));
    ATTESTD_TRY(const JsonValue type, object.required("tcbType"));
    ATTESTD_CHECK(type.integer(0, 0));
    ATTESTD_TRY(const JsonValue evaluation, object.required("tcbEvaluationDataNumber"));
    ATTESTD_TRY(const std::int64_t evaluation_number, evaluation.integer(0, INT32_MAX));
    info.evaluation_data_number = static_cast<std::uint32_t>(evaluation_number);
    return {};
}

Result<TcbInfo> parse(std::string_view text) {
    ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(text, "TCB info", kLimits));
    ATTESTD_TRY(JsonObject object, document.root().object());
    TcbInfo info{};
    ATTESTD_CHECK(parse_head(object, info));
    if (info.tdx) {
        ATTESTD_CHECK(parse_modules(object, info));
    } else if (const auto foreign = object.optional("tdxModule");
               foreign || object.optional("tdxModuleIdentities")) {
        return fail(Errc::bad_value, "TCB info: an SGX document holds TDX modules");
    }
    ATTESTD_TRY(info.levels, parse_levels(object, info.tdx));
    return info;
}

}  // namespace

Result<TcbInfo> parse_tcb_info(std::string_view text) {
    auto info = parse(text);
    if (info || info.error().code == Errc::tcb_info_version) return info;
    return fail(Errc::tcb_info_malformed, info.error().detail);
}

}  // namespace attestd
