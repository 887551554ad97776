// StoreKeys: what is derived from the store key, each part for one purpose.
#pragma once

#include <string>

#include "agent/secret_name.h"
#include "agent/store/internal/crypto.h"

namespace attestd::store {

using StoreId = ByteArray<16>;

struct StoreKeys {
    Secret record;  ///< input of each record's own key
    Secret name;    ///< makes file names out of secrets' names
    Secret salt;    ///< hedges the random generator, see fresh_salt()
    Secret slot;    ///< authenticates slot files
    Secret batch;   ///< authenticates a batch
    StoreId id;     ///< public; tells stores apart

    /// Errc::crypto_failed, Errc::memory_locked.
    [[nodiscard]] static Result<StoreKeys> derive(const Secret& store_key);
};

/// The salt for sealing a message that is `fixed` (of one length at each caller) then `rest`, with
/// the bytes `random` of the random generator.
///
/// It is a MAC over all three, so two messages never share a salt, and with it key and nonce: not
/// when two machines go on from one snapshot of the disk (their `random` differs), and not when
/// they go on from one snapshot of the memory, whose generators may give the same bytes (then their
/// messages differ, or are one and the same message).
[[nodiscard]] Result<Salt> fresh_salt(const StoreKeys& keys, const Salt& random, ByteView fixed,
                                      ByteView rest);

/// The file that holds the record of `name`: it tells nothing about the name to whoever lacks the
/// key.
[[nodiscard]] Result<std::string> record_file(const StoreKeys& keys, const SecretName& name);

/// Whether `file` looks like a record's file.
[[nodiscard]] bool is_record_file(std::string_view file) noexcept;

}  // namespace attestd::store
