#include "agent/provision/desk.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>

namespace attestd {
namespace {

Result<ProvisionId> random_id() {
    ProvisionId id{};
    if (RAND_bytes(id.data(), static_cast<int>(id.size())) != 1) return fail_crypto("RAND_bytes");
    return id;
}

std::string_view words_of(Errc how) noexcept {
    return how == Errc::provision_consumed
               ? "the request was answered already: each is good once"
               : "the request has ended, and its key with it: make another one";
}

}  // namespace

Result<ProvisionDesk> ProvisionDesk::make() {
    ATTESTD_TRY(const ProvisionId instance, random_id());
    return ProvisionDesk(instance);
}

Result<ProvisionBody> ProvisionDesk::issue(std::string machine, std::chrono::seconds life,
                                           Time wall, BootTime now) {
    ATTESTD_CHECK(check_machine_label(machine));
    if (life < std::chrono::seconds(1) || life > kMaxProvisionLife)
        return fail(Errc::bad_value, "a request lives from one second to 24 hours");
    expire(now);
    if (pending_.size() >= kMaxPending) {
        return fail(Errc::too_busy,
                    fmt::format("{} requests wait for their package: the first to end makes room",
                                pending_.size()));
    }
    ATTESTD_TRY(const ProvisionId id, random_id());
    ATTESTD_TRY(JosePrivateKey key, JosePrivateKey::generate(JoseKeyKind::p256));
    ProvisionBody body{id, instance_, std::move(machine), wall, wall + life, key.public_key()};
    pending_.emplace(id,
                     Pending{std::make_shared<const JosePrivateKey>(std::move(key)), now + life});
    return body;
}

Result<ProvisionDesk::Key> ProvisionDesk::take(const ProvisionId& instance, const ProvisionId& id,
                                               BootTime now) {
    if (instance != instance_) {
        return fail(Errc::provision_restarted,
                    "the request was made on another machine, or before attestd was started anew "
                    "here: its key is not here; make another one");
    }
    expire(now);
    if (const auto it = pending_.find(id); it != pending_.end()) {
        if (it->second.is_taken) return fail(Errc::too_busy, "the request is being answered");
        it->second.is_taken = true;
        return it->second.key;
    }
    const auto ended =
        std::find_if(ended_.begin(), ended_.end(), [&](const Ended& one) { return one.id == id; });
    if (ended != ended_.end()) return fail(ended->how, std::string(words_of(ended->how)));
    return fail(Errc::provision_unknown, "no request with this id was made here");
}

void ProvisionDesk::put_back(const ProvisionId& id) {
    if (const auto it = pending_.find(id); it != pending_.end()) it->second.is_taken = false;
}

void ProvisionDesk::consume(const ProvisionId& id) { end(id, Errc::provision_consumed); }

void ProvisionDesk::end(const ProvisionId& id, Errc how) {
    if (pending_.erase(id) == 0) return;
    ended_.push_back({id, how});
    if (ended_.size() > kMaxEnded) ended_.pop_front();
}

// What is being answered ends with its answer.
BootTime ProvisionDesk::expire(BootTime now) {
    BootTime next = BootTime::max();
    std::vector<ProvisionId> over;
    for (const auto& [id, pending] : pending_) {
        if (pending.is_taken) continue;
        if (pending.ends <= now) {
            over.push_back(id);
        } else {
            next = std::min(next, pending.ends);
        }
    }
    for (const ProvisionId& id : over) end(id, Errc::provision_expired);
    return next;
}

}  // namespace attestd
