// SlotKey: a way to the key that one key slot of the sealed store is closed with.
//
// The store knows nothing of platforms, operators or brokers. A kind of slot is one implementation
// of this interface: it makes a key for a new slot, says in `params` what must be kept (in the
// clear, but authenticated) to obtain that key again, and obtains it again. A new kind needs no
// change of format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

/// Numbers of the file format: never reused.
enum class SlotKind : std::uint16_t { recovery = 1, snp = 2, vtpm = 3, remote = 4 };

/// "recovery", "snp", ...; "unknown" for a number that a newer version wrote.
[[nodiscard]] std::string_view slot_kind_name(SlotKind kind) noexcept;

/// True for kinds whose key anyone holds who runs on this machine: worth as much as its measurement
/// covers.
[[nodiscard]] constexpr bool is_platform_kind(SlotKind kind) noexcept {
    return kind == SlotKind::snp || kind == SlotKind::vtpm;
}

struct NewSlotKey {
    Bytes params;  ///< at most kMaxSlotParamsLen bytes; not secret
    Secret key;    ///< 32 bytes
};

inline constexpr std::size_t kMaxSlotParamsLen = 4096;

class SlotKey {
 public:
    virtual ~SlotKey() = default;

    [[nodiscard]] virtual SlotKind kind() const noexcept = 0;

    /// A key for a new slot. Fails with the error of whatever it asks (platform, crypto), or with
    /// Errc::store_slot when this object can only open.
    [[nodiscard]] virtual Result<NewSlotKey> make() = 0;

    /// The key of an existing slot of this kind. Errc::store_corrupt when `params` do not parse,
    /// Errc::store_slot when this object can only make, else the error of whatever it asks.
    [[nodiscard]] virtual Result<Secret> recover(ByteView params) = 0;
};

/// What `params` say, in words for `status` and `store slots`: "X25519 key 1f0c…", "fields 0x9,
/// VMPL 0". Errc::store_corrupt when they do not parse. Kinds unknown here give an empty text.
[[nodiscard]] Result<std::string> describe_slot_params(SlotKind kind, ByteView params);

}  // namespace attestd
