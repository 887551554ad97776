// What mutation of one input must do: for each region of it, the reasons for which a flipped bit
// there may be refused, and the few bits that no signature covers, each with why.
//
// Regions are computed from the parsed structure of the genuine input, never from the mutant.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "tests/support/mutations.h"

namespace attestd::mutation {

using test::ByteOrder;
using test::ByteRange;

using Reasons = std::vector<Errc>;

/// A part of the input. Regions may overlap: a reason is right when one of those that hold the byte
/// allows it.
struct Region {
    std::string name;
    ByteRange range;
    Reasons reasons;
};

struct LengthField {
    ByteRange field;
    ByteOrder order;
};

/// What may stand after the end of an input without changing what it means.
enum class Tail : std::uint8_t { nothing, zeros, anything };

struct Plan {
    std::vector<Region> regions;  ///< cover the input
    std::vector<LengthField> lengths;
    /// For truncations, bytes too many and wrong lengths.
    Reasons form;
    /// Bits (8 * byte + bit) that no signature covers: flipping one changes no claim and no
    /// finding.
    std::map<std::size_t, std::string> unsigned_bits;
    /// Why a cut to this length or longer changes nothing: only what is no part of it is lost.
    std::optional<std::size_t> whole_from;
    Tail tail = Tail::nothing;
};

/// Everything that reading bytes or text may say.
[[nodiscard]] const Reasons& parse_reasons();
/// What certificates say that do not hold, beyond that they do not parse.
[[nodiscard]] const Reasons& chain_reasons();
[[nodiscard]] Reasons operator|(Reasons a, const Reasons& b);

/// A TDX or SGX quote that carries its PCK chain.
[[nodiscard]] Plan plan_quote(ByteView quote);
/// An SNP report; `vlek` when a VLEK signed it.
[[nodiscard]] Plan plan_report(ByteView report);

enum class Place : std::uint8_t { leaf, intermediate, root };
/// A certificate of AMD's hierarchy that is given apart, DER.
[[nodiscard]] Plan plan_amd_certificate(ByteView der, Place place);
/// A revocation list of AMD's, DER, where the policy demands one.
[[nodiscard]] Plan plan_amd_crl(ByteView der);
/// A certificate table. The regions of its entries are those of the certificates in it.
[[nodiscard]] Plan plan_table(ByteView table);

/// The one-file collateral of an Intel quote, JSON.
[[nodiscard]] Plan plan_collateral(ByteView json);
/// A document as Intel's service gives it (`key` is "tcbInfo" or "enclaveIdentity").
[[nodiscard]] Plan plan_document(ByteView json, std::string_view key);
/// A revocation list of Intel's, and a certificate of the TCB signer or its root, DER.
[[nodiscard]] Plan plan_intel_crl(ByteView der);
[[nodiscard]] Plan plan_tcb_signer(ByteView der);

}  // namespace attestd::mutation
