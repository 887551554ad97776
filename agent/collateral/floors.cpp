#include "agent/collateral/floors.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr std::int64_t kFloorsFormat = 1;
constexpr JsonLimits kFloorsLimits{.max_len = std::size_t{1} << 20, .max_depth = 4};

Result<Time> time_of(const JsonValue& value) {
    ATTESTD_TRY(const std::string text, value.text());
    return parse_rfc3339(text, value.where());
}

}  // namespace

Result<Floors> Floors::parse(std::string_view text, const std::string& name) {
    const auto read = [&]() -> Result<Floors> {
        Floors out;
        ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(text, name, kFloorsLimits));
        ATTESTD_TRY(JsonObject root, document.root().object());
        ATTESTD_TRY(const JsonValue format, root.required("format"));
        ATTESTD_CHECK(format.integer(kFloorsFormat, kFloorsFormat));
        ATTESTD_TRY(const JsonValue newest, root.required("newest"));
        ATTESTD_TRY(out.newest_, time_of(newest));
        ATTESTD_TRY(const JsonValue list, root.required("seen"));
        ATTESTD_CHECK(root.finish());
        ATTESTD_TRY(JsonObject members, list.object());
        for (const auto& [key, value] : members.rest()) {
            ATTESTD_TRY(JsonObject entry, value.object());
            ATTESTD_TRY(const JsonValue from, entry.required("from"));
            const auto number = entry.optional("evaluation_data_number");
            ATTESTD_CHECK(entry.finish());
            Seen seen{};
            ATTESTD_TRY(seen.from, time_of(from));
            if (number) {
                ATTESTD_TRY(const std::int64_t n, number->integer(0, UINT32_MAX));
                seen.number = static_cast<std::uint32_t>(n);
            }
            out.seen_.emplace(key, seen);
        }
        return out;
    };
    auto floors = read();
    if (floors) return floors;
    return fail(Errc::collateral_damaged,
                fmt::format("{}: what was the newest is not known any more; remove the file to "
                            "start anew, older endorsements are then taken once",
                            floors.error().detail));
}

std::string Floors::write() const {
    nlohmann::ordered_json seen = nlohmann::ordered_json::object();
    for (const auto& [name, value] : seen_) {
        auto& entry = seen[name];
        entry["from"] = to_rfc3339(value.from);
        if (value.number) entry["evaluation_data_number"] = *value.number;
    }
    const nlohmann::ordered_json root{
        {"format", kFloorsFormat}, {"newest", to_rfc3339(newest_)}, {"seen", std::move(seen)}};
    return root.dump(1) + "\n";
}

Result<void> Floors::check(const std::string& name, const CheckedEndorsement& checked) const {
    const auto it = seen_.find(name);
    if (it == seen_.end() || checked.validity.from >= it->second.from) return {};
    const bool is_list = checked.key.find("-crl-") != std::string::npos;
    return fail(is_list ? Errc::crl_rollback : Errc::collateral_rollback,
                fmt::format("{}: dated {}, but one of {} was seen already", name,
                            to_rfc3339(checked.validity.from), to_rfc3339(it->second.from)));
}

Result<void> Floors::check_clock(Time now) const {
    if (now >= newest_) return {};
    return fail(Errc::clock_before_collateral,
                fmt::format("the clock says {}, but something signed on {} was seen already: set "
                            "the clock",
                            to_rfc3339(now), to_rfc3339(newest_)));
}

bool Floors::raise(const std::string& name, const CheckedEndorsement& checked) {
    if (!checked.dated) return false;
    const auto [it, is_new] =
        seen_.try_emplace(name, Seen{checked.validity.from, checked.evaluation_data_number});
    bool rose = is_new;
    if (checked.validity.from > it->second.from) {
        it->second.from = checked.validity.from;
        rose = true;
    }
    const auto& number = checked.evaluation_data_number;
    if (number && (!it->second.number || *number > *it->second.number)) {
        it->second.number = number;
        rose = true;
    }
    if (checked.validity.from > newest_) {
        newest_ = checked.validity.from;
        rose = true;
    }
    return rose;
}

std::optional<std::uint32_t> Floors::number(const std::string& name) const {
    const auto it = seen_.find(name);
    return it == seen_.end() ? std::nullopt : it->second.number;
}

}  // namespace attestd
