// Several secrets stored together: all or none.
#include <fmt/format.h>

#include <limits>
#include <set>

#include "agent/store/internal/batch.h"
#include "agent/store/internal/store_impl.h"

namespace attestd {

using namespace store;

namespace {

Result<void> check_batch(std::span<const NewSecret> secrets) {
    std::set<SecretName> seen;
    for (const NewSecret& secret : secrets) {
        if (!seen.insert(secret.name).second)
            return fail(Errc::bad_value, secret.name.text() + ": is there twice");
        ATTESTD_CHECK(check_value(secret.name, secret.value));
    }
    return {};
}

}  // namespace

// Puts the records of a batch that is written down in their places.
Result<void> SealedStore::Impl::settle() {
    if (!batch_pending) return {};
    const auto bytes = folder->read(kBatchFile, kMaxBatchLen);
    if (!bytes && bytes.error().code == Errc::not_found) {
        batch_pending = false;
        return {};
    }
    if (!bytes) return tl::make_unexpected(bytes.error());
    const auto records = parse_batch(keys, *bytes);
    if (!records) return fail_in(folder->where(), records.error());
    for (const ByteView file : *records) {
        ATTESTD_TRY(const Record record, open_record(keys, file));
        ATTESTD_TRY(const std::uint64_t present, current_version(record.name));
        if (record.version <= present) continue;
        ATTESTD_TRY(const std::string name, record_file(keys, record.name));
        ATTESTD_CHECK(folder->replace(name, file));
        note_newest(record.name, record.version);
    }
    ATTESTD_CHECK(folder->remove(kBatchFile));
    batch_pending = false;
    return {};
}

// The version that a new value of the name gets.
Result<std::uint64_t> SealedStore::Impl::next_version(const NewSecret& secret,
                                                      ExistingSecrets existing) {
    ATTESTD_TRY(const auto record, read(secret.name));
    const bool is_there = record && record->kind == RecordKind::value;
    if (is_there && existing == ExistingSecrets::refuse) {
        return fail(Errc::provision_exists,
                    secret.name.text() + ": is in the store already; nothing was stored");
    }
    const std::uint64_t present = record ? record->version : 0;
    if (std::max(present, secret.min_version) == std::numeric_limits<std::uint64_t>::max())
        return fail(Errc::store_corrupt, secret.name.text() + ": no version is left");
    return std::max(present + 1, secret.min_version);
}

Result<std::vector<std::uint64_t>> SealedStore::put_all(std::span<const NewSecret> secrets,
                                                        ExistingSecrets existing) {
    ATTESTD_CHECK(check_batch(secrets));
    ATTESTD_CHECK(impl_->settle());
    std::vector<std::uint64_t> versions;
    std::vector<Bytes> records;
    for (const NewSecret& secret : secrets) {
        ATTESTD_TRY(const std::uint64_t version, impl_->next_version(secret, existing));
        ATTESTD_TRY(const Salt random, random_salt());
        ATTESTD_TRY(Bytes record,
                    seal_record(impl_->keys, secret.name, version, secret.value, random));
        versions.push_back(version);
        records.push_back(std::move(record));
    }
    ATTESTD_TRY(const Bytes batch, write_batch(impl_->keys, records));
    // From here on it may be on the disk, whatever is said of it.
    impl_->batch_pending = true;
    if (auto written = impl_->folder->replace(kBatchFile, batch); !written) {
        if (impl_->folder->remove(kBatchFile)) impl_->batch_pending = false;
        return tl::make_unexpected(std::move(written).error());
    }
    // They are stored: what cannot be put in its place now, every later call puts there first.
    static_cast<void>(impl_->settle());
    return versions;
}

}  // namespace attestd
