// Events of measured boot in words, and which of their data may be believed
// (`spec/guest-interfaces.md` 7.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "quote/boot/event_log.h"

namespace attestd {

/// "EV_SEPARATOR", "EV_EFI_VARIABLE_BOOT", ...; "0x8000001f" for a type that is not known.
[[nodiscard]] std::string event_type_name(std::uint32_t type);

/// What an event says: a variable's name, a boot loader's command, a tag's text; hexadecimal for
/// the rest, cut at 256 characters. Only printable ASCII.
[[nodiscard]] std::string event_text(const BootEvent& event);

/// Whether the event's SHA-384 digest is that of its data, and of which part.
enum class DataTrust : std::uint8_t {
    verified,      ///< the digest is recomputed from the data
    not_verified,  ///< it covers something else (an image, a table), or the data was altered
    not_extended,  ///< EV_NO_ACTION: no register covers it
};
[[nodiscard]] std::string_view data_trust_name(DataTrust trust) noexcept;
[[nodiscard]] DataTrust data_trust(const BootEvent& event, std::uint16_t algorithm = kAlgSha384);

/// The part of the event's data that its digest of `algorithm` is recomputed from; empty when there
/// is none. What stands before that part (a boot loader's "kernel_cmdline: ") no register covers.
[[nodiscard]] std::optional<ByteView> verified_part(const BootEvent& event,
                                                    std::uint16_t algorithm);

/// UEFI_VARIABLE_DATA: an EFI variable as an event holds it.
struct EfiVariable {
    ByteView guid;     ///< 16 bytes, as they stand there
    std::string name;  ///< a character that is not printable ASCII is a question mark
    ByteView data;
};
/// Empty when `event` does not hold one in full, with nothing behind it.
[[nodiscard]] std::optional<EfiVariable> parse_efi_variable(ByteView event);

}  // namespace attestd
