// How the emulated kernel interfaces misbehave, until told otherwise: `"device"` of a control
// request. Each new one replaces the whole and mends a device that had died.
#pragma once

#include <cstdint>
#include <string>

namespace attestd::devsim {

struct DeviceFaults {
    int error = 0;        ///< errno of making a report, or of the ioctl
    unsigned times = 0;   ///< how often it is left, when `partly`
    bool partly = false;  ///< `times` was given and is counted down; else it is for always

    unsigned lost_commits = 0;     ///< inblob writes that the kernel drops in silence
    unsigned foreign_writes = 0;   ///< reports after which another process writes to the entry
    unsigned vanishing = 0;        ///< requests during which somebody removes the entry
    unsigned stuck_rmdirs = 0;     ///< removals that fail with EBUSY
    unsigned read_len = 0;         ///< most bytes of one read; 0 is no bound
    bool empty = false;            ///< the report has no bytes
    bool fixed_registers = false;  ///< extending a register fails with EIO
    bool svsm = false;             ///< an SVSM runs above the guest and makes reports for it
    std::string provider = {};     ///< another name; "none": no module is loaded

    bool dead = false;            ///< the SNP driver has given its key up
    std::uint32_t firmware = 0;   ///< firmware error, with EIO and the driver's death
    std::uint32_t vmm = 0;        ///< the host's error, with EIO
    std::uint32_t status = 0;     ///< firmware's status in a call that succeeds
    std::uint32_t certs_len = 0;  ///< certificate buffer that the host asks for
    bool zero_key = false;        ///< the derived key is all zero

    /// Counts `counter` down; whether it was above zero.
    static bool take(unsigned& counter) noexcept { return counter != 0 && counter-- != 0; }
    /// The errno for this request, or 0.
    int take_error() noexcept {
        if (error == 0 || !partly) return error;
        return take(times) ? error : 0;
    }
};

}  // namespace attestd::devsim
