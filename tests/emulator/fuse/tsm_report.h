// One report entry of the emulated configfs-tsm: attributes, their modes, and the rules of commit,
// generation and snapshot that the kernel has (`spec/guest-interfaces.md` section 2).
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/emulator/machine.h"

namespace attestd::devsim {

struct TsmAttribute {
    const char* name;
    unsigned mode;
    bool is_binary;  ///< stat says 0 bytes; text says a page
    bool is_snp;
};

/// The attributes that an entry of this kind of machine has; some are there under an SVSM only.
[[nodiscard]] const std::vector<TsmAttribute>& tsm_attributes(Tee tee, bool has_svsm);

/// What the emulated SVSM says of its services: one, of a GUID that stands for a vTPM.
[[nodiscard]] Bytes svsm_manifest();

struct Owner {
    std::uint32_t uid = 0, gid = 0;
};

struct TsmReport {
    std::uint64_t generation = 0;
    Bytes inblob;
    std::uint32_t privlevel = 0;
    std::string service_provider;
    bool is_removed = false;
    std::optional<MachineEvidence> made;  ///< of the present generation
    Owner folder_owner;
    std::map<std::string, Owner> owners;  ///< of attributes that were handed over

    /// Another request: what was made before is gone.
    void commit(Bytes request) {
        inblob = std::move(request);
        ++generation;
        made.reset();
    }
};

inline constexpr std::size_t kMaxInblobLen = 64, kTextLen = 4096;
inline constexpr std::uint32_t kMaxPrivlevel = 3;

/// A text attribute's content. 0 or an errno.
[[nodiscard]] int read_tsm_text(const TsmReport& report, const std::string& name,
                                const std::string& provider, std::string& out);

/// A write to a text attribute; an accepted one is a generation. 0 or an errno.
[[nodiscard]] int write_tsm_text(TsmReport& report, const std::string& name, ByteView text);

}  // namespace attestd::devsim
