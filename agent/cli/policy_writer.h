// One member of an appraisal policy file, written with a comment for each key.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/encoding.h"

namespace attestd::cli {

class PolicyWriter final {
 public:
    /// `comment` is one line; `value` is JSON.
    void member(std::string_view comment, std::string_view key, std::string_view value) {
        note(comment);
        entries_.push_back({std::move(pending_), fmt::format("\"{}\": {}", key, value)});
        pending_.clear();
    }
    void pin(std::string_view comment, std::string_view key, ByteView value) {
        member(comment, key, fmt::format("[\"{}\"]", to_hex(value)));
    }
    void bits(std::string_view comment, std::string_view key, std::uint64_t value) {
        member(comment, key, fmt::format("\"0x{:x}\"", value));
    }
    void flag(std::string_view comment, std::string_view key, bool value) {
        member(comment, key, value ? "true" : "false");
    }
    void texts(std::string_view comment, std::string_view key,
               const std::vector<std::string>& values) {
        member(comment, key, nlohmann::json(values).dump());
    }
    /// A line before the next member, or at the end.
    void note(std::string_view comment) { pending_.emplace_back(comment); }

    /// The members, indented, without the braces around them.
    [[nodiscard]] std::string text() const {
        std::string out;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            for (const std::string& line : entries_[i].comments) out += "    // " + line + '\n';
            out += "    " + entries_[i].member + (i + 1 < entries_.size() ? ",\n" : "\n");
        }
        for (const std::string& line : pending_) out += "    // " + line + '\n';
        return out;
    }

 private:
    struct Entry {
        std::vector<std::string> comments;
        std::string member;
    };
    std::vector<Entry> entries_;
    std::vector<std::string> pending_;
};

}  // namespace attestd::cli
