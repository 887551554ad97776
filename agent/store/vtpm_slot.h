// The `vtpm` key slot: closed with a key that this machine's vTPM gives while chosen PCRs hold what
// they held when the slot was made.
//
// The slot records which PCRs, not their values: the vTPM makes another key of other values. So the
// slot opens for what was booted then, on the vTPM that it was made with, and for nothing else.
#pragma once

#include <chrono>

#include "agent/store/slot_key.h"
#include "quote/platform/platform.h"

namespace attestd {

class VtpmSlotKey final : public SlotKey {
 public:
    /// Keys come from `platform`, which must outlive this object. `pcrs` (a mask) is what new slots
    /// are bound to; opening a slot uses what the slot records. One call to the platform takes at
    /// most `patience`.
    VtpmSlotKey(Platform& platform, std::uint32_t pcrs = kDefaultVtpmPcrs,
                std::chrono::milliseconds patience = std::chrono::seconds{60}) noexcept
        : platform_(platform), pcrs_(pcrs), patience_(patience) {}

    [[nodiscard]] SlotKind kind() const noexcept override { return SlotKind::vtpm; }
    /// Errc::store_slot when no PCR, or one above 23, is chosen.
    [[nodiscard]] Result<NewSlotKey> make() override;
    [[nodiscard]] Result<Secret> recover(ByteView params) override;

 private:
    Platform& platform_;
    std::uint32_t pcrs_;
    std::chrono::milliseconds patience_;
};

/// What the params of a `vtpm` slot say: u32 mask of PCRs, little-endian; 32 random bytes that make
/// its key another one than every other slot's. Errc::store_corrupt.
[[nodiscard]] Result<VtpmKeyRequest> parse_vtpm_slot_params(ByteView params);

}  // namespace attestd
