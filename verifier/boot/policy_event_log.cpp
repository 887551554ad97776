// The "event_log" member of an appraisal policy.

#include "verifier/internal/policy_members.h"

namespace attestd::policy {
namespace {

constexpr std::size_t kSha256Len = 32, kSha384Len = 48;

Result<std::string> event_text_of(const JsonValue& value) { return value.text(); }

Result<Bytes> event_digest_of(const JsonValue& value) {
    ATTESTD_TRY(const std::string text, value.text());
    ATTESTD_TRY(Bytes bytes, from_hex(text, value.where()));
    if (bytes.size() == kSha256Len || bytes.size() == kSha384Len) return bytes;
    return value.fail_here(Errc::bad_length, "expected is a digest of 64 or 96 hexadecimal digits");
}

// "any", or a list.
template <class T>
Result<void> parse_allowed(Members& in, std::string_view key, AllowedValues<T>& out,
                           bool must_be_named, Result<T> (*parse)(const JsonValue&)) {
    const auto value = in.object().optional(key);
    if (!value) return must_be_named ? in.demand(key) : Result<void>{};
    if (value->is_text()) {
        ATTESTD_CHECK(Members::expect_any(*value));
        out.kind = AllowedValues<T>::Kind::any;
        return {};
    }
    ATTESTD_TRY(const auto elements, value->array(kMaxListLen));
    out.kind = AllowedValues<T>::Kind::listed;
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(T one, parse(element));
        out.values.push_back(std::move(one));
    }
    return {};
}

Result<void> parse_secure_boot(Members& in, EventLogPolicy& out) {
    const auto value = in.object().optional("secure_boot");
    if (!value) return in.demand("secure_boot");
    if (value->is_text()) return Members::expect_any(*value);
    ATTESTD_TRY(out.secure_boot, value->boolean());
    return {};
}

}  // namespace

Result<EventLogPolicy> parse_event_log_policy(Members in) {
    EventLogPolicy out;
    out.named = true;
    ATTESTD_CHECK(in.flag("required", out.required));
    ATTESTD_CHECK(parse_secure_boot(in, out));
    ATTESTD_CHECK(in.reference("pk", out.pk, false));
    ATTESTD_CHECK(in.reference("kek", out.kek, false));
    ATTESTD_CHECK(in.reference("db", out.db, false));
    ATTESTD_CHECK(in.reference("dbx", out.dbx, false));
    ATTESTD_CHECK(parse_allowed(in, "images", out.images, true, event_digest_of));
    ATTESTD_CHECK(parse_allowed(in, "files", out.files, false, event_digest_of));
    ATTESTD_CHECK(parse_allowed(in, "initrd", out.initrd, false, event_digest_of));
    ATTESTD_CHECK(parse_allowed(in, "command_line", out.command_line, true, event_text_of));
    ATTESTD_CHECK(parse_allowed(in, "boot_commands", out.boot_commands, true, event_text_of));
    ATTESTD_CHECK(parse_allowed(in, "runtime_events", out.runtime_events, false, event_text_of));
    ATTESTD_CHECK(in.finish());
    return out;
}

}  // namespace attestd::policy
