// Claims of Azure evidence as JSON.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "verifier/claims_json.h"

namespace attestd {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

}  // namespace

Json pcrs_json(const std::array<Sha256, kNumPcrs>& pcrs) {
    Json out;
    for (std::size_t i = 0; i < pcrs.size(); ++i) out[fmt::format("{}", i)] = to_hex(pcrs.at(i));
    return out;
}

Json fields_of(const RuntimeData& runtime) {
    Json out;
    const VmConfiguration& vm = runtime.vm;
    out["ak_thumbprint"] = to_hex(runtime.attestation_key.thumbprint());
    out["ak_modulus"] = to_hex(runtime.attestation_key.modulus);
    out["ek_thumbprint"] = runtime.endorsement_key
                               ? Json(to_hex(runtime.endorsement_key->thumbprint()))
                               : Json(nullptr);
    out["user_data"] = runtime.user_data ? Json(to_hex(*runtime.user_data)) : Json(nullptr);
    Json& into = out["vm_configuration"];
    into["secure_boot"] = vm.secure_boot;
    into["console_enabled"] = vm.console_enabled;
    into["tpm_enabled"] = vm.tpm_enabled;
    into["vm_unique_id"] = vm.vm_unique_id;
    into["root_cert_thumbprint"] = or_null(vm.root_cert_thumbprint);
    into["tpm_persisted"] = or_null(vm.tpm_persisted);
    into["current_time"] = or_null(vm.current_time);
    return out;
}

Json fields_of(const AzureClaims& claims) {
    Json out;
    out["hcl_version"] = claims.hcl_version;
    out.update(fields_of(claims.runtime));
    out["nonce"] = nullptr;
    out["pcrs"] = nullptr;
    if (!claims.vtpm) return out;
    out["nonce"] = to_hex(claims.vtpm->nonce);
    out["pcrs"] = pcrs_json(claims.vtpm->pcrs);
    out["tpm_clock"] = claims.vtpm->clock;
    out["tpm_reset_count"] = claims.vtpm->reset_count;
    out["tpm_restart_count"] = claims.vtpm->restart_count;
    out["tpm_firmware_version"] = fmt::format("0x{:x}", claims.vtpm->firmware_version);
    return out;
}

}  // namespace attestd
