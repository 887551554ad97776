// A batch: several records that take effect together. Parsing and writing of the format in one
// place.
//
//   0    8  "ATSDBAT1"
//   8    4  number of records, then for each: 4 its length, and its file's bytes; little-endian
//        32  HMAC-SHA256 of all before, under a key of the store
//
// The file `batch` is a redo log. It is written first, as a whole; then the records are replaced
// one by one, and then it is removed. Whoever finds it does the same again, for each record that is
// newer than the one in its place.
#pragma once

#include <span>
#include <vector>

#include "agent/store/internal/keys.h"

namespace attestd::store {

inline constexpr const char* kBatchFile = "batch";
inline constexpr std::size_t kMaxBatchRecords = 256;
inline constexpr std::size_t kMaxBatchLen = std::size_t{4} << 20;

/// Errc::too_large above the two limits; Errc::crypto_failed.
[[nodiscard]] Result<Bytes> write_batch(const StoreKeys& keys, std::span<const Bytes> records);

/// The records in `file`, as ranges into it. Errc::store_corrupt for anything that write_batch()
/// did not write under these keys.
[[nodiscard]] Result<std::vector<ByteView>> parse_batch(const StoreKeys& keys, ByteView file);

}  // namespace attestd::store
