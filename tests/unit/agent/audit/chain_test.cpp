// The chain of records: whatever is changed, taken out or moved is found.
#include <algorithm>

#include "tests/unit/agent/audit/audit_samples.h"

namespace attestd::audit_test {

TEST_CASE("audit chain: whole as it was written", "[agent][audit]") {
    ChainState chain;
    const auto summary = verify_chain(lines(20, chain));
    REQUIRE_OK(summary);
    CHECK(summary->num_records == 20);
    CHECK(summary->first_seq == 0);
    CHECK(summary->end.seq == chain.seq);
    CHECK(summary->end.prev == chain.prev);
    CHECK(verify_chain("")->num_records == 0);
}

TEST_CASE("audit chain: a line changed, taken out, put in, doubled or moved is found",
          "[agent][audit]") {
    using Lines = std::vector<std::string>;
    struct Row {
        const char* what;
        void (*tamper)(Lines&);
    };
    const auto row = GENERATE(values<Row>({
        {"changed", [](Lines& l) { l[2].replace(l[2].find("allow"), 5, "event"); }},
        {"taken out", [](Lines& l) { l.erase(l.begin() + 2); }},
        {"doubled", [](Lines& l) { l.insert(l.begin() + 2, l[2]); }},
        {"moved", [](Lines& l) { std::swap(l[2], l[3]); }},
        {"the first one once more", [](Lines& l) { l.push_back(l[0]); }},
        {"no JSON", [](Lines& l) { l[2] = "x"; }},
    }));
    INFO(row.what);
    ChainState chain;
    auto tampered = split(lines(6, chain));
    row.tamper(tampered);
    std::string text;
    for (const auto& line : tampered) text += line + "\n";
    const auto summary = verify_chain(text);
    REQUIRE_FALSE(summary.has_value());
    CHECK_THAT(summary.error().detail, ContainsSubstring("line "));
}

TEST_CASE("audit chain: every changed byte of every line but the last is found", "[agent][audit]") {
    ChainState chain;
    const std::string text = lines(3, chain);
    const std::size_t last = text.rfind('\n', text.size() - 2) + 1;
    for (std::size_t i = 0; i < last; ++i) {
        std::string mutant = text;
        mutant[i] = static_cast<char>(mutant[i] ^ 1);
        INFO(i);
        REQUIRE_FALSE(verify_chain(mutant).has_value());
    }
}

TEST_CASE("audit chain: a file that goes on where another ended verifies by itself",
          "[agent][audit]") {
    ChainState chain;
    static_cast<void>(lines(3, chain));
    const auto summary = verify_chain(lines(2, chain));
    REQUIRE_OK(summary);
    CHECK(summary->first_seq == 3);
}

}  // namespace attestd::audit_test
