// The messages between attestd and attestd-inspect.
#include "agent/inspect/message.h"
#include "tests/fuzz/target.h"

namespace attestd::fuzz::inspect_message {
namespace {

using namespace attestd::inspect;

void run(ByteView input) {
    if (const auto request = parse_request(input)) {
        reached();
        holds(equal(encode_request(*request), input), "a request is written again");
    }
    if (const auto answer = parse_answer(input)) {
        reached();
        holds(equal(encode_answer(*answer), input), "an answer is written again");
        holds(answer->facts.path.find('\0') == std::string::npos, "a path has no NUL");
    }
}

Seeds seeds() {
    const auto request = encode_request({{true, true, true, false}, 1000});
    Answer answer;
    answer.outcome = Outcome::done;
    answer.facts.start_time = 77;
    answer.facts.exe = {1, 2, 3, 4, 5};
    answer.facts.namespaces = {1, 2, 3, 4, 5};
    Seeds out{{"request", to_bytes(request)}, {"plain", encode_answer(answer)}};
    answer.facts.digest_state = DigestState::done;
    answer.facts.sha256 = Sha256{1};
    answer.facts.path = "/usr/bin/app";
    out.push_back({"full", encode_answer(answer)});
    out.push_back({"exited", encode_answer({Outcome::exited, {}})});
    return out;
}

const bool kAdded =
    add({.name = "inspect-message", .run = run, .seeds = seeds, .words = {"/"}, .mutations = 5000});

}  // namespace
}  // namespace attestd::fuzz::inspect_message
