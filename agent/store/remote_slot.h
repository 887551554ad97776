// The `remote` key slot: closed with a key made from a secret that another source has, such as a
// key broker that gives it against evidence. The way to an own store for guests without derived
// keys (TDX).
//
//     key = HKDF-SHA256(ikm = the secret, salt = 32 random bytes of the slot, info = "attestd store
//     remote slot v1")
// The slot records salt, source and resource. What it names is compared with the configuration and
// never asked for by itself: the slot lies on a disk that the host can write.
#pragma once

#include "agent/store/slot_key.h"

namespace attestd {

inline constexpr std::size_t kMinRemoteSecretLen = 32;

class RemoteSlotKey final : public SlotKey {
 public:
    /// `secret` is what `source` has under the name `resource`. Errc::store_slot when it is shorter
    /// than 32 bytes: it must be a key, not a password.
    [[nodiscard]] static Result<RemoteSlotKey> from_secret(const Secret& secret, std::string source,
                                                           std::string resource);

    [[nodiscard]] SlotKind kind() const noexcept override { return SlotKind::remote; }
    [[nodiscard]] Result<NewSlotKey> make() override;
    /// Errc::store_slot when the slot was made from another source or resource.
    [[nodiscard]] Result<Secret> recover(ByteView params) override;

 private:
    RemoteSlotKey(Secret secret, std::string source, std::string resource)
        : secret_(std::move(secret)), source_(std::move(source)), resource_(std::move(resource)) {}

    Secret secret_;
    std::string source_, resource_;
};

/// "secret keys/store of source broker". Errc::store_corrupt.
[[nodiscard]] Result<std::string> describe_remote_params(ByteView params);

}  // namespace attestd
