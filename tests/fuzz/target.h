// What a fuzz target is: a name, what one input goes through, and the inputs to begin with.
//
// Each fuzz_<what>.cpp adds one target. Two programs run them: attestd-fuzz under libFuzzer
// (scripts/fuzz), and attestd-fuzz-replay in the normal test suite. Targets assert properties:
// what is accepted is written again with the same bytes, two ways to read agree, nothing that the
// forged keys did not sign is ever verified.
//
// Both programs answer for the random generator, so that keys and seeds are the same in every run:
// seeds() is called once, before the first input, and makes everything that needs randomness.
#pragma once

#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd::fuzz {

struct Seed {
    std::string name;  ///< of the file that it is written to
    Bytes bytes;
};
using Seeds = std::vector<Seed>;
using Words = std::vector<std::string_view>;

struct Target {
    std::string_view name;  ///< "intel-quote"
    void (*run)(ByteView input);
    Seeds (*seeds)();
    Words words{};             ///< the dictionary: what the format's text is made of
    unsigned mutations = 400;  ///< of all seeds together, in one replay
    /// A deliberately wrong parser: the harness has to find out.
    bool must_crash = false;
};

/// To be called while the program starts. The value is there to be assigned.
bool add(Target target);

[[nodiscard]] const std::vector<Target>& all_targets();
/// Null when there is none of that name.
[[nodiscard]] const Target* find_target(std::string_view name);

/// Ends the program, naming the property and its place, unless it holds.
void holds(bool property, std::string_view what,
           std::source_location where = std::source_location::current());

/// To be called where a target gets behind the parser: a target whose seeds never do tests nothing.
void reached() noexcept;
[[nodiscard]] std::size_t times_reached() noexcept;

/// The value of a step that cannot fail on what the target hands to it.
template <class T>
[[nodiscard]] T must(Result<T> result,
                     std::source_location where = std::source_location::current()) {
    holds(result.has_value(), result ? "" : to_string(result.error()), where);
    return *std::move(result);
}

/// Whether `part` lies in `whole`; an empty one always does.
[[nodiscard]] bool lies_in(ByteView part, ByteView whole) noexcept;

[[nodiscard]] Seed seed(std::string name, std::string_view text);

}  // namespace attestd::fuzz
