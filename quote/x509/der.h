// DerReader: ASN.1 in DER (X.690), read strictly: one encoding for each value, nothing skipped.
//
// Covers what certificates and revocation lists of this field use: tags of one byte, definite
// minimal lengths below 16 MiB.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/reader.h"
#include "quote/base/result.h"
#include "quote/base/time.h"

namespace attestd {

namespace der {
inline constexpr std::uint8_t kBoolean = 0x01, kInteger = 0x02, kBitString = 0x03,
                              kOctetString = 0x04, kNull = 0x05, kOid = 0x06, kEnumerated = 0x0a,
                              kUtf8String = 0x0c, kPrintableString = 0x13, kIa5String = 0x16,
                              kUtcTime = 0x17, kGeneralizedTime = 0x18, kSequence = 0x30,
                              kSet = 0x31;
/// [n], constructed: explicit tagging.
constexpr std::uint8_t context(std::uint8_t n) noexcept {
    return static_cast<std::uint8_t>(0xa0 | n);
}
/// [n], primitive: implicit tagging.
constexpr std::uint8_t implicit(std::uint8_t n) noexcept {
    return static_cast<std::uint8_t>(0x80 | n);
}
}  // namespace der

struct DerElement {
    std::uint8_t tag;
    ByteView content;
    ByteView whole;  ///< tag, length and content
};

class DerReader final {
 public:
    /// Reads `in`, which must outlive all that is taken from it. `base` is the offset of in[0]
    /// within the whole input, for error texts.
    explicit DerReader(ByteView in, std::size_t base = 0) noexcept : reader_(in, base) {}

    [[nodiscard]] bool at_end() const noexcept { return reader_.remaining() == 0; }
    /// The next element's tag, or 0 at the end.
    [[nodiscard]] std::uint8_t peek() const noexcept;
    [[nodiscard]] ByteView rest() const noexcept { return reader_.rest(); }

    /// The next element, whatever it is.
    [[nodiscard]] Result<DerElement> any(std::string_view what);
    /// The next element, which must have `tag`. Errc::bad_der.
    [[nodiscard]] Result<DerElement> element(std::uint8_t tag, std::string_view what);
    /// A reader of the content of the next element, which must have `tag`.
    [[nodiscard]] Result<DerReader> enter(std::uint8_t tag, std::string_view what);
    [[nodiscard]] Result<DerReader> sequence(std::string_view what) {
        return enter(der::kSequence, what);
    }

    /// Content of the next OBJECT IDENTIFIER, without tag and length.
    [[nodiscard]] Result<ByteView> oid(std::string_view what);
    /// Magnitude of the next INTEGER, big-endian, without a leading zero byte (zero is one 0 byte).
    /// Negative numbers and encodings that are not minimal are refused.
    [[nodiscard]] Result<ByteView> unsigned_integer(std::string_view what);
    /// The same for a number of at most `max`.
    [[nodiscard]] Result<std::uint32_t> small_integer(std::uint32_t max, std::string_view what,
                                                      std::uint8_t tag = der::kInteger);
    [[nodiscard]] Result<bool> boolean(std::string_view what);
    [[nodiscard]] Result<ByteView> octet_string(std::string_view what);
    /// Bytes of the next BIT STRING, which must have no unused bits.
    [[nodiscard]] Result<ByteView> bit_string(std::string_view what);
    /// UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 writes them: to the second, in Zulu
    /// time.
    [[nodiscard]] Result<Time> time(std::string_view what);

    /// Errc::bad_der when anything is left.
    [[nodiscard]] Result<void> finish(std::string_view what) const;

    [[nodiscard]] tl::unexpected<Error> fail_here(std::string_view what,
                                                  std::string_view why) const {
        return reader_.fail_here(Errc::bad_der, what, why);
    }

 private:
    Reader reader_;
};

}  // namespace attestd
