// The certificate table that a host hands to its SNP guests (`spec/snp.md` section 8):
// GUID-indexed, written by the host, and so a hint at best.
#pragma once

#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kMaxCertTableLen = 65536;

enum class CertTableEntryKind : std::uint8_t { vcek, vlek, ask, ark, crl, other };

struct CertTableEntry {
    std::string guid;  ///< text form, lower case
    CertTableEntryKind kind;
    ByteView data;  ///< DER or PEM, as the host wrote it; a view into the table
};

/// Parses a table; an empty or all-zero blob is an empty table. Entries outside the blob or inside
/// the header, doubled known GUIDs, a missing terminator and over 64 entries are refused:
/// Errc::bad_length, Errc::truncated, Errc::bad_value, Errc::too_large.
[[nodiscard]] Result<std::vector<CertTableEntry>> parse_cert_table(ByteView bytes);

/// Whether the bytes begin with an entry of a known GUID.
[[nodiscard]] bool looks_like_cert_table(ByteView bytes);

}  // namespace attestd
