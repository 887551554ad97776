// The `snp` key slot: closed with a key that the SNP firmware derives for this guest on this chip.
//
// What the key is bound to is recorded in the slot and asked for again when it is opened. POLICY
// and MEASUREMENT are always among the fields: without them any guest of the host could obtain the
// key.
#pragma once

#include <chrono>

#include "agent/store/slot_key.h"
#include "quote/platform/platform.h"

namespace attestd {

class SnpSlotKey final : public SlotKey {
 public:
    /// Keys come from `platform`, which must outlive this object. `request` is what new slots are
    /// bound to; opening a slot uses what the slot records. One call to the platform takes at most
    /// `patience`.
    SnpSlotKey(Platform& platform, DerivedKeyRequest request,
               std::chrono::milliseconds patience = std::chrono::seconds{60}) noexcept
        : platform_(platform), request_(request), patience_(patience) {}

    [[nodiscard]] SlotKind kind() const noexcept override { return SlotKind::snp; }
    /// Errc::store_slot when the request leaves out POLICY or MEASUREMENT, or names unknown fields.
    [[nodiscard]] Result<NewSlotKey> make() override;
    [[nodiscard]] Result<Secret> recover(ByteView params) override;

 private:
    Platform& platform_;
    DerivedKeyRequest request_;
    std::chrono::milliseconds patience_;
};

/// What the params of an `snp` slot say. Errc::store_corrupt.
[[nodiscard]] Result<DerivedKeyRequest> parse_snp_slot_params(ByteView params);

}  // namespace attestd
