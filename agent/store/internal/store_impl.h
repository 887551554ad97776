// What an open SealedStore holds, for the files that implement it.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/store/internal/keys.h"
#include "agent/store/internal/record.h"
#include "agent/store/store.h"

namespace attestd {

struct SealedStore::Impl {
    std::unique_ptr<Folder> folder;
    MeasuredImage measured;
    Secret store_key;
    store::StoreKeys keys;
    std::optional<std::uint32_t> opened_with;
    // The newest version of each name that this process met: a record that goes back, or is gone,
    // while we run was put back by the disk's owner.
    std::map<SecretName, std::uint64_t> newest;

    /// A batch may be written down and not yet be in the records (batch.h).
    bool batch_pending;

    [[nodiscard]] Result<void> settle();
    [[nodiscard]] Result<std::uint64_t> next_version(const NewSecret& secret,
                                                     ExistingSecrets existing);
    [[nodiscard]] Result<std::optional<store::Record>> read(const SecretName& name);
    [[nodiscard]] Result<std::uint64_t> write(const SecretName& name, std::uint64_t after,
                                              const Secret& value);
    [[nodiscard]] Result<std::uint64_t> current_version(const SecretName& name);
    [[nodiscard]] Result<std::uint32_t> write_new_slot(SlotKey& key);
    [[nodiscard]] Result<void> read_back(std::uint32_t number, const Secret& slot_key);
    [[nodiscard]] Result<std::vector<SlotInfo>> slots();
    void note_newest(const SecretName& name, std::uint64_t version) {
        std::uint64_t& known = newest[name];
        known = std::max(known, version);
    }
};

}  // namespace attestd
