#include "agent/hashivault/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/log.h"
#include "quote/base/encoding.h"

namespace attestd::hashivault {
namespace {

constexpr std::size_t kMaxShown = 200;
constexpr std::size_t kMaxErrors = 64;
constexpr std::size_t kMaxRefusalLen = 65536;  // what is longer is no refusal of Vault's
constexpr std::size_t kMaxTokenLen = 4096;
constexpr std::size_t kMaxLeaseIdLen = 1024;
constexpr std::int64_t kMaxSeconds = std::int64_t{1} << 40;
constexpr std::chrono::seconds kLongestLease = std::chrono::hours(24 * 366);

constexpr std::array<std::string_view, 2> kKvPart{"data", "data"};
constexpr std::array<std::string_view, 1> kDataPart{"data"};
constexpr std::array<std::string_view, 2> kPlaintextPart{"data", "plaintext"};
constexpr std::array<std::string_view, 2> kTokenPart{"auth", "client_token"};

std::string_view step_name(Step step) noexcept {
    constexpr std::array<std::string_view, 5> kNames{"login", "renew", "read", "decrypt", "revoke"};
    return kNames.at(static_cast<std::size_t>(step));
}

tl::unexpected<Error> not_vaults(Step step, std::string_view why) {
    return fail(Errc::vault_protocol, fmt::format("{}: {}", step_name(step), why));
}

// Complaints about an answer's form are all one kind of error: this is no answer of Vault's.
template <class T>
Result<T> of_form(Result<T> result, Step step) {
    if (result || result.error().code == Errc::memory_locked) return result;
    return not_vaults(step, result.error().detail);
}

// {"errors": [TEXT, ...]}; with "data.metadata" where a version of a secret is gone.
struct Refusal {
    bool is_vaults = false;
    std::string words;
    bool has_metadata = false;
};

Refusal refusal_of(const Secret& body) {
    Refusal out;
    if (body.size() > kMaxRefusalLen) return out;
    const auto json = SecretJson::parse_public(body, kKvPart);
    auto in = json ? json->root().object() : Result<JsonObject>(fail(Errc::bad_json, ""));
    if (!in) return out;
    if (const auto data = in->optional("data"); data && data->is_object()) {
        const auto metadata = data->object()->optional("metadata");
        out.has_metadata = metadata && metadata->is_object();
    }
    const auto errors = in->optional("errors");
    const auto lines = errors ? errors->array(kMaxErrors)
                              : Result<std::vector<JsonValue>>(fail(Errc::missing_key, ""));
    out.is_vaults = lines.has_value() || out.has_metadata;
    if (!lines) return out;
    for (const JsonValue& line : *lines) {
        if (!out.words.empty()) out.words += "; ";
        out.words += line.text().value_or("?");
        if (out.words.size() > kMaxShown) break;
    }
    return out;
}

Errc code_of_status(unsigned status, Step step, bool has_metadata) {
    switch (status) {
        case 400:
        case 403:
            if (step == Step::login) return Errc::vault_unauthorized;
            return status == 403 ? Errc::vault_denied : Errc::vault_refused;
        case 404:
            if (has_metadata) return Errc::vault_deleted;
            return step == Step::read ? Errc::vault_missing : Errc::vault_refused;
        case 412:  // a standby has not caught up yet
            return Errc::vault_unavailable;
        case 429:
            return Errc::vault_throttled;
        case 472:  // a standby of another data centre, or one that only reads
        case 473:
        case 501:
        case 503:
            return Errc::vault_sealed;
        default:
            return status >= 500 ? Errc::vault_unavailable : Errc::vault_refused;
    }
}

std::chrono::seconds bounded(std::int64_t seconds) {
    return std::min(std::chrono::seconds(seconds), kLongestLease);
}

// The members that every success has.
struct Envelope {
    JsonObject members;
    std::optional<Lease> lease;
};

Result<std::int64_t> seconds_or_zero(JsonObject& in, std::string_view key, Step step) {
    const auto value = in.optional(key);
    if (!value || value->is_null()) return std::int64_t{0};
    return of_form(value->integer(0, kMaxSeconds), step);
}

Result<bool> flag_or_no(JsonObject& in, std::string_view key, Step step) {
    const auto value = in.optional(key);
    if (!value || value->is_null()) return false;
    return of_form(value->boolean(), step);
}

Result<std::optional<Lease>> lease_of(JsonObject& in, Step step) {
    Lease out;
    if (const auto id = in.optional("lease_id"); id && !id->is_null()) {
        ATTESTD_TRY(out.id, of_form(id->text(), step));
    }
    ATTESTD_TRY(const std::int64_t seconds, seconds_or_zero(in, "lease_duration", step));
    ATTESTD_TRY(out.renewable, flag_or_no(in, "renewable", step));
    if (out.id.size() > kMaxLeaseIdLen) return not_vaults(step, "the lease's id is too long");
    out.duration = bounded(seconds);
    if (out.id.empty()) return std::optional<Lease>();
    return std::optional<Lease>(std::move(out));
}

void log_warnings(JsonObject& in, Step step) {
    const auto warnings = in.optional("warnings");
    const auto lines = warnings && warnings->is_array() ? warnings->array(kMaxErrors)
                                                        : Result<std::vector<JsonValue>>({});
    if (!lines) return;
    for (const JsonValue& line : *lines) {
        log_event(LogLevel::debug, "vault.warning",
                  {{"step", std::string(step_name(step))},
                   {"text", escaped(line.text().value_or("?"), kMaxShown)}});
    }
}

Result<Envelope> envelope_of(const SecretJson& json, Step step) {
    ATTESTD_TRY(JsonObject in, of_form(json.document().root().object(), step));
    // A wrapped answer holds a token to fetch the answer with: whoever made it so can read it.
    if (const auto wrap = in.optional("wrap_info"); wrap && !wrap->is_null())
        return not_vaults(step, "the answer is wrapped, and that was not asked for");
    ATTESTD_TRY(auto lease, lease_of(in, step));
    log_warnings(in, step);
    return Envelope{std::move(in), std::move(lease)};
}

Result<SecretJson> parsed(Secret body, SecretJson::Path secret_part, Step step) {
    return of_form(SecretJson::parse(std::move(body), secret_part), step);
}

Result<JsonObject> object_in(JsonObject& in, std::string_view key, Step step) {
    ATTESTD_TRY(const JsonValue value, of_form(in.required(key), step));
    return of_form(value.object(), step);
}

bool is_token_text(ByteView text) {
    return !text.empty() && text.size() <= kMaxTokenLen &&
           std::all_of(text.begin(), text.end(),
                       [](std::uint8_t c) { return c > ' ' && c <= '~'; });
}

// The body is gone with the call, before what it held is decoded.
Result<Secret> plaintext_text(Secret body) {
    ATTESTD_TRY(const SecretJson json, parsed(std::move(body), kPlaintextPart, Step::decrypt));
    ATTESTD_TRY(Envelope envelope, envelope_of(json, Step::decrypt));
    ATTESTD_TRY(JsonObject data, object_in(envelope.members, "data", Step::decrypt));
    ATTESTD_TRY(const JsonValue value, of_form(data.required("plaintext"), Step::decrypt));
    return of_form(json.text_of(value), Step::decrypt);
}

}  // namespace

Remedy remedy_of(Errc code) noexcept {
    switch (code) {
        case Errc::vault_denied:
            return Remedy::login;
        case Errc::vault_sealed:
        case Errc::vault_throttled:
        case Errc::vault_unavailable:
        case Errc::fetch_unreachable:
        case Errc::fetch_timed_out:
        case Errc::fetch_truncated:
        case Errc::fetch_process:
            return Remedy::later;
        default:
            return Remedy::none;
    }
}

Error error_of(unsigned status, const Secret& body, Step step) {
    const std::string place = fmt::format("{}: status {}", step_name(step), status);
    if (status < 400) return {Errc::vault_protocol, place + ", which Vault does not answer with"};
    const Refusal refusal = refusal_of(body);
    const Errc code = code_of_status(status, step, refusal.has_metadata);
    const bool is_outage = status == 429 || status >= 500;
    if (!refusal.is_vaults && !is_outage)
        return {Errc::vault_protocol, place + ", and no error of Vault's"};
    if (refusal.words.empty()) return {code, place};
    return {code, fmt::format("{}: {}", place, escaped(refusal.words, kMaxShown))};
}

Result<void> check_answer(const SecretFetchResponse& answer, Step step) {
    if (answer.status != 200)
        return tl::make_unexpected(error_of(answer.status, answer.body, step));
    const std::string_view type = answer.header("content-type");
    const std::string_view plain = type.substr(0, type.find(';'));
    if (plain == "application/json") return {};
    return not_vaults(step, fmt::format("the answer is of type \"{}\", not application/json",
                                        escaped(plain, 64)));
}

Result<Auth> parse_auth(Secret body, Step step) {
    ATTESTD_TRY(const SecretJson json, parsed(std::move(body), kTokenPart, step));
    ATTESTD_TRY(Envelope envelope, envelope_of(json, step));
    ATTESTD_TRY(JsonObject auth, object_in(envelope.members, "auth", step));
    ATTESTD_TRY(const JsonValue token, of_form(auth.required("client_token"), step));
    Auth out;
    ATTESTD_TRY(out.token, of_form(json.text_of(token), step));
    if (!out.token.expose(is_token_text)) return not_vaults(step, "the token is no visible text");
    ATTESTD_TRY(const std::int64_t seconds, seconds_or_zero(auth, "lease_duration", step));
    out.duration = bounded(seconds);
    ATTESTD_TRY(out.renewable, flag_or_no(auth, "renewable", step));
    ATTESTD_TRY(const std::int64_t uses, seconds_or_zero(auth, "num_uses", step));
    out.num_uses = static_cast<std::uint32_t>(std::min<std::int64_t>(uses, UINT32_MAX));
    return out;
}

Result<ReadAnswer> parse_kv2(Secret body, std::optional<std::uint32_t> version) {
    ATTESTD_TRY(SecretJson json, parsed(std::move(body), kKvPart, Step::read));
    ATTESTD_TRY(Envelope envelope, envelope_of(json, Step::read));
    ATTESTD_TRY(JsonObject data, object_in(envelope.members, "data", Step::read));
    ATTESTD_TRY(JsonObject metadata, object_in(data, "metadata", Step::read));
    ATTESTD_TRY(const JsonValue number, of_form(metadata.required("version"), Step::read));
    ATTESTD_TRY(const std::int64_t given, of_form(number.integer(1, UINT32_MAX), Step::read));
    if (version && given != *version) {
        return not_vaults(Step::read,
                          fmt::format("version {} came, {} was asked for", given, *version));
    }
    ATTESTD_TRY(const bool destroyed, flag_or_no(metadata, "destroyed", Step::read));
    const auto deletion = metadata.optional("deletion_time");
    const bool deleted = deletion && !deletion->text().value_or("").empty();
    ATTESTD_TRY(const JsonValue object, of_form(data.required("data"), Step::read));
    if (destroyed || (deleted && object.is_null())) {
        return fail(Errc::vault_deleted, fmt::format("read: version {} is {}", given,
                                                     destroyed ? "destroyed" : "deleted"));
    }
    ATTESTD_CHECK(of_form(object.object(), Step::read));
    return ReadAnswer{std::move(json), std::nullopt, static_cast<std::uint32_t>(given)};
}

Result<ReadAnswer> parse_read(Secret body) {
    ATTESTD_TRY(SecretJson json, parsed(std::move(body), kDataPart, Step::read));
    ATTESTD_TRY(Envelope envelope, envelope_of(json, Step::read));
    ATTESTD_CHECK(object_in(envelope.members, "data", Step::read));
    return ReadAnswer{std::move(json), std::move(envelope.lease), std::nullopt};
}

Result<Secret> ReadAnswer::field(const std::string& name) const {
    if (name.empty()) return json.whole();
    ATTESTD_TRY(JsonObject all, json.document().root().object());
    ATTESTD_TRY(const JsonValue outer, all.required("data"));
    ATTESTD_TRY(JsonObject object, outer.object());
    if (version) {
        ATTESTD_TRY(const JsonValue inner, object.required("data"));
        ATTESTD_TRY(object, inner.object());
    }
    const auto value = object.optional(name);
    if (!value) return fail(Errc::vault_field, fmt::format("read: there is no field \"{}\"", name));
    if (!value->is_text())
        return fail(Errc::vault_field, fmt::format("read: the field \"{}\" is no text", name));
    return json.text_of(*value);
}

Result<Secret> parse_plaintext(Secret body) {
    ATTESTD_TRY(const Secret text, plaintext_text(std::move(body)));
    return of_form(decoded(text, "plaintext"), Step::decrypt);
}

Result<Lease> parse_lease(Secret body) {
    ATTESTD_TRY(const SecretJson json, parsed(std::move(body), kDataPart, Step::renew));
    ATTESTD_TRY(Envelope envelope, envelope_of(json, Step::renew));
    if (envelope.lease) return *std::move(envelope.lease);
    return not_vaults(Step::renew, "the answer names no lease");
}

Result<Secret> decoded(const Secret& base64, std::string_view what) {
    ATTESTD_TRY(Secret out, Secret::zeroed(base64.size() / 4 * 3));
    const auto len = base64.expose([&](ByteView text) {
        return out.fill(
            [&](std::span<std::uint8_t> into) { return base64_into(into, as_text(text), what); });
    });
    if (!len) return tl::make_unexpected(len.error());
    out.truncate(*len);
    return out;
}

}  // namespace attestd::hashivault
