// Commands and answers of a TPM as bytes (TCG TPM 2.0 Library, part 3), as far as a paravisor in
// between needs them. Integers are big-endian.
#pragma once

#include <cstdint>
#include <optional>

#include "quote/base/bytes.h"
#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::devsim {

namespace tpm_cc {
inline constexpr std::uint32_t kNvWrite = 0x137, kNvRead = 0x14e, kQuote = 0x158,
                               kReadPublic = 0x173, kPcrRead = 0x17e, kPcrExtend = 0x182;
}  // namespace tpm_cc

inline constexpr std::size_t kMaxTpmMessageLen = 4096;

/// One whole command or answer; empty at the end of the connection.
[[nodiscard]] Result<Bytes> read_tpm_message(int fd);
[[nodiscard]] Result<void> write_tpm_message(int fd, ByteView message);

/// The code of a command or of an answer.
[[nodiscard]] std::uint32_t code_of(ByteView message);

/// An answer that is a code alone.
[[nodiscard]] Bytes answer_of(std::uint32_t code);

/// What a TPM2_NV_Write writes, of `index`; empty for any other command.
[[nodiscard]] std::optional<Bytes> nv_write_of(ByteView command, std::uint32_t index);
/// The offset that a TPM2_NV_Read of `index` reads at; empty for any other command.
[[nodiscard]] std::optional<std::uint16_t> nv_read_of(ByteView command, std::uint32_t index);

/// The length of the nonce in a TPM2_Quote; 0 for any other command.
[[nodiscard]] std::size_t quote_nonce_len(ByteView command);

// Commands by the owner, who has no password.
[[nodiscard]] Bytes nv_write(std::uint32_t index, ByteView data, std::uint16_t offset);
[[nodiscard]] Bytes pcr_extend(std::uint32_t pcr, const ByteArray<32>& digest);
[[nodiscard]] Bytes read_public(std::uint32_t handle);
/// The modulus (2048 bits) in the answer to read_public() of an RSA key.
[[nodiscard]] Result<Bytes> modulus_of(ByteView answer);

}  // namespace attestd::devsim
