#include "agent/provision/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/platform/evidence_json.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr std::int64_t kRequestVersion = 1;
constexpr JsonLimits kRequestLimits{.max_len = kMaxProvisionLen, .max_depth = 6};
constexpr JsonLimits kBodyLimits{.max_len = 4096, .max_depth = 3};

Result<std::string> body_member(JsonObject& body, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, body.required(key));
    return value.text();
}

Result<ProvisionId> id_member(JsonObject& body, std::string_view key) {
    ATTESTD_TRY(const std::string text, body_member(body, key));
    ATTESTD_TRY(const ProvisionId id, array_from_hex<sizeof(ProvisionId)>(text, key));
    if (to_hex(id) == text) return id;
    return fail(Errc::bad_encoding, fmt::format("{}: lower-case digits are expected", key));
}

Result<Time> time_member(JsonObject& body, std::string_view key) {
    ATTESTD_TRY(const std::string text, body_member(body, key));
    return parse_rfc3339(text, key);
}

Result<ProvisionBody> parse_body(std::string_view text) {
    ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(text, "request", kBodyLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const Time expires, time_member(in, "expires"));
    ATTESTD_TRY(const ProvisionId id, id_member(in, "id"));
    ATTESTD_TRY(const ProvisionId instance, id_member(in, "instance"));
    ATTESTD_TRY(const Time issued, time_member(in, "issued"));
    ATTESTD_TRY(const JsonValue key_value, in.required("key"));
    ATTESTD_TRY(JosePublicKey key, JosePublicKey::from_jwk(key_value));
    ATTESTD_TRY(std::string machine, body_member(in, "machine"));
    ATTESTD_CHECK(check_machine_label(machine));
    ATTESTD_CHECK(in.finish());
    if (expires <= issued || expires - issued > kMaxProvisionLife) {
        return fail(Errc::bad_value, "the request has a life that none has: at most 24 hours");
    }
    return ProvisionBody{id, instance, std::move(machine), issued, expires, std::move(key)};
}

template <class F>
const Finding* error_where(const AttestationResult& result, F&& fits) {
    const auto& findings = result.findings();
    const auto it = std::find_if(findings.begin(), findings.end(), [&](const Finding& finding) {
        return finding.severity == Severity::error && fits(finding);
    });
    return it == findings.end() ? nullptr : &*it;
}

}  // namespace

Result<void> check_machine_label(std::string_view label) {
    const bool plain = std::all_of(label.begin(), label.end(), [](char c) {
        return c >= ' ' && c <= '~' && c != '"' && c != '\\';
    });
    if (plain && !label.empty() && label.size() <= kMaxMachineLabelLen) return {};
    return fail(Errc::bad_value, fmt::format("a machine's label has 1 to {} printable characters "
                                             "of ASCII",
                                             kMaxMachineLabelLen));
}

std::string write_provision_body(const ProvisionBody& body) {
    return fmt::format(
        R"({{"expires":"{}","id":"{}","instance":"{}","issued":"{}","key":{},"machine":"{}"}})",
        to_rfc3339(body.expires), to_hex(body.id), to_hex(body.instance), to_rfc3339(body.issued),
        body.key.jwk(), body.machine);
}

ReportData provision_report_data(std::string_view body_text) {
    constexpr std::string_view kLabel("attestd provisioning v1\0", 24);
    const auto len = static_cast<std::uint32_t>(body_text.size());
    const ByteArray<4> be{static_cast<std::uint8_t>(len >> 24),
                          static_cast<std::uint8_t>(len >> 16), static_cast<std::uint8_t>(len >> 8),
                          static_cast<std::uint8_t>(len)};
    return sha512({as_bytes(kLabel), be, as_bytes(body_text)});
}

std::string write_provision_request(std::string_view body_text, const Evidence& evidence) {
    nlohmann::ordered_json out;
    out["attestd_provision_request"] = kRequestVersion;
    out["request"] = body_text;
    out["evidence"] = nlohmann::ordered_json::parse(plug_in_json(evidence));
    return out.dump();
}

Result<ProvisionRequest> parse_provision_request(const JsonValue& document) {
    ATTESTD_TRY(JsonObject in, document.object());
    ATTESTD_TRY(const JsonValue version, in.required("attestd_provision_request"));
    ATTESTD_TRY(const std::int64_t number, version.integer(0, 1000));
    if (number != kRequestVersion) {
        return version.fail_here(Errc::unsupported_version,
                                 fmt::format("version {} is not known here", number));
    }
    ATTESTD_TRY(std::string body_text, body_member(in, "request"));
    ATTESTD_TRY(const JsonValue evidence_value, in.required("evidence"));
    ATTESTD_CHECK(in.finish());
    ATTESTD_TRY(ProvisionBody body, parse_body(body_text));
    ATTESTD_TRY(Evidence evidence, parse_plug_in_evidence(evidence_value));
    return ProvisionRequest{std::move(body), std::move(body_text), std::move(evidence)};
}

Result<ProvisionRequest> parse_provision_request(std::string_view text, std::string name) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(text, std::move(name), kRequestLimits));
    return parse_provision_request(document.root());
}

Result<void> check_provision_times(const ProvisionBody& body, Time now) {
    if (now > body.expires) {
        return fail(Errc::provision_expired,
                    fmt::format("the request ended at {}: make another one on the machine",
                                to_rfc3339(body.expires)));
    }
    if (now + kProvisionClockSkew >= body.issued) return {};
    return fail(Errc::provision_expired,
                fmt::format("the request was made at {}, which has not come yet: a clock is wrong",
                            to_rfc3339(body.issued)));
}

Expectations provision_expectations(const ProvisionRequest& request) {
    Expectations out;
    const ReportData data = provision_report_data(request.body_text);
    out.report_data = data;
    out.nonce = to_bytes(data);
    if (!request.evidence.service_manifest.empty())
        out.service_manifest = request.evidence.service_manifest;
    out.event_log = request.evidence.event_log;
    return out;
}

Result<void> check_provision_result(const ProvisionRequest& request,
                                    const AttestationResult& result) {
    const auto is_binding = [](const Finding& finding) {
        return finding.id.ends_with(".report-data.mismatch");
    };
    if (const Finding* const error = error_where(result, is_binding)) {
        return fail(Errc::provision_binding, fmt::format("{}: {}", error->id, error->detail));
    }
    if (result.tee() != request.evidence.tee) {
        return fail(Errc::provision_binding, "the evidence is of another TEE than is said");
    }
    if (result.verdict() == Verdict::accepted) return {};
    const Finding* const error = error_where(result, [](const Finding&) { return true; });
    return fail(Errc::provision_machine, error == nullptr
                                             ? "the verifier gave no reason"
                                             : fmt::format("{}: {}", error->id, error->detail));
}

}  // namespace attestd
