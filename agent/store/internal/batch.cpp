#include "agent/store/internal/batch.h"

#include <fmt/format.h>

#include "agent/store/internal/bytes.h"
#include "quote/base/reader.h"

namespace attestd::store {
namespace {

constexpr std::string_view kBatchMagic = "ATSDBAT1";
constexpr std::size_t kBatchHeadLen = 8 + 4;

tl::unexpected<Error> corrupt_batch(std::string_view why) {
    return fail(Errc::store_corrupt, fmt::format("{}: {}", kBatchFile, why));
}

Result<std::vector<ByteView>> read_records(ByteView body) {
    Reader in(body);
    ATTESTD_TRY(const ByteView magic, in.bytes(kBatchMagic.size(), "magic"));
    if (!equal(magic, as_bytes(kBatchMagic))) return corrupt_batch("of another version");
    ATTESTD_TRY(const std::uint32_t count, in.u32le("number of records"));
    std::vector<ByteView> out;
    for (std::uint32_t i = 0; i < count; ++i) {
        ATTESTD_TRY(const std::uint32_t len, in.u32le("length of a record"));
        ATTESTD_TRY(const ByteView record, in.bytes(len, "record"));
        out.push_back(record);
    }
    ATTESTD_CHECK(in.finish("batch"));
    return out;
}

}  // namespace

Result<Bytes> write_batch(const StoreKeys& keys, std::span<const Bytes> records) {
    Bytes out = to_bytes(as_bytes(kBatchMagic));
    append_le(out, static_cast<std::uint32_t>(records.size()));
    for (const Bytes& record : records) {
        append_le(out, static_cast<std::uint32_t>(record.size()));
        append(out, record);
    }
    if (records.size() > kMaxBatchRecords || out.size() + sizeof(Sha256) > kMaxBatchLen) {
        return fail(Errc::too_large,
                    fmt::format("at most {} secrets and {} bytes in all are stored together",
                                kMaxBatchRecords, kMaxBatchLen));
    }
    ATTESTD_TRY(const Sha256 mac, hmac(keys.batch, {out}));
    append(out, mac);
    return out;
}

Result<std::vector<ByteView>> parse_batch(const StoreKeys& keys, ByteView file) {
    if (file.size() < kBatchHeadLen + sizeof(Sha256)) return corrupt_batch("too short");
    const ByteView body = file.first(file.size() - sizeof(Sha256));
    ATTESTD_TRY(const Sha256 mac, hmac(keys.batch, {body}));
    if (!equal_constant_time(mac, file.subspan(body.size())))
        return corrupt_batch("it was changed, or is another store's");
    auto records = read_records(body);
    if (!records) return corrupt_batch(records.error().detail);
    return records;
}

}  // namespace attestd::store
