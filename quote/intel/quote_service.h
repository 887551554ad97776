// The quote service's messages: what a TDX guest asks the host where the kernel has no configfs-tsm
// (`spec/guest-interfaces.md` section 4).
//
// The host is not trusted. What it answers is a quote of this guest's only when it says the same as
// the TDREPORT that was sent, field by field; QuoteOfReport is the type of what did.
#pragma once

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/intel/tdreport.h"

namespace attestd {

inline constexpr std::size_t kMaxQuoteServiceLen = std::size_t{128} << 10;  ///< of one message

/// "Make a quote of this TDREPORT": 1048 bytes, to be sent behind their length.
[[nodiscard]] Bytes quote_request(const ByteArray<kTdReportLen>& tdreport);

/// The quote in a whole answer. Errc::quote_service names what is wrong with it, or what the
/// service says is.
[[nodiscard]] Result<Bytes> parse_quote_answer(ByteView message);

/// A quote whose report data and measurements are those of a TDREPORT.
class QuoteOfReport final {
 public:
    /// Errc::quote_service when it is no TDX quote of version 4 or 5, Errc::platform_wrong_echo
    /// when the report data is another, Errc::quote_service when a measurement is.
    [[nodiscard]] static Result<QuoteOfReport> match(ByteView tdreport, Bytes quote);

    [[nodiscard]] Bytes take() && { return std::move(quote_); }

 private:
    explicit QuoteOfReport(Bytes quote) : quote_(std::move(quote)) {}
    Bytes quote_;
};

}  // namespace attestd
