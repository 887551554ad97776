// What the tests of the sealed store share: a machine that derives keys, and stores on a real
// folder.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "agent/store/recovery_slot.h"
#include "agent/store/snp_slot.h"
#include "agent/store/store.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/fake_machine.h"

namespace attestd::test {

inline Secret secret_of(std::string_view text) { return Secret::copy_of(as_bytes(text)).value(); }

inline std::string text_of(const Secret& secret) {
    return secret.expose([](ByteView bytes) { return std::string(as_text(bytes)); });
}

inline SecretName name_of(std::string_view text) { return SecretName::parse(text).value(); }

inline std::unique_ptr<Folder> folder_at(const std::filesystem::path& path) {
    auto folder = DiskFolder::open(path, MissingFolder::make);
    INFO((folder ? std::string() : to_string(folder.error())));
    REQUIRE(folder);
    return *std::move(folder);
}

inline RecoverySlotKey recovery_from(const RecoveryKeyPair& pair) {
    return RecoverySlotKey::from_private_pem(pair.private_pem).value();
}

/// A store on a folder of its own, with an `snp` and a `recovery` slot.
class StoreFixture {
 public:
    TempDir dir;
    FakeMachine machine;
    SnpSlotKey snp{machine, DerivedKeyRequest{}};
    RecoveryKeyPair pair = make_recovery_key(RecoveryAlgorithm::x25519).value();
    RecoverySlotKey recovery = recovery_from(pair);

    [[nodiscard]] std::filesystem::path path() const { return dir / "store"; }

    [[nodiscard]] SealedStore create() {
        const std::vector<SlotKey*> slots{&snp, &recovery};
        auto store = SealedStore::create(folder_at(path()), slots, MeasuredImage::stated);
        INFO((store ? std::string() : to_string(store.error())));
        REQUIRE(store);
        return *std::move(store);
    }

    [[nodiscard]] Result<SealedStore> open_with(std::vector<SlotKey*> keys) {
        return SealedStore::open(folder_at(path()), keys, MeasuredImage::stated);
    }
    [[nodiscard]] SealedStore open() {
        auto store = open_with({&snp});
        INFO((store ? std::string() : to_string(store.error())));
        REQUIRE(store);
        return *std::move(store);
    }

    /// Names of the files that begin with `prefix`.
    [[nodiscard]] std::vector<std::string> files(const std::string& prefix) const {
        std::vector<std::string> out;
        for (const auto& entry : std::filesystem::directory_iterator(path())) {
            const std::string name = entry.path().filename().string();
            if (name.starts_with(prefix)) out.push_back(name);
        }
        std::sort(out.begin(), out.end());
        return out;
    }
};

}  // namespace attestd::test
