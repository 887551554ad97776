// PEM (RFC 7468), in one form only, so that one text and no other stands for given bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

struct PemBlock {
    std::string label;  ///< "CERTIFICATE", "X509 CRL"
    Bytes der;
};

enum class PemStyle : std::uint8_t {
    /// As evidence and collateral carry it: blocks one after another, LF, lines of 64 (or all of
    /// 76)
    /// characters, the last newline optional, nothing else. One byte changed never means the same.
    exact,
    /// As people keep files: CR LF is the same as LF, and lines between blocks are passed over.
    file,
};

/// All blocks of `text`; at least one. Errc::bad_encoding.
[[nodiscard]] Result<std::vector<PemBlock>> parse_pem(std::string_view text, PemStyle style);

/// Whether `bytes` hold a PEM block somewhere.
[[nodiscard]] bool looks_like_pem(ByteView bytes) noexcept;

/// One block, lines of 64 characters.
[[nodiscard]] std::string to_pem(std::string_view label, ByteView der);

}  // namespace attestd
