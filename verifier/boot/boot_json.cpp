// What an event log explains, as JSON: text that came out of a log is escaped to ASCII.
#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "verifier/claims_json.h"

namespace attestd {
namespace {

using BootJson = nlohmann::ordered_json;

BootJson digests_json(const std::vector<Bytes>& digests) {
    BootJson out = BootJson::array();
    for (const Bytes& digest : digests) out.push_back(to_hex(digest));
    return out;
}

BootJson variable_json(const std::optional<Sha256>& digest) {
    return digest ? BootJson(to_hex(*digest)) : BootJson(nullptr);
}

}  // namespace

BootJson fields_of(const BootFacts& boot) {
    BootJson out;
    out["secure_boot"] = boot.secure_boot ? BootJson(*boot.secure_boot) : BootJson(nullptr);
    out["pk"] = variable_json(boot.pk);
    out["kek"] = variable_json(boot.kek);
    out["db"] = variable_json(boot.db);
    out["dbx"] = variable_json(boot.dbx);
    out["images"] = digests_json(boot.images);
    out["files"] = digests_json(boot.files);
    out["initrd"] = digests_json(boot.initrds);
    out["load_options"] = digests_json(boot.load_options);
    out["command_line"] = boot.command_lines;
    out["boot_commands"] = boot.boot_commands;
    out["runtime_events"] = BootJson::array();
    for (const RuntimeEvent& event : boot.runtime_events) {
        out["runtime_events"].push_back(
            {{"domain", event.domain}, {"operation", event.operation}, {"content", event.content}});
    }
    out["unknown_runtime_events"] = boot.num_unknown_runtime;
    out["unverified_events"] = boot.num_unverified;
    out["notes"] = boot.notes;
    return out;
}

}  // namespace attestd
