#include "quote/azure/tpm_quote.h"

#include <fmt/format.h>

#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::uint32_t kGeneratedByTpm = 0xff544347;  // TPM_GENERATED_VALUE
constexpr std::uint16_t kAttestQuote = 0x8018;         // TPM_ST_ATTEST_QUOTE
constexpr std::uint16_t kAlgRsassa = 0x0014;           // TPM_ALG_RSASSA
// TPM2B_NAME and TPM2B_DATA hold at most an algorithm and a SHA-512 digest.
constexpr std::size_t kMaxNameLen = 66, kMaxExtraDataLen = 66;
constexpr std::size_t kMaxDigestLen = 64;
constexpr std::size_t kMaxBanks = 16, kMaxMaskLen = 4;  // HASH_COUNT, PCR_SELECT_MAX
constexpr std::size_t kSignatureHeaderLen = 6;          // TPMT_SIGNATURE before the block

// The next integer, most significant byte first.
template <class T>
Result<T> big_endian(Reader& in, std::string_view what) {
    ATTESTD_TRY(const ByteView bytes, in.bytes(sizeof(T), what));
    std::uint64_t value = 0;
    for (const std::uint8_t b : bytes) value = value << 8 | b;
    return static_cast<T>(value);
}

// A TPM2B: u16 length, then as many bytes.
Result<ByteView> sized(Reader& in, std::size_t max_len, std::string_view what) {
    const Reader before = in;
    ATTESTD_TRY(const auto len, big_endian<std::uint16_t>(in, what));
    if (len > max_len) {
        return before.fail_here(Errc::too_large, what,
                                fmt::format("{} bytes, at most {} are possible", len, max_len));
    }
    return in.bytes(len, what);
}

Result<void> parse_clock(Reader& in, TpmQuote& out) {
    ATTESTD_TRY(out.clock, big_endian<std::uint64_t>(in, "tpm.clock"));
    ATTESTD_TRY(out.reset_count, big_endian<std::uint32_t>(in, "tpm.reset_count"));
    ATTESTD_TRY(out.restart_count, big_endian<std::uint32_t>(in, "tpm.restart_count"));
    const Reader before = in;
    ATTESTD_TRY(const std::uint8_t safe, in.u8("tpm.clock_safe"));
    if (safe > 1) return before.fail_here(Errc::bad_value, "tpm.clock_safe", "must be 0 or 1");
    out.clock_safe = safe == 1;
    return {};
}

Result<void> parse_selections(Reader& in, TpmQuote& out) {
    const Reader before = in;
    ATTESTD_TRY(const auto count, big_endian<std::uint32_t>(in, "tpm.pcr_select.count"));
    if (count > kMaxBanks) {
        return before.fail_here(Errc::too_large, "tpm.pcr_select.count",
                                fmt::format("{} banks, at most {} are possible", count, kMaxBanks));
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        PcrSelection bank{};
        ATTESTD_TRY(bank.hash, big_endian<std::uint16_t>(in, "tpm.pcr_select.hash"));
        const Reader before_mask = in;
        ATTESTD_TRY(const std::uint8_t len, in.u8("tpm.pcr_select.size"));
        if (len > kMaxMaskLen) {
            return before_mask.fail_here(Errc::too_large, "tpm.pcr_select.size",
                                         fmt::format("{} bytes, at most {}", len, kMaxMaskLen));
        }
        ATTESTD_TRY(bank.mask, in.bytes(len, "tpm.pcr_select.mask"));
        out.selections.push_back(bank);
    }
    return {};
}

}  // namespace

Result<TpmQuote> parse_tpm_quote(ByteView bytes) {
    if (bytes.size() > kMaxTpmAttestLen) {
        return fail(Errc::too_large, fmt::format("TPMS_ATTEST: {} bytes, at most {} are read",
                                                 bytes.size(), kMaxTpmAttestLen));
    }
    Reader in(bytes);
    TpmQuote out{};
    ATTESTD_TRY(const auto magic, big_endian<std::uint32_t>(in, "tpm.magic"));
    if (magic != kGeneratedByTpm) {
        return fail(Errc::bad_value,
                    fmt::format("tpm.magic at byte 0: 0x{:08x}, a TPM's own is 0x{:08x}", magic,
                                kGeneratedByTpm));
    }
    ATTESTD_TRY(const auto type, big_endian<std::uint16_t>(in, "tpm.type"));
    if (type != kAttestQuote) {
        return fail(
            Errc::unsupported_type,
            fmt::format("tpm.type at byte 4: 0x{:04x}, a quote's is 0x{:04x}", type, kAttestQuote));
    }
    ATTESTD_TRY(out.qualified_signer, sized(in, kMaxNameLen, "tpm.qualified_signer"));
    ATTESTD_TRY(out.extra_data, sized(in, kMaxExtraDataLen, "tpm.extra_data"));
    ATTESTD_CHECK(parse_clock(in, out));
    ATTESTD_TRY(out.firmware_version, big_endian<std::uint64_t>(in, "tpm.firmware_version"));
    ATTESTD_CHECK(parse_selections(in, out));
    ATTESTD_TRY(out.pcr_digest, sized(in, kMaxDigestLen, "tpm.pcr_digest"));
    ATTESTD_CHECK(in.finish("TPMS_ATTEST"));
    return out;
}

Result<ByteView> parse_tpm_signature(ByteView bytes) {
    for (const std::size_t len : {256U, 384U, 512U}) {
        if (bytes.size() == len) return bytes;
    }
    if (bytes.size() < 256 + kSignatureHeaderLen || bytes.size() > 512 + kSignatureHeaderLen) {
        return fail(Errc::bad_length,
                    fmt::format("tpm.signature: {} bytes, neither an RSA block of 2048, 3072 or "
                                "4096 bits nor a TPMT_SIGNATURE around one",
                                bytes.size()));
    }
    Reader in(bytes);
    ATTESTD_TRY(const auto algorithm, big_endian<std::uint16_t>(in, "tpm.signature.algorithm"));
    ATTESTD_TRY(const auto hash, big_endian<std::uint16_t>(in, "tpm.signature.hash"));
    if (algorithm != kAlgRsassa || hash != kTpmAlgSha256) {
        return fail(Errc::unsupported_type,
                    fmt::format("tpm.signature: algorithm 0x{:04x} with hash 0x{:04x}, only RSASSA "
                                "with SHA-256 is known",
                                algorithm, hash));
    }
    ATTESTD_TRY(const ByteView block, sized(in, 512, "tpm.signature.block"));
    ATTESTD_CHECK(in.finish("TPMT_SIGNATURE"));
    return block;
}

}  // namespace attestd
