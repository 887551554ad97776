// A record: one secret's name, version and value, sealed. Parsing and writing of the format in one
// place.
//
//   0    8  "ATSDREC1"
//   8   32  salt
//   40   n  AES-256-GCM of meta (272 bytes) and value, key and nonce by HKDF(record key, salt)
//        16  tag; everything before the ciphertext is authenticated too
//
//   meta 0  8 version, 8 4 value's length, 12 1 kind (1 value, 2 removed), 13 1 name's length,
//        14 255 name then zeros, 269 3 zero; numbers little-endian
// The value is padded with zeros to a multiple of 256 bytes, at least one: a file's size tells
// neither the name's length, nor the value's beyond that, nor a short value from a removed one.
#pragma once

#include "agent/store/internal/keys.h"

namespace attestd::store {

inline constexpr std::size_t kMetaLen = 272;
inline constexpr std::size_t kValueBlock = 256;
inline constexpr std::size_t kRecordHeadLen = 8 + kSaltLen;
inline constexpr std::size_t kMinRecordLen = kRecordHeadLen + kMetaLen + kValueBlock + kTagLen;
inline constexpr std::size_t kMaxRecordLen = kRecordHeadLen + kMetaLen + kMaxSecretLen + kTagLen;

enum class RecordKind : std::uint8_t { value = 1, removed = 2 };

struct Record {
    SecretName name;
    std::uint64_t version;  ///< from 1
    RecordKind kind;
    Secret value;  ///< empty when removed
};

/// Errc::bad_value for an empty value, Errc::secret_too_large for one over 1 MiB.
[[nodiscard]] Result<void> check_value(const SecretName& name, const Secret& value);

/// The file for `value`; an empty one makes the record of a removed secret. `random` is fresh from
/// the generator (a parameter so that a test can repeat it). Errc::crypto_failed,
/// Errc::memory_locked.
[[nodiscard]] Result<Bytes> seal_record(const StoreKeys& keys, const SecretName& name,
                                        std::uint64_t version, const Secret& value,
                                        const Salt& random);

/// The record in `file`. Errc::store_corrupt for anything that seal_record() did not write under
/// these keys, Errc::memory_locked.
[[nodiscard]] Result<Record> open_record(const StoreKeys& keys, ByteView file);

}  // namespace attestd::store
