#include "agent/store/internal/keys.h"

#include <algorithm>

#include "quote/base/encoding.h"

namespace attestd::store {
namespace {

constexpr std::string_view kRecordPrefix = "record-";
constexpr std::string_view kHexDigits = "0123456789abcdef";

// Each purpose has its own label, so that no derived key is ever another one.
Result<Secret> derived(const Secret& store_key, std::string_view label, std::size_t len = kKeyLen) {
    return hkdf(store_key, {}, label, len);
}

}  // namespace

Result<StoreKeys> StoreKeys::derive(const Secret& store_key) {
    ATTESTD_TRY(Secret record, derived(store_key, "attestd store record key v1"));
    ATTESTD_TRY(Secret name, derived(store_key, "attestd store file name v1"));
    ATTESTD_TRY(Secret salt, derived(store_key, "attestd store salt v1"));
    ATTESTD_TRY(Secret slot, derived(store_key, "attestd store slot authentication v1"));
    ATTESTD_TRY(Secret batch, derived(store_key, "attestd store batch authentication v1"));
    StoreId id{};
    ATTESTD_TRY(const Secret id_bytes, derived(store_key, "attestd store id v1", id.size()));
    id_bytes.expose([&](ByteView bytes) { std::copy(bytes.begin(), bytes.end(), id.begin()); });
    return StoreKeys{std::move(record), std::move(name),  std::move(salt),
                     std::move(slot),   std::move(batch), id};
}

Result<Salt> fresh_salt(const StoreKeys& keys, const Salt& random, ByteView fixed, ByteView rest) {
    return hmac(keys.salt, {random, fixed, rest});
}

Result<std::string> record_file(const StoreKeys& keys, const SecretName& name) {
    ATTESTD_TRY(const Sha256 digest, hmac(keys.name, {as_bytes(name.text())}));
    return std::string(kRecordPrefix) + to_hex(digest);
}

bool is_record_file(std::string_view file) noexcept {
    if (!file.starts_with(kRecordPrefix)) return false;
    file.remove_prefix(kRecordPrefix.size());
    return file.size() == 2 * sizeof(Sha256) && file.find_first_not_of(kHexDigits) == file.npos;
}

}  // namespace attestd::store
