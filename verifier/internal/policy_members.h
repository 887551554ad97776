// Members: reading one object of an appraisal policy. A member that is absent leaves its target as
// it is; in a strict policy a reference value must be there.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "quote/base/result.h"
#include "verifier/policy.h"

namespace attestd::policy {

inline constexpr std::size_t kMaxListLen = 4096;

class Members final {
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

    [[nodiscard]] static Result<void> expect_any(const JsonValue& value) {
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

/// Checks of one text of a list, for Members::texts().
[[nodiscard]] Result<void> any_text(const JsonValue& value, const std::string& text);
[[nodiscard]] Result<void> status_text(const JsonValue& value, const std::string& text);
[[nodiscard]] Result<void> product_text(const JsonValue& value, const std::string& text);

/// The "azure" member of `in`, the object around it.
[[nodiscard]] Result<void> parse_azure(Members& in, PolicyStrictness strictness, AzurePolicy& out);

/// The "event_log" member of a policy.
[[nodiscard]] Result<EventLogPolicy> parse_event_log_policy(Members in);

/// The "snp" member of a policy.
[[nodiscard]] Result<SnpPolicy> parse_snp(Members in, PolicyStrictness strictness);

}  // namespace attestd::policy
