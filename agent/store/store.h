// SealedStore: secrets in files on a disk that belongs to the host.
//
// One random store key seals every record (record.h). The store key itself lies in key slots
// (slot.h), each closed with a key of another origin (slot_key.h); any one opens the store. The
// disk's owner can delete or roll back what is there, but reads neither secrets nor names, and
// changes nothing unnoticed.
//
// What is acknowledged is on disk: a crash at any instant leaves the old state or the new. Calls
// block, and one thread at a time makes them; one process at a time has the store open.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/secret_name.h"
#include "agent/store/folder.h"
#include "agent/store/random_value.h"
#include "agent/store/slot_key.h"
#include "quote/base/secret.h"

namespace attestd {

/// Whether configuration states that the image which this machine runs is measured. Without that, a
/// key that the hardware derives from the measurement is anyone's who changes the image.
enum class MeasuredImage : std::uint8_t { not_stated, stated };

struct StoredSecret {
    Secret value;
    std::uint64_t version;  ///< grows with every put, rotate and remove of this name; the ETag
};

/// One of several secrets that are stored together.
struct NewSecret {
    SecretName name;
    Secret value;
    std::uint64_t min_version = 0;  ///< it gets at least this one; 0: whatever comes next
};

enum class ExistingSecrets : std::uint8_t { refuse, replace };

struct StoredName {
    SecretName name;
    std::uint64_t version;
    std::size_t value_len;
};

enum class SlotState : std::uint8_t {
    sound,         ///< authenticated by the store key
    damaged,       ///< does not parse, or is not this store's
    unknown_kind,  ///< written by a newer version; kept, not used
};
[[nodiscard]] std::string_view slot_state_name(SlotState state) noexcept;

struct SlotInfo {
    std::uint32_t number;
    SlotKind kind;  ///< meaningless when damaged
    SlotState state;
    std::string detail;  ///< what it is bound to, or what is wrong with it
    bool opened_this_time;
};

struct StoreListing {
    std::vector<StoredName> names;     ///< by name
    std::vector<std::string> damaged;  ///< why, and which file; these records are not among `names`
};

struct StoreStatus {
    std::string where;
    std::string id;  ///< 32 hex digits, made from the store key: the same for the life of the store
    std::vector<SlotInfo> slots;
    std::size_t num_records =
        0;  ///< files, those that only remember a removed name's version included
    std::size_t num_foreign = 0;  ///< files that are not the store's; they are left alone
    std::string rollback = "undetected";
    std::vector<std::string> warnings;  ///< a single slot, a damaged slot, foreign files
};

class SealedStore final {
 public:
    /// Makes a store with a fresh key in an empty folder, with one slot for each of `slots` (at
    /// least one), in their order: put first the one that this machine opens by itself.
    /// Errc::store_slot when the folder holds a store, or for a platform slot without a measured
    /// image; else the error of folder or slot key.
    [[nodiscard]] static Result<SealedStore> create(std::unique_ptr<Folder> folder,
                                                    std::span<SlotKey* const> slots,
                                                    MeasuredImage measured);

    /// Opens a store with whichever of `keys` opens one of its slots. Errc::not_found when there is
    /// no slot at all; Errc::store_corrupt when every slot is damaged; Errc::store_locked when none
    /// opens, with the reason for each.
    [[nodiscard]] static Result<SealedStore> open(std::unique_ptr<Folder> folder,
                                                  std::span<SlotKey* const> keys,
                                                  MeasuredImage measured);

    SealedStore(SealedStore&&) noexcept;
    SealedStore& operator=(SealedStore&&) noexcept;
    ~SealedStore();

    /// Errc::secret_unavailable when there is none of that name; Errc::store_corrupt when its
    /// record is damaged or of another store; Errc::store_rollback when it is older than one that
    /// this process saw, or gone; Errc::memory_locked.
    [[nodiscard]] Result<StoredSecret> get(const SecretName& name);

    /// Stores `value` under a version above every earlier one of this name, and returns the
    /// version. Errc::secret_too_large, Errc::bad_value for an empty value, Errc::no_space,
    /// Errc::io_failed, Errc::store_corrupt when the record to be replaced is damaged (its version
    /// cannot be known: remove the named file first).
    [[nodiscard]] Result<std::uint64_t> put(const SecretName& name, const Secret& value);

    /// Stores all of `secrets` or none, also when the machine stops at any instant; returns their
    /// versions. Errors of put; Errc::bad_value when a name is there twice; Errc::too_large when
    /// there are over 256 or all of them together are too long (kMaxBatchLen);
    /// Errc::provision_exists when one is stored already and that is not allowed. Once they are
    /// written down together they are stored; what the disk has no room to put in its place then,
    /// every later call puts there first, and fails while it cannot.
    [[nodiscard]] Result<std::vector<std::uint64_t>> put_all(std::span<const NewSecret> secrets,
                                                             ExistingSecrets existing);

    /// Replaces the value by a fresh random one, as long as it was unless told otherwise; returns
    /// the new version. The old value is gone, as after put. Errors of get, put and random_value().
    [[nodiscard]] Result<std::uint64_t> rotate(const SecretName& name, const Rotation& how = {});

    /// Replaces the value of a secret that is there. Errors of get and put.
    [[nodiscard]] Result<std::uint64_t> replace(const SecretName& name, const Secret& value);

    /// Forgets the value; the version is remembered, so that a later put is newer. Errors of get
    /// and put.
    [[nodiscard]] Result<void> remove(const SecretName& name);

    /// Every name. A damaged record does not hide the others.
    [[nodiscard]] Result<StoreListing> list();

    /// Adds a slot; on return it is on disk and has been read back. Returns its number.
    /// Errc::store_slot for a platform slot without a measured image, or when 32 slots are in use.
    [[nodiscard]] Result<std::uint32_t> add_slot(SlotKey& key);

    /// Drops a slot, sound or damaged. Errc::store_slot when there is no such slot or no other
    /// sound slot would be left. A copy of the disk made earlier still holds the slot.
    [[nodiscard]] Result<void> drop_slot(std::uint32_t number);

    [[nodiscard]] Result<std::vector<SlotInfo>> slots();
    [[nodiscard]] Result<StoreStatus> status();

 private:
    struct Impl;
    explicit SealedStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// The slots of a store that is not opened: state tells damage that shows without the store key
/// (`sound` then means "parses"). For `attestctl store slots` on an offline folder.
[[nodiscard]] Result<std::vector<SlotInfo>> inspect_slots(Folder& folder);

}  // namespace attestd
