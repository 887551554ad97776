#include "agent/store/store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "agent/store/internal/batch.h"
#include "agent/store/internal/record.h"
#include "agent/store/internal/slot.h"
#include "agent/store/internal/store_impl.h"
#include "quote/base/encoding.h"

namespace attestd {

using namespace store;

namespace {

// A slot file as it lies in the folder, before anything vouches for it.
struct FoundSlot {
    std::uint32_t number;
    Result<Slot> slot;
};

bool is_known_kind(SlotKind kind) noexcept { return slot_kind_name(kind) != "unknown"; }

Result<std::vector<FoundSlot>> find_slots(Folder& folder) {
    ATTESTD_TRY(const auto files, folder.list());
    std::vector<FoundSlot> found;
    for (const std::string& file : files) {
        const auto number = slot_number(file);
        if (!number) continue;
        auto bytes = folder.read(file, kMaxSlotLen);
        if (!bytes && bytes.error().code != Errc::store_corrupt)
            return tl::make_unexpected(bytes.error());
        found.push_back({*number, bytes ? parse_slot(*bytes, *number)
                                        : Result<Slot>(tl::make_unexpected(bytes.error()))});
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.number < b.number; });
    return found;
}

Result<void> check_allowed(SlotKind kind, MeasuredImage measured) {
    if (!is_platform_kind(kind) || measured == MeasuredImage::stated) return {};
    return fail(Errc::store_slot,
                fmt::format("a {} slot opens for whatever image this machine runs, and "
                            "configuration does not state that the image is measured "
                            "(\"measured_image\": true)",
                            slot_kind_name(kind)));
}

SlotInfo describe(const FoundSlot& found) {
    SlotInfo info{found.number, SlotKind{}, SlotState::damaged, {}, /*opened_this_time=*/false};
    if (!found.slot) {
        info.detail = found.slot.error().detail;
        return info;
    }
    info.kind = found.slot->kind;
    if (!is_known_kind(info.kind)) {
        info.state = SlotState::unknown_kind;
        info.detail =
            fmt::format("kind {} is not known to this version", static_cast<unsigned>(info.kind));
        return info;
    }
    auto words = describe_slot_params(info.kind, found.slot->params);
    info.state = words ? SlotState::sound : SlotState::damaged;
    info.detail = words ? *std::move(words) : words.error().detail;
    return info;
}

struct Opened {
    Secret store_key;
    StoreKeys keys;
    std::uint32_t number;
};

// Tries `key` on `slot`. Whatever is wrong with the slot itself is Errc::store_corrupt.
Result<Opened> try_slot(const Slot& slot, SlotKey& key, MeasuredImage measured) {
    ATTESTD_CHECK(check_allowed(slot.kind, measured));
    ATTESTD_TRY(const Secret slot_key, key.recover(slot.params));
    ATTESTD_TRY(Secret store_key, unwrap(slot, slot_key));
    ATTESTD_TRY(StoreKeys keys, StoreKeys::derive(store_key));
    ATTESTD_CHECK(authenticate(slot, keys));
    return Opened{std::move(store_key), std::move(keys), slot.number};
}

// Why no slot opened: the reason for each, and the code of the graver kind.
class Refusals {
 public:
    void add(std::uint32_t number, std::string_view kind, const Error& error) {
        reasons_.push_back(fmt::format("slot {} ({}): {}", number, kind, error.detail));
        all_damaged_ = all_damaged_ && error.code == Errc::store_corrupt;
        const bool may_pass = error.code == Errc::timed_out || error.code == Errc::unavailable;
        if (may_pass && !passing_) passing_ = error.code;
    }

    // A platform that did not answer may do so the next time: its own code tells the caller to try
    // again.
    [[nodiscard]] tl::unexpected<Error> error(const std::string& where) const {
        const Errc code =
            passing_.value_or(all_damaged_ ? Errc::store_corrupt : Errc::store_locked);
        return fail(code, fmt::format("{}: {}", where, fmt::join(reasons_, "; ")));
    }

 private:
    std::vector<std::string> reasons_;
    bool all_damaged_ = true;
    std::optional<Errc> passing_;
};

Result<Opened> open_any(const std::vector<FoundSlot>& found, std::span<SlotKey* const> keys,
                        MeasuredImage measured, const std::string& where) {
    Refusals refusals;
    for (const FoundSlot& candidate : found) {
        if (!candidate.slot) {
            refusals.add(candidate.number, "damaged", candidate.slot.error());
            continue;
        }
        const Slot& slot = *candidate.slot;
        const std::string_view kind = slot_kind_name(slot.kind);
        bool tried = false;
        for (SlotKey* const key : keys) {
            if (key->kind() != slot.kind) continue;
            tried = true;
            auto opened = try_slot(slot, *key, measured);
            if (opened) return opened;
            refusals.add(slot.number, kind, opened.error());
        }
        if (!tried)
            refusals.add(slot.number, kind, {Errc::store_locked, "no key of this kind at hand"});
    }
    return refusals.error(where);
}

}  // namespace

std::string_view slot_state_name(SlotState state) noexcept {
    switch (state) {
        case SlotState::sound:
            return "sound";
        case SlotState::damaged:
            return "damaged";
        case SlotState::unknown_kind:
            return "unknown-kind";
    }
    return "damaged";
}

Result<std::vector<SlotInfo>> inspect_slots(Folder& folder) {
    ATTESTD_TRY(const auto found, find_slots(folder));
    std::vector<SlotInfo> out;
    for (const FoundSlot& slot : found) out.push_back(describe(slot));
    return out;
}

// The record of `name`, of a removed value too; empty when there never was one.
Result<std::optional<Record>> SealedStore::Impl::read(const SecretName& name) {
    ATTESTD_TRY(const std::string file, record_file(keys, name));
    const auto known = newest.find(name);
    const auto bytes = folder->read(file, kMaxRecordLen);
    if (!bytes && bytes.error().code == Errc::not_found && known == newest.end()) {
        return std::optional<Record>();
    }
    const auto refused = [&](Errc code, std::string_view why) {
        return fail(code, fmt::format("{}: the record of {} ({}): {}", folder->where(), name.text(),
                                      file, why));
    };
    if (!bytes && bytes.error().code == Errc::not_found)
        return refused(Errc::store_rollback, "it has gone while attestd ran");
    if (!bytes) return tl::make_unexpected(bytes.error());
    auto record = open_record(keys, *bytes);
    if (!record && record.error().code == Errc::store_corrupt)
        return refused(Errc::store_corrupt, record.error().detail);
    if (!record) return tl::make_unexpected(std::move(record).error());
    if (record->name != name)
        return refused(Errc::store_corrupt, "it is the record of another name");
    if (known != newest.end() && record->version < known->second) {
        return refused(Errc::store_rollback, fmt::format("it went back from version {} to {}",
                                                         known->second, record->version));
    }
    note_newest(name, record->version);
    return std::optional<Record>(*std::move(record));
}

// An empty value writes the record of a removed one.
Result<std::uint64_t> SealedStore::Impl::write(const SecretName& name, std::uint64_t after,
                                               const Secret& value) {
    if (after == std::numeric_limits<std::uint64_t>::max()) {
        return fail(Errc::store_corrupt, name.text() + ": no version is left");
    }
    ATTESTD_TRY(const std::string file, record_file(keys, name));
    ATTESTD_TRY(const Salt random, random_salt());
    const std::uint64_t version = after + 1;
    ATTESTD_TRY(const Bytes bytes, seal_record(keys, name, version, value, random));
    ATTESTD_CHECK(folder->replace(file, bytes));
    note_newest(name, version);
    return version;
}

Result<std::uint64_t> SealedStore::Impl::current_version(const SecretName& name) {
    ATTESTD_TRY(const auto record, read(name));
    return record ? record->version : 0;
}

// The slot that was just written opens with its key and gives the store key: nothing else may be
// relied on when another slot is dropped next.
Result<void> SealedStore::Impl::read_back(std::uint32_t number, const Secret& slot_key) {
    ATTESTD_TRY(const Bytes bytes, folder->read(slot_file(number), kMaxSlotLen));
    ATTESTD_TRY(const Slot slot, parse_slot(bytes, number));
    ATTESTD_TRY(const Secret opened, unwrap(slot, slot_key));
    ATTESTD_CHECK(authenticate(slot, keys));
    if (!(opened == store_key)) return fail(Errc::store_corrupt, "the new slot holds another key");
    return {};
}

Result<std::uint32_t> SealedStore::Impl::write_new_slot(SlotKey& key) {
    ATTESTD_CHECK(check_allowed(key.kind(), measured));
    ATTESTD_TRY(const auto files, folder->list());
    std::uint32_t number = 0;
    while (number < kMaxSlots && std::binary_search(files.begin(), files.end(), slot_file(number)))
        ++number;
    if (number == kMaxSlots)
        return fail(Errc::store_slot, fmt::format("all {} slots are in use; drop one", kMaxSlots));

    ATTESTD_TRY(const NewSlotKey slot_key, key.make());
    ATTESTD_TRY(const Salt random, random_salt());
    ATTESTD_TRY(const Bytes bytes,
                write_slot(keys, store_key, number, key.kind(), slot_key, random));
    ATTESTD_CHECK(folder->replace(slot_file(number), bytes));
    ATTESTD_CHECK(read_back(number, slot_key.key));
    return number;
}

Result<std::vector<SlotInfo>> SealedStore::Impl::slots() {
    ATTESTD_TRY(const auto found, find_slots(*folder));
    std::vector<SlotInfo> out;
    for (const FoundSlot& candidate : found) {
        SlotInfo info = describe(candidate);
        if (candidate.slot) {
            if (const auto good = authenticate(*candidate.slot, keys); !good) {
                if (good.error().code != Errc::store_corrupt)
                    return tl::make_unexpected(good.error());
                info.state = SlotState::damaged;
                info.detail = good.error().detail;
            }
        }
        info.opened_this_time = opened_with == info.number;
        out.push_back(std::move(info));
    }
    return out;
}

SealedStore::SealedStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SealedStore::SealedStore(SealedStore&&) noexcept = default;
SealedStore& SealedStore::operator=(SealedStore&&) noexcept = default;
SealedStore::~SealedStore() = default;

Result<SealedStore> SealedStore::create(std::unique_ptr<Folder> folder,
                                        std::span<SlotKey* const> slots, MeasuredImage measured) {
    if (slots.empty()) return fail(Errc::store_slot, "a store needs at least one key slot");
    ATTESTD_TRY(const auto files, folder->list());
    const bool used = std::any_of(files.begin(), files.end(), [](const std::string& file) {
        return is_record_file(file) || slot_number(file).has_value() || file == kBatchFile;
    });
    // Records without a slot are still a store, which a slot from a backup opens.
    if (used) return fail(Errc::store_slot, folder->where() + ": holds a store already");
    for (const SlotKey* const key : slots) ATTESTD_CHECK(check_allowed(key->kind(), measured));

    ATTESTD_TRY(Secret store_key, Secret::random(kKeyLen));
    ATTESTD_TRY(StoreKeys keys, StoreKeys::derive(store_key));
    auto impl = std::make_unique<Impl>(Impl{std::move(folder),
                                            measured,
                                            std::move(store_key),
                                            std::move(keys),
                                            std::nullopt,
                                            {},
                                            false});
    for (SlotKey* const key : slots) ATTESTD_CHECK(impl->write_new_slot(*key));
    return SealedStore(std::move(impl));
}

Result<SealedStore> SealedStore::open(std::unique_ptr<Folder> folder,
                                      std::span<SlotKey* const> keys, MeasuredImage measured) {
    ATTESTD_TRY(const auto found, find_slots(*folder));
    if (found.empty())
        return fail(Errc::not_found, folder->where() + ": no key slot is there, so no store");
    ATTESTD_TRY(Opened opened, open_any(found, keys, measured, folder->where()));
    return SealedStore(std::make_unique<Impl>(Impl{std::move(folder),
                                                   measured,
                                                   std::move(opened.store_key),
                                                   std::move(opened.keys),
                                                   opened.number,
                                                   {},
                                                   /*batch_pending=*/true}));
}

Result<StoredSecret> SealedStore::get(const SecretName& name) {
    ATTESTD_CHECK(impl_->settle());
    ATTESTD_TRY(auto record, impl_->read(name));
    if (!record || record->kind == RecordKind::removed) {
        return fail(Errc::secret_unavailable, name.text() + ": not in the store");
    }
    return StoredSecret{std::move(record->value), record->version};
}

Result<std::uint64_t> SealedStore::put(const SecretName& name, const Secret& value) {
    ATTESTD_CHECK(check_value(name, value));
    ATTESTD_CHECK(impl_->settle());
    ATTESTD_TRY(const std::uint64_t version, impl_->current_version(name));
    return impl_->write(name, version, value);
}

Result<std::uint64_t> SealedStore::rotate(const SecretName& name, const Rotation& how) {
    ATTESTD_TRY(const StoredSecret old, get(name));
    ATTESTD_TRY(const Secret fresh, random_value(how.len.value_or(old.value.size()), how.alphabet));
    return impl_->write(name, old.version, fresh);
}

Result<std::uint64_t> SealedStore::replace(const SecretName& name, const Secret& value) {
    ATTESTD_CHECK(get(name));
    return put(name, value);
}

Result<void> SealedStore::remove(const SecretName& name) {
    ATTESTD_TRY(const StoredSecret old, get(name));
    ATTESTD_CHECK(impl_->write(name, old.version, Secret()));
    return {};
}

Result<StoreListing> SealedStore::list() {
    ATTESTD_CHECK(impl_->settle());
    ATTESTD_TRY(const auto files, impl_->folder->list());
    StoreListing out;
    for (const std::string& file : files) {
        if (!is_record_file(file)) continue;
        const auto damaged = [&](std::string_view why) {
            out.damaged.push_back(fmt::format("{}: {}", file, why));
        };
        const auto bytes = impl_->folder->read(file, kMaxRecordLen);
        if (!bytes && bytes.error().code != Errc::store_corrupt)
            return tl::make_unexpected(bytes.error());
        const auto record = bytes ? open_record(impl_->keys, *bytes)
                                  : Result<Record>(tl::make_unexpected(bytes.error()));
        if (!record && record.error().code != Errc::store_corrupt)
            return tl::make_unexpected(record.error());
        if (!record) {
            damaged(record.error().detail);
            continue;
        }
        ATTESTD_TRY(const std::string own_file, record_file(impl_->keys, record->name));
        if (own_file != file) {
            damaged("it is the record of another name");
        } else if (record->kind == RecordKind::value) {
            out.names.push_back({record->name, record->version, record->value.size()});
        }
    }
    std::sort(out.names.begin(), out.names.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
}

Result<std::uint32_t> SealedStore::add_slot(SlotKey& key) { return impl_->write_new_slot(key); }

Result<void> SealedStore::drop_slot(std::uint32_t number) {
    ATTESTD_TRY(const auto all, impl_->slots());
    const auto is_it = [&](const SlotInfo& slot) { return slot.number == number; };
    if (std::none_of(all.begin(), all.end(), is_it)) {
        return fail(Errc::store_slot, fmt::format("there is no slot {}", number));
    }
    const bool another = std::any_of(all.begin(), all.end(), [&](const SlotInfo& slot) {
        return !is_it(slot) && slot.state == SlotState::sound;
    });
    if (!another) {
        return fail(Errc::store_slot,
                    fmt::format("slot {} is the last sound one: add another first", number));
    }
    return impl_->folder->remove(slot_file(number));
}

Result<std::vector<SlotInfo>> SealedStore::slots() { return impl_->slots(); }

namespace {

void add_slot_warnings(StoreStatus& status) {
    std::size_t num_sound = 0;
    bool opens_alone = false;
    for (const SlotInfo& slot : status.slots) {
        if (slot.state == SlotState::damaged) {
            status.warnings.push_back(
                fmt::format("slot {} is damaged: {}", slot.number, slot.detail));
        }
        if (slot.state != SlotState::sound) continue;
        ++num_sound;
        opens_alone = opens_alone || slot.kind != SlotKind::recovery;
    }
    if (num_sound < 2) {
        status.warnings.push_back(
            "there is a single key slot: what closes it (a new image, firmware or "
            "host) loses the store; add a recovery slot");
    }
    if (!opens_alone) {
        status.warnings.push_back(
            "every slot is a recovery slot: the next start needs the operator's key");
    }
}

}  // namespace

Result<StoreStatus> SealedStore::status() {
    ATTESTD_TRY(const auto files, impl_->folder->list());
    StoreStatus out;
    out.where = impl_->folder->where();
    out.id = to_hex(impl_->keys.id);
    ATTESTD_TRY(out.slots, impl_->slots());
    for (const std::string& file : files) {
        if (is_record_file(file)) ++out.num_records;
        const bool own = is_record_file(file) || slot_number(file) || file == kBatchFile;
        if (!own) ++out.num_foreign;
    }
    add_slot_warnings(out);
    if (out.num_foreign != 0) {
        out.warnings.push_back(
            fmt::format("{} files in the folder are not the store's", out.num_foreign));
    }
    return out;
}

}  // namespace attestd
