#include "agent/store_source.h"

#include <fmt/format.h>

#include <memory>

#include "agent/store/recovery_slot.h"
#include "agent/store/snp_slot.h"
#include "agent/store/vtpm_slot.h"

namespace attestd {

namespace {

// A slot key that was made beforehand, on the strand that may ask the platform.
class ReadySlotKey final : public SlotKey {
 public:
    ReadySlotKey(SlotKind kind, NewSlotKey made) : kind_(kind), made_(std::move(made)) {}

    SlotKind kind() const noexcept override { return kind_; }
    Result<NewSlotKey> make() override {
        ATTESTD_TRY(Secret key, made_.key.clone());
        return NewSlotKey{made_.params, std::move(key)};
    }
    Result<Secret> recover(ByteView params) override {
        if (!equal(params, made_.params)) return fail(Errc::store_slot, "another slot's params");
        return made_.key.clone();
    }

 private:
    SlotKind kind_;
    NewSlotKey made_;
};

}  // namespace

Result<RemoteSlotKey> StoreSource::remote_key(const Secret& secret) const {
    if (!config_.remote_slot)
        return fail(Errc::store_slot, "configuration names no \"remote_slot\" for this store");
    return RemoteSlotKey::from_secret(secret, config_.remote_slot->source,
                                      config_.remote_slot->resource);
}

Result<void> StoreSource::open(const std::optional<Secret>& remote) {
    if (store_) return {};
    const auto measured =
        config_.measured_image ? MeasuredImage::stated : MeasuredImage::not_stated;
    const auto platform_slot =
        platform_slot_key(platform_.has_vtpm() ? SlotKind::vtpm : SlotKind::snp);
    std::vector<SlotKey*> keys;
    if (config_.measured_image) keys.push_back(platform_slot.get());
    std::optional<RemoteSlotKey> remote_slot;
    if (remote) {
        ATTESTD_TRY(remote_slot, remote_key(*remote));
        keys.push_back(&*remote_slot);
    }

    ATTESTD_TRY(auto folder, DiskFolder::open(config_.path, MissingFolder::make));
    auto opened = SealedStore::open(std::move(folder), keys, measured);
    if (!opened && opened.error().code == Errc::not_found) {
        // Made without it, the store would be lost with this machine.
        if (config_.remote_slot && !remote)
            return fail(Errc::store_locked, "a new store waits for the secret of its remote slot");
        opened = create(std::move(keys), measured);
    }
    if (!opened) return tl::make_unexpected(std::move(opened).error());
    store_.emplace(*std::move(opened));
    return {};
}

// In an empty folder. The operator's slot comes second: this machine cannot open it.
Result<SealedStore> StoreSource::create(std::vector<SlotKey*> keys, MeasuredImage measured) {
    std::optional<RecoverySlotKey> recovery;
    if (config_.recovery_key) {
        ATTESTD_TRY(recovery, RecoverySlotKey::from_public_pem(config_.recovery_key->bytes));
        keys.push_back(&*recovery);
    }
    if (keys.empty()) {
        return fail(Errc::store_slot,
                    "a new store needs a key slot: \"measured_image\", \"remote_slot\" or "
                    "\"recovery_key\"");
    }
    ATTESTD_TRY(auto folder, DiskFolder::open(config_.path, MissingFolder::make));
    return SealedStore::create(std::move(folder), keys, measured);
}

std::unique_ptr<SlotKey> StoreSource::platform_slot_key(SlotKind kind) const {
    if (kind == SlotKind::vtpm) return std::make_unique<VtpmSlotKey>(platform_, config_.vtpm_pcrs);
    return std::make_unique<SnpSlotKey>(platform_, DerivedKeyRequest{});
}

Result<NewSlotKey> StoreSource::make_platform_slot_key(SlotKind kind) {
    return platform_slot_key(kind)->make();
}

Result<std::uint32_t> StoreSource::add_platform_slot(SlotKind kind, NewSlotKey made) {
    ATTESTD_TRY(SealedStore* const store, opened());
    ReadySlotKey key(kind, std::move(made));
    return store->add_slot(key);
}

Result<std::uint32_t> StoreSource::add_recovery_slot(ByteView public_pem) {
    ATTESTD_TRY(SealedStore* const store, opened());
    ATTESTD_TRY(RecoverySlotKey key, RecoverySlotKey::from_public_pem(public_pem));
    return store->add_slot(key);
}

Result<std::uint32_t> StoreSource::add_remote_slot(const Secret& secret) {
    ATTESTD_TRY(SealedStore* const store, opened());
    ATTESTD_TRY(RemoteSlotKey key, remote_key(secret));
    return store->add_slot(key);
}

Result<void> StoreSource::drop_slot(std::uint32_t number) {
    ATTESTD_TRY(SealedStore* const store, opened());
    return store->drop_slot(number);
}

Result<std::uint64_t> StoreSource::rotate(const SecretName& name, const Rotation& how) {
    ATTESTD_TRY(SealedStore* const store, opened());
    return store->rotate(name, how);
}

Result<std::uint64_t> StoreSource::replace(const SecretName& name, const Secret& value) {
    ATTESTD_TRY(SealedStore* const store, opened());
    return store->replace(name, value);
}

Result<SealedStore*> StoreSource::opened() {
    if (!store_) return fail(Errc::store_locked, config_.path.string() + ": not open");
    return &*store_;
}

Result<SourcedSecret> StoreSource::get(const Grant& grant) {
    ATTESTD_TRY(SealedStore* const store, opened());
    ATTESTD_TRY(const SecretName name, SecretName::parse(grant.secret().resource));
    ATTESTD_TRY(StoredSecret stored, store->get(name));
    return SourcedSecret{std::make_shared<const Secret>(std::move(stored.value)), stored.version};
}

Result<std::uint64_t> StoreSource::put(const SecretName& name, const Secret& value) {
    ATTESTD_TRY(SealedStore* const store, opened());
    return store->put(name, value);
}

Result<std::vector<std::uint64_t>> StoreSource::put_all(std::span<const NewSecret> secrets,
                                                        ExistingSecrets existing) {
    ATTESTD_TRY(SealedStore* const store, opened());
    return store->put_all(secrets, existing);
}

Result<std::vector<NewSecret>> StoreSource::get_all(std::span<const SecretName> names,
                                                    std::size_t max_len) {
    ATTESTD_TRY(SealedStore* const store, opened());
    std::vector<SecretName> wanted(names.begin(), names.end());
    if (wanted.empty()) {
        ATTESTD_TRY(const StoreListing listing, store->list());
        if (!listing.damaged.empty()) return fail(Errc::store_corrupt, listing.damaged.front());
        for (const StoredName& stored : listing.names) wanted.push_back(stored.name);
    }
    std::vector<NewSecret> out;
    std::size_t len = 0;
    for (const SecretName& name : wanted) {
        ATTESTD_TRY(StoredSecret stored, store->get(name));
        len += stored.value.size();
        if (len > max_len) {
            return fail(Errc::too_large,
                        fmt::format("the secrets have over {} bytes together: name some of them, "
                                    "and use several requests",
                                    max_len));
        }
        out.push_back({name, std::move(stored.value), stored.version});
    }
    return out;
}

Result<void> StoreSource::remove(const SecretName& name) {
    ATTESTD_TRY(SealedStore* const store, opened());
    return store->remove(name);
}

Result<StoreListing> StoreSource::list() {
    ATTESTD_TRY(SealedStore* const store, opened());
    return store->list();
}

Result<StoreStatus> StoreSource::status() {
    ATTESTD_TRY(SealedStore* const store, opened());
    return store->status();
}

}  // namespace attestd
