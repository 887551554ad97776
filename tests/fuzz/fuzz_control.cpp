// The negative control: a parser that believes the length it is told. If nothing ends this target,
// nothing would end the others either.
#include "tests/fuzz/target.h"

namespace attestd::fuzz::control {
namespace {

// One byte of length, then as many bytes of text; the length is not held against what is there.
Bytes parse_wrongly(ByteView input) {
    if (input.empty()) return {};
    const std::uint8_t* const text = input.data() + 1;
    return {text, text + input[0]};
}

void run(ByteView input) {
    reached();
    const Bytes text = parse_wrongly(input);
    holds(text.size() < input.size() || input.empty(), "the text is no longer than the input");
}

Seeds seeds() {
    return {seed("short",
                 "\x03"
                 "abc"),
            seed("longer",
                 "\x10"
                 "0123456789abcdef")};
}

const bool kAdded =
    add({.name = "control", .run = run, .seeds = seeds, .words = {}, .must_crash = true});

}  // namespace
}  // namespace attestd::fuzz::control
