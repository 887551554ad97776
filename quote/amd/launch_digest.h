// The launch digest that an SNP guest will have (`spec/snp.md` section 12): what MEASUREMENT must
// be.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "quote/amd/firmware.h"
#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"

namespace attestd {

/// Hypervisors differ in the state that they give a vCPU and in the order of pages.
enum class Vmm : std::uint8_t { qemu, ec2, gce };

[[nodiscard]] std::optional<Vmm> vmm_from_name(std::string_view name) noexcept;

/// CPUID(1).EAX of a vCPU model of QEMU's ("EPYC-Milan"); empty for a name that is not known.
[[nodiscard]] std::optional<std::uint32_t> vcpu_signature(std::string_view model) noexcept;

/// A kernel that the hypervisor loads directly; the firmware checks it against measured hashes.
struct DirectKernel {
    ByteView kernel;
    ByteView initrd;           ///< empty when there is none
    std::string_view cmdline;  ///< without a closing NUL
};

/// An SVSM under QEMU: its image lies below the firmware and its variable store, and every vCPU
/// starts in it.
struct Svsm {
    Firmware image;
    std::uint64_t variable_store_len = 0;  ///< bytes between the image's end and the firmware
    /// x87 control word of the vCPUs. The published calculator leaves it 0; QEMU's own value would
    /// be 0x37f. Not known from hardware.
    std::uint16_t fcw = 0;
};

struct LaunchParameters {
    Firmware firmware;
    std::optional<Svsm> svsm;
    std::optional<DirectKernel> kernel;
    std::uint32_t num_vcpus = 1;
    std::uint32_t vcpu_signature = 0;
    std::uint64_t guest_features = 1;  ///< SEV_FEATURES of the VMSA; bit 0 is SNP
    Vmm vmm = Vmm::qemu;
};

/// Computes the digest. Errc::bad_value for a kernel that the firmware would not measure, for no or
/// over 4096 vCPUs, for firmware without what the parameters need, and for an SVSM with a kernel,
/// another hypervisor than QEMU or no room below the firmware.
[[nodiscard]] Result<Sha384> launch_digest(const LaunchParameters& parameters);

}  // namespace attestd
