// The audit chain as it lies on a disk that its writer does not own.
#include "agent/audit/chain.h"
#include "tests/fuzz/target.h"

namespace attestd::fuzz::audit {
namespace {

std::string chain(int num_records) {
    fmt::memory_buffer out;
    ChainState state;
    for (int i = 0; i < num_records; ++i) {
        AuditEvent event;
        event.decision = i % 2 == 0 ? Decision::allow : Decision::deny;
        event.method = "GET /v1/secrets";
        event.object = "db/password";
        event.reason = i % 2 == 0 ? "" : "release.denied";
        append_line(out, state, "boot", std::chrono::system_clock::time_point{}, event, "");
    }
    return fmt::to_string(out);
}
const std::string& genuine() {
    static const std::string made = chain(4);
    return made;
}

void run(ByteView input) {
    const std::string_view text = as_text(input);
    for (const TailKind kind : {TailKind::whole_file, TailKind::end_of_file}) {
        const auto end = find_end(text, kind);
        holds(!end || end->sound_len <= text.size(), "the sound part is a part");
        holds(!end || end->sound_len == 0 || text[end->sound_len - 1] == '\n',
              "records end their line");
    }
    const auto summary = verify_chain(text);
    if (!summary || summary->num_records == 0) return;
    reached();
    const auto end = find_end(text, TailKind::whole_file);
    holds(end && end->state.seq == summary->end.seq && end->state.prev == summary->end.prev,
          "both ways find the same end");
    // A chain with the same end and as many records as the genuine one is the genuine one.
    const auto original = must(verify_chain(genuine()));
    if (summary->end.prev == original.end.prev && summary->num_records == original.num_records)
        holds(text == genuine(), "nothing in a chain can be changed under its last digest");
}

Seeds seeds() {
    return {seed("four", genuine()), seed("one", chain(1)), seed("cut", genuine().substr(0, 500)),
            seed("later", genuine().substr(genuine().find('\n') + 1))};
}

const bool kAdded = add({.name = "audit-chain",
                         .run = run,
                         .seeds = seeds,
                         .words = {"\"seq\":", "\"prev\":", "\n", "\"decision\":\"allow\""},
                         .mutations = 3000});

}  // namespace
}  // namespace attestd::fuzz::audit
