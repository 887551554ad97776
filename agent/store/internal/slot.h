// A key slot: the store key, closed with a key of another origin. Parsing and writing in one place.
//
//   0    8  "ATSDSLT1"
//   8    4  number of the slot, also in the file's name
//   12   2  kind (SlotKind)
//   14  16  id of the store
//   30  32  salt
//   62   2  length n of params
//   64   n  params: what the kind needs to find its key again
//       48  AES-256-GCM of the store key (32) and tag (16), key and nonce by HKDF(slot's key,
//       salt);
//           everything before is authenticated too
//       32  HMAC under a key from the store key over everything before
//       32  SHA-256 of everything before
// The tag keeps a slot from opening with anything changed. The HMAC lets an open store vouch for
// the slots that it was not opened with. The plain digest protects nothing: it tells a damaged file
// from the wrong key, so that a person looks in the right place. Numbers are little-endian.
#pragma once

#include <optional>

#include "agent/store/internal/keys.h"
#include "agent/store/slot_key.h"

namespace attestd::store {

inline constexpr std::uint32_t kMaxSlots = 32;
inline constexpr std::size_t kSlotHeadLen = 64;
inline constexpr std::size_t kWrappedLen = kKeyLen + kTagLen;
inline constexpr std::size_t kMaxSlotLen =
    kSlotHeadLen + kMaxSlotParamsLen + kWrappedLen + 2 * sizeof(Sha256);

struct Slot {
    std::uint32_t number;
    SlotKind kind;  ///< may be one that is not known here
    StoreId store;
    Salt salt;
    Bytes params;
    ByteArray<kWrappedLen> wrapped;
    Sha256 mac;
    Bytes head;           ///< as it stood in the file: what the tag covers
    Bytes authenticated;  ///< head and wrapped key: what the HMAC covers
};

/// "slot-3".
[[nodiscard]] std::string slot_file(std::uint32_t number);
/// The number in such a name; empty for any other name.
[[nodiscard]] std::optional<std::uint32_t> slot_number(std::string_view file) noexcept;

/// The slot in `file`. Errc::store_corrupt.
[[nodiscard]] Result<Slot> parse_slot(ByteView file, std::uint32_t number);

/// The file for slot `number`, closed with `slot_key`. `random` is fresh from the generator.
/// Errc::store_slot for params that are too long, Errc::crypto_failed, Errc::memory_locked.
[[nodiscard]] Result<Bytes> write_slot(const StoreKeys& keys, const Secret& store_key,
                                       std::uint32_t number, SlotKind kind,
                                       const NewSlotKey& slot_key, const Salt& random);

/// The store key. Errc::store_locked when `slot_key` is not the one that closed the slot.
[[nodiscard]] Result<Secret> unwrap(const Slot& slot, const Secret& slot_key);

/// That the slot is of the store with these keys, with nothing in it changed. Errc::store_corrupt.
[[nodiscard]] Result<void> authenticate(const Slot& slot, const StoreKeys& keys);

}  // namespace attestd::store
