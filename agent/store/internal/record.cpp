#include "agent/store/internal/record.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/store/internal/bytes.h"
#include "quote/base/reader.h"

namespace attestd::store {
namespace {

constexpr std::string_view kRecordMagic = "ATSDREC1";
constexpr std::string_view kRecordInfo = "attestd store record v1";
constexpr std::size_t kNameAt = 14;

using Meta = ByteArray<kMetaLen>;
using ValueBlock = ByteArray<kValueBlock>;
constexpr ValueBlock kZeros{};

constexpr std::size_t padded_len(std::size_t value_len) noexcept {
    const std::size_t blocks = (value_len + kValueBlock - 1) / kValueBlock;
    return std::max<std::size_t>(blocks, 1) * kValueBlock;
}

tl::unexpected<Error> corrupt_record(std::string_view why) {
    return fail(Errc::store_corrupt, std::string(why));
}

Meta write_meta(const SecretName& name, std::uint64_t version, std::size_t value_len) {
    const RecordKind kind = value_len == 0 ? RecordKind::removed : RecordKind::value;
    Meta meta{};
    const std::span<std::uint8_t, kMetaLen> out(meta);
    store_le<std::uint64_t>(out.subspan<0, 8>(), version);
    store_le<std::uint32_t>(out.subspan<8, 4>(), static_cast<std::uint32_t>(value_len));
    meta[12] = static_cast<std::uint8_t>(kind);
    meta[13] = static_cast<std::uint8_t>(name.text().size());
    std::copy(name.text().begin(), name.text().end(), meta.begin() + kNameAt);
    return meta;
}

// What meta says, and how long the value is. Only ever called on authenticated bytes; checked all
// the same, so that a version which writes something else is refused and not half-understood.
Result<std::pair<Record, std::size_t>> read_meta(const Meta& meta) {
    Reader in(meta);
    ATTESTD_TRY(const std::uint64_t version, in.u64le("version"));
    ATTESTD_TRY(const std::uint32_t value_len, in.u32le("value length"));
    ATTESTD_TRY(const std::uint8_t kind_byte, in.u8("kind"));
    ATTESTD_TRY(const std::uint8_t name_len, in.u8("name length"));
    ATTESTD_TRY(const ByteView name_bytes, in.bytes(name_len, "name"));
    ATTESTD_CHECK(in.zeros(in.remaining(), "after the name"));

    ATTESTD_TRY(SecretName name, SecretName::parse(as_text(name_bytes)));
    const auto kind = static_cast<RecordKind>(kind_byte);
    if (kind != RecordKind::value && kind != RecordKind::removed)
        return corrupt_record("unknown kind of record");
    if (version == 0) return corrupt_record("version 0");
    if ((value_len == 0) != (kind == RecordKind::removed) || value_len > kMaxSecretLen) {
        return corrupt_record("the value's length does not fit its kind");
    }
    return std::pair{Record{std::move(name), version, kind, Secret()}, std::size_t{value_len}};
}

Result<void> check_padding(const Secret& padded, std::size_t value_len) {
    if (padded.size() != padded_len(value_len))
        return corrupt_record("the value's length is not the record's");
    const bool zero =
        padded.expose([&](ByteView bytes) { return all_zero(bytes.subspan(value_len)); });
    if (!zero) return corrupt_record("the padding is not zero");
    return {};
}

}  // namespace

Result<void> check_value(const SecretName& name, const Secret& value) {
    if (value.empty())
        return fail(Errc::bad_value, name.text() + ": an empty secret is not stored");
    if (value.size() <= kMaxSecretLen) return {};
    return fail(Errc::secret_too_large, fmt::format("{}: {} bytes, at most {} are stored",
                                                    name.text(), value.size(), kMaxSecretLen));
}

Result<Bytes> seal_record(const StoreKeys& keys, const SecretName& name, std::uint64_t version,
                          const Secret& value, const Salt& random) {
    const Meta meta = write_meta(name, version, value.size());
    return value.expose([&](ByteView bytes) -> Result<Bytes> {
        ATTESTD_TRY(const Salt salt, fresh_salt(keys, random, meta, bytes));
        Bytes out = to_bytes(as_bytes(kRecordMagic));
        append(out, salt);
        ATTESTD_TRY(SealKey key, SealKey::derive(keys.record, salt, kRecordInfo));
        const ByteView padding = ByteView(kZeros).first(padded_len(bytes.size()) - bytes.size());
        ATTESTD_TRY(const Bytes sealed, std::move(key).seal(out, {meta, bytes, padding}));
        append(out, sealed);
        return out;
    });
}

Result<Record> open_record(const StoreKeys& keys, ByteView file) {
    if (file.size() < kMinRecordLen || file.size() > kMaxRecordLen) {
        return corrupt_record("the file has a length that no record has");
    }
    Reader in(file);
    ATTESTD_TRY(const ByteView magic, in.bytes(kRecordMagic.size(), "magic"));
    if (!equal(magic, as_bytes(kRecordMagic)))
        return corrupt_record("the file does not start as a record does");
    ATTESTD_TRY(const Salt salt, in.array<kSaltLen>("salt"));

    Meta meta{};
    ATTESTD_TRY(Secret value, Secret::zeroed(in.remaining() - kMetaLen - kTagLen));
    ATTESTD_TRY(const SealKey key, SealKey::derive(keys.record, salt, kRecordInfo));
    ATTESTD_CHECK(value.fill([&](std::span<std::uint8_t> to) {
        return key.open(file.first(kRecordHeadLen), in.rest(), {meta, to});
    }));

    auto parsed = read_meta(meta);
    if (!parsed) return corrupt_record(parsed.error().detail);
    auto& [record, value_len] = *parsed;
    ATTESTD_CHECK(check_padding(value, value_len));
    value.truncate(value_len);
    record.value = std::move(value);
    return std::move(record);
}

}  // namespace attestd::store
