#include "quote/boot/boot_facts.h"

#include <algorithm>

#include "quote/base/reader.h"
#include "quote/boot/event_text.h"

namespace attestd {
namespace {

constexpr std::uint32_t kFactSeparator = 4, kFactTag = 6, kFactIpl = 0xd, kFactGpt = 0x80000006,
                        kFactAction = 0x80000007;
constexpr std::size_t kMaxActionLen = 128, kMaxLoaderTextLen = 65536;
constexpr std::uint32_t kFactVariable = 0x80000001;  // EV_EFI_VARIABLE_DRIVER_CONFIG
constexpr std::uint32_t kInitrdTag = 0x8f3b22ec, kLoadOptionsTag = 0x8f3b22ed;
constexpr std::string_view kGrubPrefix = "BOOT_IMAGE=";
constexpr std::string_view kCommandLineLabel = "kernel_cmdline: ";

constexpr ByteArray<16> kGlobalVariable{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                        0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
constexpr ByteArray<16> kSecurityDatabase{0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
                                          0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};

// What a register is for (TCG PC Client; TDX firmware maps PCR 1 and 7, 2 to 6, 8 to 15).
enum class Role : std::uint8_t { configuration, images, loader, run_time, other };

Role role_of(EventLogKind kind, std::uint32_t reg) noexcept {
    if (kind == EventLogKind::cc) {
        constexpr std::array kRoles{Role::other, Role::configuration, Role::images, Role::loader,
                                    Role::run_time};
        return kRoles.at(reg);
    }
    if (reg == 7) return Role::configuration;
    if (reg == 2 || reg == 4) return Role::images;
    return reg == 8 || reg == 9 || reg == 12 || reg == 14 ? Role::loader : Role::other;
}

std::string text_of_loader(ByteView bytes) {
    while (!bytes.empty() && bytes.back() == 0) bytes = bytes.first(bytes.size() - 1);
    return std::string(as_text(bytes));
}

// Whoever writes the log can give an image itself as the data of an event, and its digest is then
// recomputed from that: so only data that can be no image speaks for an event in such a register.
bool is_no_image(std::uint32_t type, const std::optional<ByteView>& covered) noexcept {
    if (!covered) return false;
    if (type == kFactSeparator) return covered->size() == 4;
    if (type == kFactGpt) return as_text(*covered).starts_with("EFI PART");
    const auto printable = [](std::uint8_t b) { return b >= 0x20 && b < 0x7f; };
    return type == kFactAction && covered->size() <= kMaxActionLen &&
           std::all_of(covered->begin(), covered->end(), printable);
}

// The same of what a boot loader says, which is text with lines.
bool is_loader_text(std::uint32_t type, ByteView covered) noexcept {
    const auto allowed = [](std::uint8_t b) {
        return (b >= 0x20 && b < 0x7f) || b == '\n' || b == '\t' || b == '\r' || b == 0;
    };
    return type == kFactIpl && covered.size() <= kMaxLoaderTextLen &&
           std::all_of(covered.begin(), covered.end(), allowed);
}

class Explainer {
 public:
    Explainer(const EventLog& log, std::uint16_t algorithm)
        : kind_(log.kind), algorithm_(algorithm) {}

    void take(const BootEvent& event) {
        const auto covered = verified_part(event, algorithm_);
        if (!covered) ++out.num_unverified;
        switch (role_of(kind_, event.reg)) {
            case Role::configuration:
                return take_configuration(event, covered);
            case Role::images:
                if (!is_no_image(event.type, covered))
                    out.images.push_back(to_bytes(event.digest(algorithm_)));
                return;
            case Role::loader:
                return take_loader(event, covered);
            case Role::run_time:
                return take_run_time(covered);
            case Role::other:
                return;
        }
    }

    BootFacts finish() && {
        const auto once = [](const std::vector<Bytes>& seen) {
            return seen.size() == 1 ? std::optional(sha256(seen.front())) : std::nullopt;
        };
        out.pk = once(pk_);
        out.kek = once(kek_);
        out.db = once(db_);
        out.dbx = once(dbx_);
        // One byte: 1 is on. An empty variable is that of firmware without the feature.
        if (secure_boot_.size() == 1 && secure_boot_.front().size() <= 1)
            out.secure_boot = !secure_boot_.front().empty() && secure_boot_.front().front() == 1;
        return std::move(out);
    }

    BootFacts out;

 private:
    // Behind the separator whatever runs could measure a variable of any name.
    void take_configuration(const BootEvent& event, const std::optional<ByteView>& covered) {
        if (event.type == kFactSeparator) {
            past_separator_ = true;
            return;
        }
        if (past_separator_ || event.type != kFactVariable || !covered) return;
        const auto variable = parse_efi_variable(*covered);
        if (!variable) return;
        const auto is = [&](const ByteArray<16>& guid, std::string_view name) {
            return equal(variable->guid, guid) && variable->name == name;
        };
        Bytes data = to_bytes(variable->data);
        if (is(kGlobalVariable, "SecureBoot")) secure_boot_.push_back(std::move(data));
        if (is(kGlobalVariable, "PK")) pk_.push_back(std::move(data));
        if (is(kGlobalVariable, "KEK")) kek_.push_back(std::move(data));
        if (is(kSecurityDatabase, "db")) db_.push_back(std::move(data));
        if (is(kSecurityDatabase, "dbx")) dbx_.push_back(std::move(data));
    }

    void take_loader(const BootEvent& event, const std::optional<ByteView>& covered) {
        if (event.type == kFactSeparator && covered && covered->size() == 4) return;
        if (covered && is_loader_text(event.type, *covered)) {
            out.boot_commands.push_back(text_of_loader(*covered));
            if (as_text(event.data).starts_with(kCommandLineLabel))
                out.command_lines.push_back(out.boot_commands.back());
            return;
        }
        const Bytes digest = to_bytes(event.digest(algorithm_));
        out.files.push_back(digest);
        if (event.type != kFactTag || event.data.size() < 8) return;
        const auto tag = load_le<std::uint32_t>(event.data.first<4>());
        if (tag == kInitrdTag) out.initrds.push_back(digest);
        if (tag == kLoadOptionsTag) out.load_options.push_back(digest);
    }

    void take_run_time(const std::optional<ByteView>& covered) {
        auto parsed = covered ? parse_runtime_event(*covered) : std::nullopt;
        if (parsed)
            out.runtime_events.push_back(*std::move(parsed));
        else
            ++out.num_unknown_runtime;
    }

    EventLogKind kind_;
    std::uint16_t algorithm_;
    bool past_separator_ = false;
    std::vector<Bytes> secure_boot_, pk_, kek_, db_, dbx_;
};

}  // namespace

BootFacts boot_facts(const EventLog& log, std::uint16_t algorithm,
                     const std::set<std::uint32_t>& believed) {
    Explainer explainer(log, algorithm);
    for (const BootEvent& event : log.events) {
        if (event.type == kEvNoAction) continue;
        if (log.kind == EventLogKind::tpm && !believed.contains(event.reg)) continue;
        explainer.take(event);
    }
    BootFacts out = std::move(explainer).finish();
    out.notes = event_log_notes(log);
    return out;
}

bool is_load_options(ByteView digest, std::string_view command_line, std::uint16_t algorithm) {
    for (const std::string_view before : {std::string_view(), kGrubPrefix}) {
        Bytes wide;
        for (const std::string_view part : {before, command_line}) {
            for (const char c : part) {
                wide.push_back(static_cast<std::uint8_t>(c));
                wide.push_back(0);
            }
        }
        for (int with_nul = 0; with_nul < 2; ++with_nul) {
            if (algorithm == kAlgSha256 ? equal(sha256(wide), digest)
                                        : equal(sha384(wide), digest)) {
                return true;
            }
            wide.insert(wide.end(), {0, 0});
        }
    }
    return false;
}

}  // namespace attestd
