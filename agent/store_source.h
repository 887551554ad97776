// StoreSource: the sealed store as a source of secrets, and what its administrator does with it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "agent/source.h"
#include "agent/store/remote_slot.h"
#include "agent/store/store.h"
#include "quote/platform/platform.h"

namespace attestd {

class StoreSource final : public SecretSource {
 public:
    /// Nothing is opened yet. `platform` derives the key of an `snp` or `vtpm` slot and must
    /// outlive this object.
    StoreSource(StoreSourceConfig config, Platform& platform)
        : config_(std::move(config)), platform_(platform) {}

    /// Opens the store, or makes one in an empty folder; asks the platform. Does nothing when it is
    /// open. `remote` is the secret of the `remote` slot, if configuration names one and it could
    /// be had. Errors of SealedStore and DiskFolder; Errc::store_slot when configuration gives no
    /// slot to make one with; Errc::store_locked for a store that is not made before `remote` is
    /// there.
    [[nodiscard]] Result<void> open(const std::optional<Secret>& remote = std::nullopt);

    /// All of these: Errc::store_locked before open().
    [[nodiscard]] Result<SourcedSecret> get(const Grant& grant) override;

    /// For the admin socket; errors of SealedStore.
    [[nodiscard]] Result<std::uint64_t> put(const SecretName& name, const Secret& value);
    [[nodiscard]] Result<std::uint64_t> rotate(const SecretName& name, const Rotation& how);
    [[nodiscard]] Result<std::uint64_t> replace(const SecretName& name, const Secret& value);
    [[nodiscard]] Result<std::vector<std::uint64_t>> put_all(std::span<const NewSecret> secrets,
                                                             ExistingSecrets existing);
    /// The secrets of these names, or all of them when there are none, with their versions.
    /// Errc::too_large when they have over `max_len` bytes together.
    [[nodiscard]] Result<std::vector<NewSecret>> get_all(std::span<const SecretName> names,
                                                         std::size_t max_len);
    [[nodiscard]] Result<void> remove(const SecretName& name);
    [[nodiscard]] Result<StoreListing> list();
    [[nodiscard]] Result<StoreStatus> status();
    [[nodiscard]] Result<std::uint32_t> add_recovery_slot(ByteView public_pem);
    [[nodiscard]] Result<std::uint32_t> add_platform_slot(SlotKind kind, NewSlotKey made);
    /// Errc::store_slot when configuration names no `remote_slot`.
    [[nodiscard]] Result<std::uint32_t> add_remote_slot(const Secret& secret);
    [[nodiscard]] Result<void> drop_slot(std::uint32_t number);

    /// Asks the platform for a key to add a slot of `kind` with, which is `snp` or `vtpm`.
    /// Errc::platform_unsupported when the platform has no keys of that kind.
    [[nodiscard]] Result<NewSlotKey> make_platform_slot_key(SlotKind kind);

 private:
    [[nodiscard]] Result<SealedStore> create(std::vector<SlotKey*> keys, MeasuredImage measured);
    [[nodiscard]] Result<SealedStore*> opened();
    [[nodiscard]] std::unique_ptr<SlotKey> platform_slot_key(SlotKind kind) const;
    [[nodiscard]] Result<RemoteSlotKey> remote_key(const Secret& secret) const;

    StoreSourceConfig config_;
    Platform& platform_;
    std::optional<SealedStore> store_;
};

}  // namespace attestd
