#include "agent/store/slot_key.h"

#include <fmt/format.h>

#include "agent/store/recovery_slot.h"
#include "agent/store/remote_slot.h"
#include "agent/store/snp_slot.h"
#include "agent/store/vtpm_slot.h"

namespace attestd {

std::string_view slot_kind_name(SlotKind kind) noexcept {
    switch (kind) {
        case SlotKind::recovery:
            return "recovery";
        case SlotKind::snp:
            return "snp";
        case SlotKind::vtpm:
            return "vtpm";
        case SlotKind::remote:
            return "remote";
    }
    return "unknown";
}

Result<std::string> describe_slot_params(SlotKind kind, ByteView params) {
    if (kind == SlotKind::snp) {
        ATTESTD_TRY(const DerivedKeyRequest r, parse_snp_slot_params(params));
        return fmt::format("guest fields 0x{:02x}, VMPL {}, guest SVN {}, TCB {:016x}",
                           r.guest_field_select, r.vmpl, r.guest_svn, r.tcb_version);
    }
    if (kind == SlotKind::vtpm) {
        ATTESTD_TRY(const VtpmKeyRequest r, parse_vtpm_slot_params(params));
        return fmt::format("PCR {} (SHA-256)", pcr_list(r.pcrs));
    }
    if (kind == SlotKind::recovery) return describe_recovery_params(params);
    if (kind == SlotKind::remote) return describe_remote_params(params);
    return std::string();
}

}  // namespace attestd
