// Claims one at a time: what evidence states, under the names that DESIGN section 6 fixes, as
// values that a policy can be compared with.
//
// The table is the one place that says which names there are, what their text looks like, and where
// in a quote or report each is; a test holds it against what `verify --json` prints. Values are
// never text here but where they are text in JSON: comparing allocates nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "quote/amd/snp_report.h"
#include "quote/base/result.h"
#include "quote/intel/quote.h"

namespace attestd {

/// How a claim is written in JSON.
enum class ClaimForm : std::uint8_t {
    bytes,   ///< lower-case hexadecimal of `len` bytes
    number,  ///< an integer
    word,    ///< "0x1f"
    flag,    ///< true or false
    text,
};

/// A claim as it stands in evidence; the view lives as long as that. Empty: it is not stated.
using ClaimView = std::variant<std::monostate, ByteView, std::uint64_t, bool, std::string>;
/// A value to compare claims with.
using ClaimValue = std::variant<Bytes, std::uint64_t, bool, std::string>;

struct ClaimInfo {
    std::string_view name;
    ClaimForm form;
    std::size_t len;                        ///< of bytes
    ClaimView (*of_td)(const IntelQuote&);  ///< null when TDX has no such claim
    ClaimView (*of_snp)(const SnpReport&);  ///< null when SEV-SNP has no such claim
};

/// Every claim of a TDX quote and of an SNP report but the report data, which is the verifier's own
/// nonce.
[[nodiscard]] std::span<const ClaimInfo> all_claims() noexcept;

/// Its place in all_claims(); empty when no evidence has such a claim.
[[nodiscard]] std::optional<std::size_t> claim_index(std::string_view name) noexcept;

/// Reads the text of a claim of form `bytes`, `word` or `text`. Errc::bad_value says what is
/// expected.
[[nodiscard]] Result<ClaimValue> parse_claim_text(const ClaimInfo& claim, std::string_view text);

[[nodiscard]] bool equal(const ClaimView& claim, const ClaimValue& value) noexcept;

/// As JSON has it, for people: "abcd…", "0x1f", "true"; "not stated" for an empty one.
[[nodiscard]] std::string claim_text(const ClaimInfo& claim, const ClaimView& view);

}  // namespace attestd
