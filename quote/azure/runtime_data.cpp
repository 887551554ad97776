#include "quote/azure/runtime_data.h"

#include <fmt/format.h>

#include "quote/base/base64url.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr JsonLimits kRuntimeDataLimits{16384, 8};
constexpr std::size_t kMaxKeys = 16, kMaxKeyOps = 16, kMaxTextLen = 128;
constexpr std::size_t kMaxModulusLen = 512, kMaxExponentLen = 8;
constexpr std::string_view kAttestationKey = "HCLAkPub", kEndorsementKey = "HCLEkPub";

Result<std::string> short_text(const JsonValue& value) {
    ATTESTD_TRY(std::string text, value.text());
    if (text.size() > kMaxTextLen)
        return value.fail_here(Errc::too_large, fmt::format("over {} bytes of text", kMaxTextLen));
    return text;
}

// A number as RFC 7518 writes it: big-endian in as few bytes as it needs.
Result<Bytes> parse_number(JsonObject& key, std::string_view name, std::size_t max_len) {
    ATTESTD_TRY(const JsonValue value, key.required(name));
    ATTESTD_TRY(const std::string text, value.text());
    ATTESTD_TRY(Bytes number, from_base64url(text, value.where()));
    if (number.empty() || number.front() == 0 || number.size() > max_len) {
        return value.fail_here(Errc::bad_value,
                               fmt::format("a number of 1 to {} bytes without a leading zero is "
                                           "expected",
                                           max_len));
    }
    return number;
}

Result<HclKey> parse_key(std::string kid, JsonObject& in) {
    HclKey out;
    out.kid = std::move(kid);
    ATTESTD_TRY(const JsonValue type, in.required("kty"));
    ATTESTD_TRY(const std::string type_name, type.text());
    if (type_name != "RSA") return type.fail_here(Errc::unsupported_type, "must be RSA");
    ATTESTD_TRY(out.modulus, parse_number(in, "n", kMaxModulusLen));
    ATTESTD_TRY(out.exponent, parse_number(in, "e", kMaxExponentLen));
    const auto ops = in.optional("key_ops");
    if (!ops) return out;
    ATTESTD_TRY(const auto list, ops->array(kMaxKeyOps));
    for (const JsonValue& op : list) {
        ATTESTD_TRY(std::string text, short_text(op));
        out.key_ops.push_back(std::move(text));
    }
    return out;
}

// Keys by their names; one that is not known here is passed over, one that comes twice is refused.
Result<void> parse_keys(JsonObject& root, RuntimeData& out) {
    ATTESTD_TRY(const JsonValue keys, root.required("keys"));
    ATTESTD_TRY(const auto list, keys.array(kMaxKeys));
    std::optional<HclKey> attestation_key;
    for (const JsonValue& element : list) {
        ATTESTD_TRY(JsonObject key, element.object());
        ATTESTD_TRY(const JsonValue kid, key.required("kid"));
        ATTESTD_TRY(std::string name, short_text(kid));
        if (name != kAttestationKey && name != kEndorsementKey) continue;
        auto& target = name == kAttestationKey ? attestation_key : out.endorsement_key;
        if (target)
            return kid.fail_here(Errc::duplicate_key, fmt::format("a second key \"{}\"", name));
        ATTESTD_TRY(target, parse_key(std::move(name), key));
    }
    if (!attestation_key) return keys.fail_here(Errc::missing_key, "no key is named HCLAkPub");
    out.attestation_key = *std::move(attestation_key);
    return {};
}

Result<bool> required_flag(JsonObject& in, std::string_view name) {
    ATTESTD_TRY(const JsonValue value, in.required(name));
    return value.boolean();
}

Result<VmConfiguration> parse_vm(JsonObject& root) {
    ATTESTD_TRY(const JsonValue value, root.required("vm-configuration"));
    ATTESTD_TRY(JsonObject in, value.object());
    VmConfiguration out;
    ATTESTD_TRY(out.console_enabled, required_flag(in, "console-enabled"));
    ATTESTD_TRY(out.secure_boot, required_flag(in, "secure-boot"));
    ATTESTD_TRY(out.tpm_enabled, required_flag(in, "tpm-enabled"));
    ATTESTD_TRY(const JsonValue id, in.required("vmUniqueId"));
    ATTESTD_TRY(out.vm_unique_id, short_text(id));
    if (const auto thumbprint = in.optional("root-cert-thumbprint")) {
        ATTESTD_TRY(out.root_cert_thumbprint, short_text(*thumbprint));
    }
    if (const auto persisted = in.optional("tpm-persisted")) {
        ATTESTD_TRY(out.tpm_persisted, persisted->boolean());
    }
    if (const auto time = in.optional("current-time")) {
        ATTESTD_TRY(out.current_time, time->integer(0, INT64_MAX));
    }
    return out;
}

}  // namespace

Sha256 HclKey::thumbprint() const {
    const std::string members = fmt::format(R"({{"e":"{}","kty":"RSA","n":"{}"}})",
                                            to_base64url(exponent), to_base64url(modulus));
    return sha256(as_bytes(members));
}

Result<RuntimeData> parse_runtime_data(ByteView json) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(json), "runtime data", kRuntimeDataLimits));
    ATTESTD_TRY(JsonObject root, document.root().object());
    RuntimeData out;
    ATTESTD_CHECK(parse_keys(root, out));
    ATTESTD_TRY(out.vm, parse_vm(root));
    if (const auto user_data = root.optional("user-data")) {
        ATTESTD_TRY(const std::string hex, user_data->text());
        ATTESTD_TRY(out.user_data, array_from_hex<64>(hex, user_data->where()));
    }
    return out;
}

}  // namespace attestd
