// What binds evidence to one handshake with a key broker: nonce and key as canonical JSON (RFC
// 8785), their digest, and the report data that carries it (`spec/kbs.md` sections 3.1 and 3.2).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/json.h"
#include "quote/base/result.h"
#include "quote/platform/evidence.h"

namespace attestd::kbs {

enum class HashName : std::uint8_t { sha256, sha384, sha512 };

/// Of a nonce, in bytes of text. It is opaque and used as it came.
inline constexpr std::size_t kMaxNonceLen = 16384;

/// What the client offers, in this order. A paravisor's vTPM quotes the unpadded digest (section
/// 5.4), and attestd has it quote 48 bytes: there it is sha384 alone.
[[nodiscard]] std::span<const std::string_view> offered_hashes(bool is_azure) noexcept;

/// The hash that the challenge's "extra-params" choose: sha384 where they choose none. Errc::
/// kbs_protocol for one that was not `offered`, or that is no text.
[[nodiscard]] Result<HashName> chosen_hash(const JsonValue& extra_params,
                                           std::span<const std::string_view> offered);

/// Canonical JSON of {"nonce", "tee-pubkey"}: all of protocol 0.2.0, and what devices sign in
/// 0.4.0.
[[nodiscard]] std::string device_text(const std::string& nonce, const nlohmann::json& public_jwk);

/// Canonical JSON of {"additional-evidence", "nonce", "tee-pubkey"}: protocol 0.4.0.
/// `additional` is the text of the devices' evidence, empty without a device.
[[nodiscard]] std::string primary_text(const std::string& nonce, const nlohmann::json& public_jwk,
                                       const std::string& additional);

/// 32, 48 or 64 bytes.
[[nodiscard]] Bytes digest_of(std::string_view text, HashName hash);

/// The digest with zero bytes behind it.
[[nodiscard]] ReportData report_data_of(ByteView digest);

}  // namespace attestd::kbs
