// BootFacts: what an event log says of a boot, as far as its registers bear it out.
//
// Made of a log whose replay gave the registers of verified evidence. A register covers digests and
// nothing else: text is taken only where an event's digest is recomputed from it, a digest that
// stands for something outside of the log (an image, a file) as that digest. Types and labels of
// events are not covered at all; so whoever pins facts pins closed sets: everything in a register
// that is not accounted for otherwise counts as an image or a file.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "quote/boot/event_log.h"
#include "quote/boot/runtime_event.h"

namespace attestd {

struct BootFacts {
    /// The one SecureBoot variable that firmware measured before its separator.
    std::optional<bool> secure_boot;
    /// SHA-256 of the data of PK, KEK, db and dbx, as firmware measured them; empty when it did
    /// not, or twice.
    std::optional<Sha256> pk, kek, db, dbx;
    std::vector<Bytes> images;        ///< digests: what firmware loaded and started, in order
    std::vector<Bytes> files;         ///< digests: what boot loader and kernel loaded
    std::vector<Bytes> initrds;       ///< of `files`, those that the log calls the initrd
    std::vector<Bytes> load_options;  ///< and those that it calls the kernel's load options
    std::vector<std::string> boot_commands;  ///< texts of the boot loader, commands and others
    std::vector<std::string> command_lines;  ///< of those, what the log calls the kernel's
    std::vector<RuntimeEvent> runtime_events;
    std::size_t num_unknown_runtime = 0;  ///< run-time events of another form
    std::size_t num_unverified = 0;       ///< extended events whose data no digest covers
    std::vector<std::string> notes;       ///< as of event_log_notes()
};

/// `algorithm` is the bank that was replayed. Of a vTPM's log only events of the PCRs in
/// `believed` count; a log of RTMRs counts in full.
[[nodiscard]] BootFacts boot_facts(const EventLog& log, std::uint16_t algorithm,
                                   const std::set<std::uint32_t>& believed = {});

/// Whether `digest`, in the bank of `algorithm`, is that of a kernel command line (ASCII) as an EFI
/// stub is handed it: UTF-16, with or without a final NUL, with or without the "BOOT_IMAGE=" that
/// GRUB puts before it.
[[nodiscard]] bool is_load_options(ByteView digest, std::string_view command_line,
                                   std::uint16_t algorithm);

}  // namespace attestd
