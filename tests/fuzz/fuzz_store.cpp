// Files of the sealed store: records, key slots, batches. The disk's owner writes what he likes.
#include <array>

#include "agent/store/internal/batch.h"
#include "agent/store/internal/record.h"
#include "agent/store/internal/slot.h"
#include "agent/store/recovery_slot.h"
#include "agent/store/remote_slot.h"
#include "agent/store/snp_slot.h"
#include "agent/store/vtpm_slot.h"
#include "tests/fuzz/target.h"

namespace attestd::fuzz::store_files {
namespace {

using namespace attestd::store;

struct Files {
    Secret store_key = must(Secret::random(kKeyLen));
    StoreKeys keys = must(StoreKeys::derive(store_key));
    SecretName name = must(SecretName::parse("db/password"));
    Secret value = must(Secret::copy_of(as_bytes("a value")));
    Bytes record = must(seal_record(keys, name, 7, value, must(random_salt())));
    Bytes removed = must(seal_record(keys, name, 8, {}, must(random_salt())));
    NewSlotKey slot_key{Bytes(40, 9), must(Secret::random(kKeyLen))};
    std::vector<Bytes> slots;
    Bytes batch = must(write_batch(keys, std::array{record, removed}));

    Files() {
        for (const SlotKind kind :
             {SlotKind::recovery, SlotKind::snp, SlotKind::vtpm, SlotKind::remote})
            slots.push_back(
                must(write_slot(keys, store_key, 3, kind, slot_key, must(random_salt()))));
    }
};
const Files& files() {
    static const Files made;
    return made;
}

void run_record(ByteView input) {
    const auto record = open_record(files().keys, input);
    if (!record) {
        holds(record.error().code == Errc::store_corrupt, "damage is called damage");
        return;
    }
    reached();
    holds(equal(input, files().record) || equal(input, files().removed),
          "what was not sealed does not open");
}

void run_batch(ByteView input) {
    const auto records = parse_batch(files().keys, input);
    if (records) reached();
    holds(!records || equal(input, files().batch), "what was not written is no batch");
}

void run_slot(ByteView input) {
    const auto slot = parse_slot(input, 3);
    if (!slot) {
        holds(slot.error().code == Errc::store_corrupt, "damage is called damage");
        return;
    }
    static_cast<void>(describe_slot_params(slot->kind, slot->params));
    const bool genuine = std::find(files().slots.begin(), files().slots.end(), to_bytes(input)) !=
                         files().slots.end();
    const bool authentic = authenticate(*slot, files().keys).has_value();
    if (authentic) reached();
    holds(authentic == genuine, "exactly what was written is authentic");
    const auto key = unwrap(*slot, files().slot_key.key);
    holds(!key || *key == files().store_key, "only the store's key comes out");
}

void run_params(ByteView input) {
    for (const SlotKind kind :
         {SlotKind::recovery, SlotKind::snp, SlotKind::vtpm, SlotKind::remote}) {
        const auto words = describe_slot_params(kind, input);
        if (!words) continue;
        reached();
        for (const char c : *words)
            holds(static_cast<unsigned char>(c) >= ' ', "one line of words");
    }
    static_cast<void>(parse_snp_slot_params(input));
    static_cast<void>(parse_vtpm_slot_params(input));
}

Seeds record_seeds() { return {{"record", files().record}, {"removed", files().removed}}; }
Seeds batch_seeds() { return {{"batch", files().batch}}; }
Seeds slot_seeds() {
    Seeds out;
    for (const Bytes& one : files().slots) out.push_back({std::to_string(out.size()), one});
    return out;
}
Seeds params_seeds() {
    Seeds out;
    const RecoveryKeyPair pair = must(make_recovery_key(RecoveryAlgorithm::x25519));
    auto recovery = must(RecoverySlotKey::from_public_pem(as_bytes(pair.public_pem)));
    out.push_back({"recovery", must(recovery.make()).params});
    auto remote =
        must(RemoteSlotKey::from_secret(must(Secret::random(32)), "broker", "keys/store"));
    out.push_back({"remote", must(remote.make()).params});
    Bytes vtpm(36, 0), snp(24, 0);
    vtpm[0] = 0x90;  // PCR 4 and 7
    snp[0] = 0x09;   // POLICY and MEASUREMENT
    out.push_back({"vtpm", vtpm});
    out.push_back({"snp", snp});
    return out;
}

const bool kRecord = add({"store-record", run_record, record_seeds, {}, 2000});
const bool kBatch = add({"store-batch", run_batch, batch_seeds, {}, 2000});
const bool kSlot = add({"store-slot", run_slot, slot_seeds, {}, 1000});
const bool kParams = add({"store-slot-params", run_params, params_seeds, {}, 3000});

}  // namespace
}  // namespace attestd::fuzz::store_files
