#include "agent/store/internal/slot.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "agent/store/internal/bytes.h"
#include "quote/base/reader.h"

namespace attestd::store {
namespace {

constexpr std::string_view kSlotMagic = "ATSDSLT1";
constexpr std::string_view kSlotInfo = "attestd store slot v1";
constexpr std::string_view kFilePrefix = "slot-";

tl::unexpected<Error> corrupt_slot(std::string_view why) {
    return fail(Errc::store_corrupt, std::string(why));
}

Result<Slot> read_slot(Reader in, ByteView file) {
    Slot slot{};
    ATTESTD_TRY(const ByteView magic, in.bytes(kSlotMagic.size(), "magic"));
    if (!equal(magic, as_bytes(kSlotMagic)))
        return corrupt_slot("the file does not start as a key slot does");
    ATTESTD_TRY(slot.number, in.u32le("number"));
    ATTESTD_TRY(const std::uint16_t kind, in.u16le("kind"));
    slot.kind = static_cast<SlotKind>(kind);
    ATTESTD_TRY(slot.store, in.array<sizeof(StoreId)>("store"));
    ATTESTD_TRY(slot.salt, in.array<kSaltLen>("salt"));
    ATTESTD_TRY(const std::uint16_t params_len, in.u16le("params length"));
    if (params_len > kMaxSlotParamsLen) return corrupt_slot("the params are too long");
    ATTESTD_TRY(const ByteView params, in.bytes(params_len, "params"));
    slot.params = to_bytes(params);
    slot.head = to_bytes(file.first(in.offset()));
    ATTESTD_TRY(slot.wrapped, in.array<kWrappedLen>("wrapped key"));
    slot.authenticated = to_bytes(file.first(in.offset()));
    ATTESTD_TRY(slot.mac, in.array<sizeof(Sha256)>("authentication code"));
    const std::size_t digested_len = in.offset();
    ATTESTD_TRY(const Sha256 digest, in.array<sizeof(Sha256)>("digest"));
    ATTESTD_CHECK(in.finish("slot"));
    if (digest != sha256(file.first(digested_len)))
        return corrupt_slot("its digest is wrong: the file is damaged");
    return slot;
}

Bytes write_head(const StoreId& store, std::uint32_t number, SlotKind kind, const Salt& salt,
                 ByteView params) {
    Bytes head = to_bytes(as_bytes(kSlotMagic));
    append_le<std::uint32_t>(head, number);
    append_le<std::uint16_t>(head, static_cast<std::uint16_t>(kind));
    append(head, store);
    append(head, salt);
    append_le<std::uint16_t>(head, static_cast<std::uint16_t>(params.size()));
    append(head, params);
    return head;
}

}  // namespace

std::string slot_file(std::uint32_t number) { return fmt::format("{}{}", kFilePrefix, number); }

std::optional<std::uint32_t> slot_number(std::string_view file) noexcept {
    if (!file.starts_with(kFilePrefix)) return std::nullopt;
    const std::string_view digits = file.substr(kFilePrefix.size());
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const bool canonical = digits == "0" || !digits.starts_with('0');
    if (error != std::errc{} || end != digits.data() + digits.size() || !canonical ||
        number >= kMaxSlots) {
        return std::nullopt;
    }
    return number;
}

Result<Slot> parse_slot(ByteView file, std::uint32_t number) {
    auto slot = read_slot(Reader(file), file);
    if (!slot) return corrupt_slot(slot.error().detail);
    if (slot->number != number) return corrupt_slot("it has the number of another slot");
    return slot;
}

Result<Bytes> write_slot(const StoreKeys& keys, const Secret& store_key, std::uint32_t number,
                         SlotKind kind, const NewSlotKey& slot_key, const Salt& random) {
    if (slot_key.params.size() > kMaxSlotParamsLen || slot_key.key.size() != kKeyLen) {
        return fail(Errc::store_slot, "a slot's key is 32 bytes and its params at most 4096");
    }
    const Bytes unsalted = write_head(keys.id, number, kind, Salt{}, slot_key.params);
    ATTESTD_TRY(const Salt salt, fresh_salt(keys, random, {}, unsalted));
    Bytes out = write_head(keys.id, number, kind, salt, slot_key.params);
    ATTESTD_TRY(SealKey key, SealKey::derive(slot_key.key, salt, kSlotInfo));
    ATTESTD_TRY(const Bytes wrapped, store_key.expose([&](ByteView bytes) {
        return std::move(key).seal(out, {bytes});
    }));
    append(out, wrapped);
    ATTESTD_TRY(const Sha256 mac, hmac(keys.slot, {out}));
    append(out, mac);
    append(out, sha256(out));
    return out;
}

Result<Secret> unwrap(const Slot& slot, const Secret& slot_key) {
    if (slot_key.size() != kKeyLen) return fail(Errc::store_slot, "a slot's key is 32 bytes");
    ATTESTD_TRY(const SealKey key, SealKey::derive(slot_key, slot.salt, kSlotInfo));
    ATTESTD_TRY(Secret store_key, Secret::zeroed(kKeyLen));
    const auto opened = store_key.fill(
        [&](std::span<std::uint8_t> to) { return key.open(slot.head, slot.wrapped, {to}); });
    if (!opened) return fail(Errc::store_locked, "the key is not the one that closed it");
    return store_key;
}

Result<void> authenticate(const Slot& slot, const StoreKeys& keys) {
    ATTESTD_TRY(const Sha256 mac, hmac(keys.slot, {slot.authenticated}));
    if (slot.store != keys.id) return corrupt_slot("it belongs to another store");
    if (!equal_constant_time(mac, slot.mac))
        return corrupt_slot("it is not as this store wrote it");
    return {};
}

}  // namespace attestd::store
