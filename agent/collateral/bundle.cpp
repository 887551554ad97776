#include "agent/collateral/bundle.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "verifier/signed_json.h"

namespace attestd {
namespace {

constexpr std::string_view kFormatKey = "attestd_bundle";
constexpr std::int64_t kBundleFormat = 1;
constexpr std::size_t kMaxItems = 4096;
constexpr JsonLimits kBundleLimits{.max_len = std::size_t{16} << 20, .max_depth = 4};

Result<Bytes> base64_of(const JsonValue& value) {
    ATTESTD_TRY(const std::string text, value.text());
    return from_base64(text, value.where());
}

Result<Bytes> base64_or_none(JsonObject& object, std::string_view key) {
    const auto value = object.optional(key);
    return value ? base64_of(*value) : Result<Bytes>(Bytes());
}

Result<Bundle> read_bundle(std::string_view text, const std::string& name) {
    Bundle out;
    ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(text, name, kBundleLimits));
    ATTESTD_TRY(JsonObject root, document.root().object());
    ATTESTD_TRY(const JsonValue format, root.required(kFormatKey));
    ATTESTD_CHECK(format.integer(kBundleFormat, kBundleFormat));
    ATTESTD_TRY(out.evidence, base64_or_none(root, "evidence"));
    ATTESTD_TRY(out.event_log, base64_or_none(root, "event_log"));
    ATTESTD_TRY(const JsonValue list, root.required("endorsements"));
    ATTESTD_CHECK(root.finish());
    ATTESTD_TRY(const auto elements, list.array(kMaxItems));
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(JsonObject members, element.object());
        ATTESTD_TRY(const JsonValue item_name, members.required("name"));
        ATTESTD_TRY(const JsonValue data, members.required("data"));
        ATTESTD_CHECK(members.finish());
        Bundle::Item item;
        ATTESTD_TRY(item.name, item_name.text());
        ATTESTD_TRY(item.data, base64_of(data));
        out.endorsements.push_back(std::move(item));
    }
    return out;
}

}  // namespace

bool looks_like_bundle(ByteView bytes) noexcept {
    return json_has_outer_key(as_text(bytes), kFormatKey);
}

Result<Bundle> parse_bundle(ByteView bytes, const std::string& name) {
    auto bundle = read_bundle(as_text(bytes), name);
    if (bundle) return bundle;
    return fail(Errc::bundle_malformed, to_string(bundle.error()));
}

std::string write_bundle(const Bundle& bundle) {
    nlohmann::ordered_json root{{kFormatKey, kBundleFormat}};
    if (!bundle.evidence.empty()) root["evidence"] = to_base64(bundle.evidence);
    if (!bundle.event_log.empty()) root["event_log"] = to_base64(bundle.event_log);
    auto& list = root["endorsements"] = nlohmann::ordered_json::array();
    for (const Bundle::Item& item : bundle.endorsements)
        list.push_back({{"name", item.name}, {"data", to_base64(item.data)}});
    return root.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Result<void> add_endorsement_file(Endorsements& out, ByteView bytes, const std::string& name) {
    if (!looks_like_bundle(bytes)) return out.add(bytes, name);
    ATTESTD_TRY(const Bundle bundle, parse_bundle(bytes, name));
    for (const Bundle::Item& item : bundle.endorsements)
        ATTESTD_CHECK(out.add(item.data, fmt::format("{}: {}", name, item.name)));
    return {};
}

}  // namespace attestd
