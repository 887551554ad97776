#include "agent/cli/event_log_draft.h"

#include <algorithm>

#include "agent/cli/policy_writer.h"

namespace attestd::cli {
namespace {

template <class T, class F>
std::vector<std::string> each_once(const std::vector<T>& values, F text_of) {
    std::vector<std::string> out;
    for (const T& value : values) {
        std::string text = text_of(value);
        if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(std::move(text));
    }
    return out;
}

std::vector<std::string> hex_of(const std::vector<Bytes>& digests) {
    return each_once(digests, [](const Bytes& digest) { return to_hex(digest); });
}

std::vector<std::string> texts_of(const std::vector<std::string>& texts) {
    return each_once(texts, [](const std::string& text) { return text; });
}

void pin_variable(PolicyWriter& out, std::string_view key, const std::optional<Sha256>& value) {
    if (value) out.pin("The EFI variable's data.", key, *value);
}

// Whether every digest of load options is that of one of the lines.
bool lines_explain_options(const BootFacts& boot) {
    return std::all_of(
        boot.load_options.begin(), boot.load_options.end(), [&](const Bytes& digest) {
            const std::uint16_t algorithm =
                digest.size() == sizeof(Sha256) ? kAlgSha256 : kAlgSha384;
            return std::any_of(
                boot.command_lines.begin(), boot.command_lines.end(),
                [&](const std::string& line) { return is_load_options(digest, line, algorithm); });
        });
}

// GRUB says the line in words; where nobody does, only its digest is known.
void pin_command_line(PolicyWriter& out, const BootFacts& boot) {
    if (!boot.command_lines.empty() && lines_explain_options(boot)) {
        out.texts("The kernel's command line, as the boot loader says it.", "command_line",
                  texts_of(boot.command_lines));
        return;
    }
    out.member(
        "PINNED AS A DIGEST in \"files\" at most: the log does not hold in words what the kernel "
        "was handed. Write the line here, and it is compared.",
        "command_line", "\"any\"");
}

}  // namespace

std::string draft_event_log(const BootFacts& boot) {
    PolicyWriter out;
    if (boot.secure_boot)
        out.flag(*boot.secure_boot ? "Secure Boot is on." : "LOOSENED: Secure Boot is off.",
                 "secure_boot", *boot.secure_boot);
    else
        out.member("UNKNOWN: the log does not say whether Secure Boot is on.", "secure_boot",
                   "\"any\"");
    pin_variable(out, "pk", boot.pk);
    pin_variable(out, "kek", boot.kek);
    pin_variable(out, "db", boot.db);
    pin_variable(out, "dbx", boot.dbx);
    if (boot.images.empty())
        out.member("No image was loaded by firmware.", "images", "\"any\"");
    else
        out.texts("Everything that firmware loaded: boot loader, kernel.", "images",
                  hex_of(boot.images));
    if (!boot.files.empty())
        out.texts("What boot loader and kernel loaded, load options among it.", "files",
                  hex_of(boot.files));
    if (!boot.initrds.empty()) out.texts("The initrd.", "initrd", hex_of(boot.initrds));
    pin_command_line(out, boot);
    out.texts("Every text of the boot loader.", "boot_commands", texts_of(boot.boot_commands));
    if (!boot.runtime_events.empty())
        out.texts("What may be measured after boot, and by whom.", "runtime_events",
                  each_once(boot.runtime_events, [](const RuntimeEvent& event) {
                      return event.domain + ' ' + event.operation;
                  }));
    return out.text();
}

}  // namespace attestd::cli
