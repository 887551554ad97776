#include "agent/audit/chain.h"

#include <limits>

#include "quote/base/encoding.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxLineLen = 16384;

struct LineFacts {
    std::uint64_t seq;
    Sha256 prev;
};

Result<LineFacts> facts_of(std::string_view line) {
    constexpr JsonLimits kLimits{kMaxLineLen, /*max_depth=*/4};
    ATTESTD_TRY(const auto document, JsonDocument::parse(line, "record", kLimits));
    ATTESTD_TRY(JsonObject members, document.root().object());
    ATTESTD_TRY(const JsonValue seq, members.required("seq"));
    ATTESTD_TRY(const std::int64_t number,
                seq.integer(0, std::numeric_limits<std::int64_t>::max()));
    ATTESTD_TRY(const JsonValue prev, members.required("prev"));
    ATTESTD_TRY(const std::string hex, prev.text());
    ATTESTD_TRY(const Sha256 digest, array_from_hex<32>(hex, "prev"));
    return LineFacts{static_cast<std::uint64_t>(number), digest};
}

}  // namespace

Result<ChainState> state_after(std::string_view line) {
    ATTESTD_TRY(const LineFacts facts, facts_of(line));
    return ChainState{facts.seq + 1, sha256(as_bytes(line))};
}

Result<void> follow_line(std::string_view line, ChainState& chain) {
    ATTESTD_TRY(const LineFacts facts, facts_of(line));
    if (facts.seq != chain.seq) {
        return fail(Errc::audit_failed,
                    fmt::format("record {} stands where {} is expected", facts.seq, chain.seq));
    }
    if (facts.prev != chain.prev) {
        return fail(Errc::audit_failed,
                    fmt::format("record {} does not continue the one before it", facts.seq));
    }
    chain = ChainState{facts.seq + 1, sha256(as_bytes(line))};
    return {};
}

Result<ChainEnd> find_end(std::string_view tail, TailKind kind) {
    std::size_t end = tail.rfind('\n');
    while (end != std::string_view::npos) {
        const std::size_t before = end == 0 ? std::string_view::npos : tail.rfind('\n', end - 1);
        const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
        const bool whole = before != std::string_view::npos || kind == TailKind::whole_file;
        if (!whole) break;
        if (const auto state = state_after(tail.substr(begin, end - begin)))
            return ChainEnd{*state, end + 1};
        end = before;
    }
    if (kind == TailKind::whole_file) return ChainEnd{};
    return fail(Errc::audit_failed,
                "the end of the audit file holds no record; move the file away to "
                "begin a new chain");
}

Result<ChainSummary> verify_chain(std::string_view text, const Sha256* wanted) {
    ChainSummary out;
    for (std::uint64_t number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) {
            return fail(Errc::audit_failed, fmt::format("line {}: cut off", number));
        }
        const std::string_view line = text.substr(0, end);
        if (number == 1) {
            const auto facts = facts_of(line);
            if (!facts) return fail_in("line 1", facts.error());
            out.first_seq = facts->seq;
            out.first_prev = facts->prev;
            out.end = ChainState{facts->seq, facts->prev};
            if (facts->seq == 0 && facts->prev != Sha256{}) {
                return fail(Errc::audit_failed, "line 1: the first record must follow nothing");
            }
        }
        if (const auto good = follow_line(line, out.end); !good) {
            return fail_in(fmt::format("line {}", number), good.error());
        }
        ++out.num_records;
        if (wanted != nullptr && out.end.prev == *wanted) out.holds_wanted = true;
        text.remove_prefix(end + 1);
    }
    return out;
}

}  // namespace attestd
