// What verified evidence of an Azure confidential VM says beyond its hardware report.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "quote/azure/azure_evidence.h"
#include "quote/azure/runtime_data.h"
#include "quote/base/bytes.h"
#include "quote/base/digest.h"

namespace attestd {

/// Statements of a vTPM's quote that the bound key signed.
struct VtpmClaims {
    Bytes nonce;
    std::array<Sha256, kNumPcrs> pcrs;
    std::uint64_t clock;  ///< milliseconds
    std::uint32_t reset_count, restart_count;
    std::uint64_t firmware_version;
};

struct AzureClaims {
    std::uint32_t hcl_version;
    RuntimeData runtime;             ///< bound to the hardware report
    std::optional<VtpmClaims> vtpm;  ///< empty without a quote
};

}  // namespace attestd
