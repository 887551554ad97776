// The chain of trust as a list of links, from the key that is pinned to the statement that is
// believed: what a page shows as a picture.
//
// Decoded things and findings in, plain text out: nothing is verified here. What a link's state
// says comes from the verifier's findings alone, and endorsements are called verified only where
// the verifier says that its result rests on these very ones.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/cli/inspection.h"
#include "verifier/result.h"

namespace attestd::cli {

enum class LinkState : std::uint8_t {
    shown,      ///< decoded, not verified
    offered,    ///< among what was given; the result does not rest on it
    missing,    ///< not among what was given
    verified,   ///< part of an accepted result
    neutral,    ///< part of a result that was not accepted; no finding is about it
    warned,     ///< someone should look
    undecided,  ///< an endorsement that it needs is absent
    refused,    ///< a finding of severity error is about it
};

/// What stands beside a link and judges it: a revocation list, TCB information.
struct SideLink {
    std::string title, meaning;
    std::vector<std::pair<std::string, std::string>> facts;
    LinkState state = LinkState::shown;
    std::vector<const Finding*> findings;
};

struct ChainLink {
    std::string title, meaning;
    std::vector<std::pair<std::string, std::string>> facts;
    std::string verb;  ///< what it does for the next link: "signs"; empty for the last
    LinkState state = LinkState::shown;
    std::vector<const Finding*> findings;  ///< those of severity error and warning about it
    std::vector<SideLink> sides;
};

/// The links for evidence, or for certificates. `shown` is the evidence decoded (its format says of
/// which vendor); `endorsements` and `result` may be null. Findings are borrowed from `result`. Of
/// a result that says what it rests on, the endorsements shown are those; else they are the likely
/// ones of what was given.
/// Empty for what has no chain (an event log, a revocation list).
[[nodiscard]] std::vector<ChainLink> chain_of(const Inspection& shown,
                                              const Endorsements* endorsements,
                                              const AttestationResult* result);

}  // namespace attestd::cli
