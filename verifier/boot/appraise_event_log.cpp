#include "verifier/boot/appraise_event_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <set>

#include "quote/base/encoding.h"
#include "quote/boot/boot_facts.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxPcrOfFirmware = 7;
constexpr std::size_t kMaxShownValue = 200;

std::string in_quotes(const Bytes& digest) { return to_hex(digest); }
std::string in_quotes(const std::string& text) {
    return text.size() <= kMaxShownValue ? fmt::format("\"{}\"", text)
                                         : fmt::format("\"{}...\"", text.substr(0, kMaxShownValue));
}

template <class Values>
std::map<std::string, Bytes> as_registers(const Values& values) {
    std::map<std::string, Bytes> out;
    for (const auto& [name, value] : values) out[name] = to_bytes(value);
    return out;
}

Result<std::map<std::string, Bytes>> replay_for(const EventLog& log, EventLogKind kind) {
    if (kind == EventLogKind::cc) {
        ATTESTD_TRY(const auto values, replay_sha384(log));
        return as_registers(values);
    }
    ATTESTD_TRY(const auto values, replay_sha256(log));
    return as_registers(values);
}

// PCRs of firmware must be as the log says. Those of the boot loader and the running system are
// extended further without firmware's log: where they differ, their events are not believed.
std::set<std::uint32_t> compare_pcrs(Pending& pending, const std::map<std::string, Bytes>& replayed,
                                     const QuotedRegisters& registers) {
    std::set<std::uint32_t> believed;
    for (std::uint32_t i = 0; i < kNumPcrs; ++i) {
        const std::string name = register_name(EventLogKind::tpm, i);
        const auto own = replayed.find(name);
        if (own == replayed.end()) continue;
        const Bytes& quoted = registers.values().at(name);
        if (own->second == quoted) {
            believed.insert(i);
        } else if (i <= kMaxPcrOfFirmware) {
            pending.out.add(Error{Errc::event_log_mismatch,
                                  fmt::format("{}: the log leads to {}, the evidence says {}", name,
                                              to_hex(own->second), to_hex(quoted))});
        } else {
            pending.out.info("event-log.not-covered",
                             name +
                                 " was extended with more than the log holds: its events are "
                                 "not believed");
        }
    }
    return believed;
}

void compare_rtmrs(Pending& pending, const std::map<std::string, Bytes>& replayed,
                   const QuotedRegisters& registers) {
    for (const auto& [name, quoted] : registers.values()) {
        if (replayed.at(name) == quoted) continue;
        const std::string_view mend =
            name == "rtmr3" ? "; what was measured after boot stands in a log of its own, which "
                              "goes with the boot log"
                            : "";
        pending.out.add(Error{Errc::event_log_mismatch,
                              fmt::format("{}: the log leads to {}, the evidence says {}{}", name,
                                          to_hex(replayed.at(name)), to_hex(quoted), mend)});
    }
}

class EventJudge {
 public:
    EventJudge(ResultBuilder& out, const EventLogPolicy& policy, const BootFacts& facts,
               std::uint16_t algorithm)
        : out_(out), policy_(policy), facts_(facts), algorithm_(algorithm) {}

    void judge() {
        for (const std::string& note : facts_.notes) out_.warning("event-log.separator", note);
        if (!policy_.named) return;
        judge_secure_boot();
        judge_variable("pk", policy_.pk, facts_.pk);
        judge_variable("kek", policy_.kek, facts_.kek);
        judge_variable("db", policy_.db, facts_.db);
        judge_variable("dbx", policy_.dbx, facts_.dbx);
        judge_all("images", "an image that firmware loaded", policy_.images, facts_.images);
        need_one("images", "image", policy_.images, facts_.images.size());
        judge_all("files", "what boot loader or kernel loaded", policy_.files, facts_.files);
        judge_all("initrd", "the initrd", policy_.initrd, facts_.initrds);
        need_one("initrd", "initrd", policy_.initrd, facts_.initrds.size());
        judge_all("boot-commands", "a text of the boot loader", policy_.boot_commands,
                  facts_.boot_commands);
        judge_command_line();
        judge_run_time();
    }

 private:
    void judge_secure_boot() {
        if (!policy_.secure_boot) return;
        if (!facts_.secure_boot) {
            out_.error("event-log.secure-boot.unknown",
                       "the log does not say, once and before firmware's separator, whether "
                       "Secure Boot was on");
        } else if (*facts_.secure_boot != *policy_.secure_boot) {
            out_.error("event-log.secure-boot.mismatch",
                       fmt::format("Secure Boot was {}", *facts_.secure_boot ? "on" : "off"));
        }
    }

    void judge_variable(std::string_view name, const ReferenceValues<32>& reference,
                        const std::optional<Sha256>& value) {
        if (reference.kind != ReferenceValues<32>::Kind::listed) return;
        if (!value) {
            out_.error(fmt::format("event-log.{}.unknown", name),
                       fmt::format("the log does not hold the variable {} once, before firmware's "
                                   "separator, with a digest that its data gives",
                                   name));
        } else if (!reference.allows(*value)) {
            out_.error(fmt::format("event-log.{}.mismatch", name),
                       fmt::format("SHA-256 of {} is {}, which is not among the reference values",
                                   name, to_hex(*value)));
        }
    }

    template <class T>
    void judge_all(std::string_view name, std::string_view what, const AllowedValues<T>& allowed,
                   const std::vector<T>& found) {
        std::set<T> said;
        for (const T& value : found) {
            if (allowed.allows(value) || !said.insert(value).second) continue;
            out_.error(fmt::format("event-log.{}.mismatch", name),
                       fmt::format("{} is {}, which is not among the reference values", what,
                                   in_quotes(value)));
        }
    }

    template <class T>
    void need_one(std::string_view name, std::string_view what, const AllowedValues<T>& allowed,
                  std::size_t num) {
        if (!allowed.is_listed() || num != 0) return;
        out_.error(fmt::format("event-log.{}.unknown", name),
                   fmt::format("the log names no {}", what));
    }

    // The boot loader's own event, and what the kernel's EFI stub was handed: all that there are.
    void judge_command_line() {
        const AllowedTexts& allowed = policy_.command_line;
        judge_all("command-line", "the kernel's command line", allowed, facts_.command_lines);
        if (!allowed.is_listed()) return;
        for (const Bytes& digest : facts_.load_options) {
            const auto fits = [&](const std::string& text) {
                return is_load_options(digest, text, algorithm_);
            };
            if (std::any_of(allowed.values.begin(), allowed.values.end(), fits)) continue;
            out_.error("event-log.command-line.mismatch",
                       fmt::format("the kernel was handed load options of digest {}, which no "
                                   "reference value has",
                                   to_hex(digest)));
        }
        need_one("command-line", "command line of the kernel", allowed,
                 facts_.command_lines.size() + facts_.load_options.size());
    }

    void judge_run_time() {
        const AllowedTexts& allowed = policy_.runtime_events;
        std::vector<std::string> names;
        for (const RuntimeEvent& event : facts_.runtime_events)
            names.push_back(event.domain + ' ' + event.operation);
        judge_all("runtime-events", "a run-time event", allowed, names);
        if (allowed.is_listed() && facts_.num_unknown_runtime != 0) {
            out_.error("event-log.runtime-events.unknown",
                       fmt::format("{} run-time events are not in a form that names them",
                                   facts_.num_unknown_runtime));
        }
    }

    ResultBuilder& out_;
    const EventLogPolicy& policy_;
    const BootFacts& facts_;
    std::uint16_t algorithm_;
};

std::string in_words(const BootFacts& facts) {
    const std::string_view secure = !facts.secure_boot   ? "not known"
                                    : *facts.secure_boot ? "on"
                                                         : "off";
    return fmt::format(
        "the log gives the registers of the evidence: Secure Boot {}, {} images, command line {}, "
        "{} run-time events; the data of {} events no digest covers",
        secure, facts.images.size(),
        facts.command_lines.empty() ? std::string("not in words")
                                    : in_quotes(facts.command_lines.back()),
        facts.runtime_events.size(), facts.num_unverified);
}

}  // namespace

std::optional<QuotedRegisters> QuotedRegisters::of(const Pending& pending, const TdReport& report) {
    if (pending.failed) return std::nullopt;
    QuotedRegisters out(EventLogKind::cc);
    for (std::size_t i = 0; i < report.rtmr.size(); ++i)
        out.values_[fmt::format("rtmr{}", i)] = to_bytes(report.rtmr.at(i));
    return out;
}

std::optional<QuotedRegisters> QuotedRegisters::of(const Pending& pending,
                                                   const AzureClaims* claims) {
    if (pending.failed || claims == nullptr || !claims->vtpm) return std::nullopt;
    QuotedRegisters out(EventLogKind::tpm);
    for (std::uint32_t i = 0; i < kNumPcrs; ++i)
        out.values_[register_name(EventLogKind::tpm, i)] = to_bytes(claims->vtpm->pcrs.at(i));
    return out;
}

void appraise_event_log(Pending& pending, const EventLogPolicy& policy, ByteView bytes,
                        const std::optional<QuotedRegisters>& registers) {
    if (pending.failed || (!policy.named && bytes.empty())) return;
    if (!registers) {
        constexpr std::string_view kWhy =
            "this evidence quotes no registers that a log could be held against";
        if (policy.named && policy.required)
            pending.out.error("event-log.not-covered", std::string(kWhy));
        else
            pending.out.warning("event-log.not-covered", std::string(kWhy));
        return;
    }
    if (bytes.empty()) {
        if (!policy.required) return;
        pending.absent({Errc::event_log_missing,
                        "the policy judges events (\"event_log\"), and no log came with the "
                        "evidence: give it with --event-log"});
        return;
    }
    const auto log = parse_event_log(bytes);
    const auto replayed =
        log ? replay_for(*log, registers->kind())
            : Result<std::map<std::string, Bytes>>(tl::make_unexpected(log.error()));
    if (!replayed || log->kind != registers->kind()) {
        pending.out.add(Error{Errc::event_log_malformed,
                              replayed ? "the log is of another kind of register than the evidence"
                                       : to_string(replayed.error())});
        return;
    }
    const std::size_t before = pending.out.num_errors();
    std::set<std::uint32_t> believed;
    if (registers->kind() == EventLogKind::cc)
        compare_rtmrs(pending, *replayed, *registers);
    else
        believed = compare_pcrs(pending, *replayed, *registers);
    if (pending.out.num_errors() != before) return;
    const std::uint16_t algorithm = registers->kind() == EventLogKind::cc ? kAlgSha384 : kAlgSha256;
    const auto facts = std::make_shared<const BootFacts>(boot_facts(*log, algorithm, believed));
    pending.out.boot(facts);
    pending.out.info("event-log.replayed", in_words(*facts));
    EventJudge(pending.out, policy, *facts, algorithm).judge();
}

}  // namespace attestd
