#include "agent/cli/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "agent/cli/output.h"
#include "quote/base/encoding.h"
#include "quote/base/reader.h"

namespace attestd::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Flag {
    unsigned bit;
    std::string_view name;
};

constexpr auto kTdAttributes = std::to_array<Flag>({{0, "DEBUG"},
                                                    {4, "HGS_PLUS_PROF"},
                                                    {5, "PERF_PROF"},
                                                    {6, "PMT_PROF"},
                                                    {16, "ICSSD"},
                                                    {17, "SERVTD_EXT"},
                                                    {27, "LASS"},
                                                    {28, "SEPT_VE_DISABLE"},
                                                    {29, "MIGRATABLE"},
                                                    {30, "PKS"},
                                                    {31, "KL"},
                                                    {62, "TPA"},
                                                    {63, "PERFMON"}});
constexpr auto kSnpPolicy = std::to_array<Flag>({{16, "SMT"},
                                                 {18, "MIGRATE_MA"},
                                                 {19, "DEBUG"},
                                                 {20, "SINGLE_SOCKET"},
                                                 {21, "CXL_ALLOW"},
                                                 {22, "MEM_AES_256_XTS"},
                                                 {23, "RAPL_DIS"},
                                                 {24, "CIPHERTEXT_HIDING_DRAM"},
                                                 {25, "PAGE_SWAP_DISABLE"}});
constexpr auto kPlatformInfo = std::to_array<Flag>({{0, "SMT_EN"},
                                                    {1, "TSME_EN"},
                                                    {2, "ECC_EN"},
                                                    {3, "RAPL_DIS"},
                                                    {4, "CIPHERTEXT_HIDING_DRAM_EN"},
                                                    {5, "ALIAS_CHECK_COMPLETE"},
                                                    {7, "TIO_EN"}});

template <std::size_t N>
std::string names(std::uint64_t bits, const std::array<Flag, N>& flags) {
    std::string out;
    for (const Flag& flag : flags) {
        if ((bits >> flag.bit & 1) == 0) continue;
        out += fmt::format("{}{}", out.empty() ? "" : ", ", flag.name);
    }
    return out.empty() ? "none set" : out;
}

std::uint64_t number_of(std::string_view value) {
    std::uint64_t out = 0;
    const bool prefixed = value.starts_with("0x");
    if (!prefixed) {  // bytes in memory order
        const auto bytes = array_from_hex<8>(value, "");
        return bytes ? load_le<std::uint64_t>(*bytes) : 0;
    }
    for (const char c : value.substr(2)) {
        out = out << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return out;
}

class Renderer {
 public:
    explicit Renderer(Colour colour) : colour_(colour) {}

    void members(const Json& value, int depth) {
        for (const auto& [key, member] : value.items())
            node(value.is_array() ? fmt::format("[{}]", key) : key, member, depth);
    }

    std::string out;

 private:
    std::string paint(std::string_view code, std::string_view text) const {
        if (colour_ == Colour::off || text.empty()) return std::string(text);
        return fmt::format("\033[{}m{}\033[0m", code, text);
    }

    static bool is_flat(const Json& value) {
        return value.is_array() && std::all_of(value.begin(), value.end(),
                                               [](const Json& e) { return !e.is_structured(); });
    }

    static std::string scalar(const Json& value) {
        if (value.is_null()) return "-";
        if (!is_flat(value))
            return printable(value.is_string() ? value.get<std::string>() : value.dump());
        std::string joined;
        for (const Json& element : value) joined += (joined.empty() ? "" : " ") + scalar(element);
        return joined.empty() ? "none" : joined;
    }

    void node(const std::string& key, const Json& value, int depth) {
        const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
        const std::string_view meaning = meaning_of(key);
        const std::string note = meaning.empty() ? "" : paint("2", fmt::format("  {}", meaning));
        if (value.is_structured() && !is_flat(value)) {
            out += fmt::format("{}{}{}\n", indent, paint("1", printable(key)), note);
            members(value, depth + 1);
            return;
        }
        const std::string text = scalar(value);
        const bool wide = text.size() > 64;  // long values get a line of their own below
        out += fmt::format("{}{}{}", indent, paint("36", fmt::format("{:<18}", printable(key))),
                           wide ? "" : " " + text);
        const std::string flags = value.is_string() ? flags_of(key, text) : "";
        if (!flags.empty()) out += paint("33", fmt::format(" ({})", flags));
        out += note + "\n";
        if (wide) out += fmt::format("{}  {}\n", indent, text);
    }

    Colour colour_;
};

}  // namespace

std::string flags_of(std::string_view field, std::string_view value) {
    if (field == "td_attributes") return names(number_of(value), kTdAttributes);
    if (field == "policy") return names(number_of(value), kSnpPolicy);
    if (field == "platform_info") return names(number_of(value), kPlatformInfo);
    return "";
}

Colour output_colour() {
    return output_is_terminal() && std::getenv("NO_COLOR") == nullptr ? Colour::on : Colour::off;
}

std::string render_tree(const Json& value, Colour colour) {
    Renderer renderer(colour);
    renderer.members(value, 1);
    return std::move(renderer.out);
}

}  // namespace attestd::cli
