// Bundle: evidence and the endorsements it needs in one file, or endorsements alone.
//
// JSON: {"attestd_bundle": 1, "evidence": base64, "event_log": base64, "endorsements": [{"name":
// text, "data": base64}]}. `evidence` and `event_log` may be absent. What is in it is as little
// believed as if it came in files.
#pragma once

#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "verifier/endorsements.h"

namespace attestd {

struct Bundle {
    struct Item {
        std::string name;  ///< of the file it came from: for people
        Bytes data;
    };
    Bytes evidence, event_log;  ///< empty when there is none
    std::vector<Item> endorsements;
};

/// Whether the bytes begin as a bundle.
[[nodiscard]] bool looks_like_bundle(ByteView bytes) noexcept;

/// Errc::bundle_malformed says what is wrong and where. `name` is for errors.
[[nodiscard]] Result<Bundle> parse_bundle(ByteView bytes, const std::string& name);
[[nodiscard]] std::string write_bundle(const Bundle& bundle);

/// Adds a file of endorsements: a bundle's, or what Endorsements::add() takes.
[[nodiscard]] Result<void> add_endorsement_file(Endorsements& out, ByteView bytes,
                                                const std::string& name);

}  // namespace attestd
