#include "agent/delivery/secret_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/secret_name.h"

namespace attestd {
namespace {

constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";
constexpr std::string_view kWord = "secret";
constexpr std::string_view kBlank = " \t";

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(kBlank);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Takes "..." from the front of `rest`.
Result<std::string> take_quoted(std::string_view& rest) {
    const auto fail_here = [] {
        return fail(Errc::delivery_template,
                    R"({{ secret "NAME" }} or {{ "text" }} is expected in double braces)");
    };
    if (!rest.starts_with('"')) return fail_here();
    const auto end = rest.find_first_of("\"\n", 1);
    if (end == rest.npos || rest[end] == '\n') return fail_here();
    std::string out(rest.substr(1, end - 1));
    rest.remove_prefix(end + 1);
    return out;
}

struct Action {
    bool is_secret;
    std::string text;
};

// Takes one action, behind its "{{", from the front of `rest`.
Result<Action> take_action(std::string_view& rest) {
    const auto skip_blanks = [&] {
        rest.remove_prefix(std::min(rest.find_first_not_of(kBlank), rest.size()));
    };
    Action out{false, {}};
    skip_blanks();
    if (rest.starts_with(kWord)) {
        out.is_secret = true;
        rest.remove_prefix(kWord.size());
        skip_blanks();
    }
    ATTESTD_TRY(out.text, take_quoted(rest));
    skip_blanks();
    if (!rest.starts_with(kClose)) return fail(Errc::delivery_template, "}} is missing");
    rest.remove_prefix(kClose.size());
    if (!out.is_secret) return out;
    if (const auto good = SecretName::parse(trimmed(out.text));
        !good || trimmed(out.text) != out.text)
        return fail(Errc::delivery_template, fmt::format("\"{}\" is no secret's name", out.text));
    return out;
}

}  // namespace

Result<SecretTemplate> SecretTemplate::parse(std::string_view text) {
    if (text.size() > kMaxTemplateLen) return fail(Errc::too_large, "the template is too long");
    SecretTemplate out;
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto open = rest.find(kOpen);
        if (open != 0) out.parts_.push_back({false, std::string(rest.substr(0, open))});
        if (open == rest.npos) break;
        rest.remove_prefix(open + kOpen.size());
        const auto line =
            1 +
            std::count(text.begin(), text.end() - static_cast<std::ptrdiff_t>(rest.size()), '\n');
        auto action = take_action(rest);
        if (!action) {
            return fail(action.error().code,
                        fmt::format("line {}: {}", line, action.error().detail));
        }
        out.parts_.push_back({action->is_secret, std::move(action->text)});
    }
    return out;
}

std::vector<std::string> SecretTemplate::names() const {
    std::vector<std::string> out;
    for (const Part& part : parts_) {
        if (part.is_secret && std::find(out.begin(), out.end(), part.text) == out.end())
            out.push_back(part.text);
    }
    return out;
}

Result<Secret> SecretTemplate::render(
    const std::function<const Secret&(const std::string&)>& value_of) const {
    std::size_t len = 0;
    for (const Part& part : parts_)
        len += part.is_secret ? value_of(part.text).size() : part.text.size();
    ATTESTD_TRY(Secret out, Secret::zeroed(len));
    out.fill([&](std::span<std::uint8_t> into) {
        for (const Part& part : parts_) {
            const auto put = [&](ByteView bytes) {
                std::copy(bytes.begin(), bytes.end(), into.begin());
                into = into.subspan(bytes.size());
            };
            if (part.is_secret) {
                value_of(part.text).expose(put);
            } else {
                put(as_bytes(part.text));
            }
        }
    });
    return out;
}

}  // namespace attestd
