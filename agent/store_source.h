// StoreSource: the sealed store as a source of secrets, and what its administrator does with it.
#pragma once

#include <optional>
#include <vector>

#include "agent/source.h"
#include "agent/store/store.h"
#include "quote/platform/platform.h"

namespace attestd {

class StoreSource final : public SecretSource {
 public:
    /// Nothing is opened yet. `platform` derives the key of an `snp` slot and must outlive this
    /// object.
    StoreSource(StoreSourceConfig config, Platform& platform)
        : config_(std::move(config)), platform_(platform) {}

    /// Opens the store, or makes one in an empty folder; asks the platform. Does nothing when it is
    /// open. Errors of SealedStore and DiskFolder; Errc::store_slot when configuration gives no
    /// slot to make one with.
    [[nodiscard]] Result<void> open();

    /// All of these: Errc::store_locked before open().
    [[nodiscard]] Result<SourcedSecret> get(const Grant& grant) override;

    /// For the admin socket; errors of SealedStore.
    [[nodiscard]] Result<std::uint64_t> put(const SecretName& name, const Secret& value);
    [[nodiscard]] Result<std::uint64_t> rotate(const SecretName& name);
    [[nodiscard]] Result<void> remove(const SecretName& name);
    [[nodiscard]] Result<StoreListing> list();
    [[nodiscard]] Result<StoreStatus> status();
    [[nodiscard]] Result<std::uint32_t> add_recovery_slot(ByteView public_pem);
    [[nodiscard]] Result<std::uint32_t> add_platform_slot(NewSlotKey made);
    [[nodiscard]] Result<void> drop_slot(std::uint32_t number);

    /// Asks the platform for a key to add a slot with.
    [[nodiscard]] Result<NewSlotKey> make_platform_slot_key();

 private:
    [[nodiscard]] Result<SealedStore> create(std::vector<SlotKey*> keys, MeasuredImage measured);
    [[nodiscard]] Result<SealedStore*> opened();

    StoreSourceConfig config_;
    Platform& platform_;
    std::optional<SealedStore> store_;
};

}  // namespace attestd
