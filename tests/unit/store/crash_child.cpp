// What crash_test.cpp runs and kills: one operation on the store at a path. A program of its own,
// since memory for secrets does not live on in a forked child.
//
//   store-crash-child create|put|put-all|replace-slot|put-loop PATH VERSION
// It stops itself (SIGSTOP) when it is about to begin, and exits 0 when the operation was
// acknowledged. put-loop puts one version after the other and writes each acknowledged number to
// standard output.
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/store/recovery_slot.h"
#include "agent/store/snp_slot.h"
#include "agent/store/store.h"
#include "tests/unit/store/fake_machine.h"

namespace attestd::test {
namespace {

enum Exit : int { acknowledged = 0, failed = 1, usage = 2 };

FakeMachine machine;
SnpSlotKey snp(machine, DerivedKeyRequest{});

Result<SealedStore> open(const char* path) {
    ATTESTD_TRY(auto folder, DiskFolder::open(path, MissingFolder::refuse));
    const std::vector<SlotKey*> keys{&snp};
    return SealedStore::open(std::move(folder), keys, MeasuredImage::stated);
}

Result<void> create(const char* path) {
    ATTESTD_TRY(const RecoveryKeyPair pair, make_recovery_key(RecoveryAlgorithm::x25519));
    ATTESTD_TRY(RecoverySlotKey recovery,
                RecoverySlotKey::from_public_pem(as_bytes(pair.public_pem)));
    ATTESTD_TRY(auto folder, DiskFolder::open(path, MissingFolder::make));
    const std::vector<SlotKey*> slots{&snp, &recovery};
    ATTESTD_CHECK(SealedStore::create(std::move(folder), slots, MeasuredImage::stated));
    return {};
}

Result<void> put(SealedStore& store, std::uint64_t version) {
    ATTESTD_TRY(const SecretName name, SecretName::parse("a"));
    ATTESTD_TRY(const Secret value, Secret::copy_of(as_bytes(fmt::format("value {}", version))));
    ATTESTD_TRY(const std::uint64_t stored, store.put(name, value));
    if (stored != version) return fail(Errc::internal, "another version");
    return {};
}

// "a", "b" and "c" together, each with the value of its version.
Result<void> put_all(SealedStore& store, std::uint64_t version) {
    std::vector<NewSecret> secrets;
    for (const char* text : {"a", "b", "c"}) {
        ATTESTD_TRY(SecretName name, SecretName::parse(text));
        ATTESTD_TRY(Secret value, Secret::copy_of(as_bytes(fmt::format("value {}", version))));
        secrets.push_back({std::move(name), std::move(value)});
    }
    ATTESTD_CHECK(store.put_all(secrets, ExistingSecrets::replace));
    return {};
}

Result<void> replace_slot(SealedStore& store) {
    ATTESTD_TRY(const auto slots, store.slots());
    ATTESTD_CHECK(store.add_slot(snp));
    return store.drop_slot(slots.front().number);
}

Result<void> put_loop(SealedStore& store, std::uint64_t version) {
    for (;; ++version) {
        ATTESTD_CHECK(put(store, version));
        if (::write(STDOUT_FILENO, &version, sizeof version) != sizeof version) return {};
    }
}

Result<void> run(std::string_view operation, const char* path, std::uint64_t version) {
    if (operation == "create") return create(path);
    ATTESTD_TRY(SealedStore store, open(path));
    if (operation == "put") return put(store, version);
    if (operation == "put-all") return put_all(store, version);
    if (operation == "replace-slot") return replace_slot(store);
    if (operation == "put-loop") return put_loop(store, version);
    return fail(Errc::bad_usage, "no such operation");
}

}  // namespace
}  // namespace attestd::test

int main(int argc, char** argv) {
    using namespace attestd::test;
    std::uint64_t version = 0;
    if (argc != 4) return usage;
    const std::string_view digits = argv[3];
    if (std::from_chars(digits.data(), digits.data() + digits.size(), version).ec != std::errc{})
        return usage;
    std::raise(SIGSTOP);
    // At once: a leak check at exit does not work under a tracer.
    std::_Exit(run(argv[1], argv[2], version) ? acknowledged : failed);
}
