// Event logs in an appraisal: compared with verified registers alone, believed as far as digests
// go, and pinned by policy.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "quote/boot/boot_facts.h"
#include "tests/support/catch.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/unit/verifier/setting.h"
#include "verifier/claims_json.h"

namespace attestd {
namespace {

using forge::LogEvent;
using test::IntelCase;
using test::outcome;
using test::Setting;

constexpr std::uint32_t kTag = 6, kIpl = 0xd, kVariable = 0x80000001, kApplication = 0x80000003,
                        kAction = 0x80000007;
constexpr std::string_view kCommandLine = "/vmlinuz root=/dev/vda1 ro";

Bytes raw_text(std::string_view value) { return to_bytes(as_bytes(value)); }

// UEFI_VARIABLE_DATA of a variable of the global namespace, or of the security database's.
Bytes efi_variable(std::string_view name, ByteView data) {
    const bool database = name.starts_with("db");
    Bytes out =
        from_hex(database ? "cbb219d73a3d9645a3bcdad00e67656f" : "61dfe48bca93d211aa0d00e098032b8c",
                 "guid")
            .value();
    for (const std::uint64_t len : {std::uint64_t{name.size()}, std::uint64_t{data.size()}}) {
        for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<std::uint8_t>(len >> (8 * i)));
    }
    for (const char c : name) {
        out.push_back(static_cast<std::uint8_t>(c));
        out.push_back(0);
    }
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

// Digests of things outside of the log.
Sha384 digest_named(std::string_view name) { return sha384(as_bytes(name)); }

Bytes tagged(std::uint32_t tag, std::string_view name) {
    Bytes out;
    for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(tag >> (8 * i)));
    out.insert(out.end(), {static_cast<std::uint8_t>(name.size()), 0, 0, 0});
    const Bytes body = raw_text(name);
    out.insert(out.end(), body.begin(), body.end());
    return out;
}

Sha384 load_options(std::string_view line) {
    Bytes wide;
    for (const char c : line) {
        wide.push_back(static_cast<std::uint8_t>(c));
        wide.push_back(0);
    }
    return sha384(wide);
}

LogEvent log_separator(std::uint32_t index) { return {index, forge::kEvSeparator, Bytes(4), {}}; }
LogEvent loader_says(std::string_view label, std::string_view value) {
    return {3, kIpl, raw_text(fmt::format("{}: {}", label, value) + '\0'), sha384(as_bytes(value))};
}
LogEvent runtime(const RuntimeEvent& event) { return {4, kTag, runtime_event_data(event), {}}; }

// A boot by shim, GRUB and an EFI stub, as the recorded ones look.
std::vector<LogEvent> events() {
    return {
        {1, kVariable, efi_variable("SecureBoot", Bytes{1}), {}},
        {1, kVariable, efi_variable("PK", raw_text("owner")), {}},
        {1, kVariable, efi_variable("db", raw_text("allowed")), {}},
        {1, kVariable, efi_variable("dbx", {}), {}},
        log_separator(1),
        {2, kAction, raw_text("Calling EFI Application from Boot Option"), {}},
        log_separator(2),
        {2, kApplication, raw_text("device path"), digest_named("shim")},
        {2, kApplication, raw_text("device path"), digest_named("kernel")},
        loader_says("grub_cmd", "set default=0"),
        {3, kIpl, raw_text("/boot/grub.cfg"), digest_named("grub.cfg")},
        loader_says("kernel_cmdline", kCommandLine),
        {3, kTag, tagged(0x8f3b22ed, "LOADED_IMAGE::LoadOptions"),
         load_options("BOOT_IMAGE=" + std::string(kCommandLine))},
        {3, kTag, tagged(0x8f3b22ec, "Linux initrd"), digest_named("initrd")},
        runtime({"attestd", "config", "00ff"}),
        runtime({"workload/db", "started", "1.2"}),
    };
}

Setting setting(const std::vector<LogEvent>& quoted, const std::vector<LogEvent>& logged) {
    IntelCase c;
    test::td(c).rtmr = forge::replay(quoted);
    Setting out = c.setting();
    out.expected.event_log = forge::event_log(logged, 4096);
    return out;
}
Setting setting(const std::vector<LogEvent>& all = events()) { return setting(all, all); }

nlohmann::json pins() {
    const auto hex = [](std::string_view name) { return to_hex(digest_named(name)); };
    const auto data = [](std::string_view value) { return to_hex(sha256(as_bytes(value))); };
    return {{"secure_boot", true},
            {"pk", {data("owner")}},
            {"db", {data("allowed")}},
            {"dbx", {data("")}},
            {"images", {hex("shim"), hex("kernel")}},
            {"files",
             {hex("grub.cfg"), hex("initrd"),
              to_hex(load_options("BOOT_IMAGE=" + std::string(kCommandLine)))}},
            {"initrd", {hex("initrd")}},
            {"command_line", {kCommandLine}},
            {"boot_commands", {"set default=0", kCommandLine}},
            {"runtime_events", {"attestd config", "workload/db started"}}};
}

AppraisalPolicy policy_of(const nlohmann::json& event_log) {
    const nlohmann::json any = "any";
    nlohmann::json tdx;
    for (const char* key : {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "mrconfigid",
                            "mrowner", "mrownerconfig"})
        tdx[key] = any;
    const nlohmann::json policy{{"tdx", tdx}, {"event_log", event_log}};
    auto parsed = parse_appraisal_policy(policy.dump(), "policy", PolicyStrictness::strict);
    REQUIRE_OK(parsed);
    return *std::move(parsed);
}

Setting pinned(Setting from, const nlohmann::json& event_log = pins()) {
    from.policy = policy_of(event_log);
    return from;
}

}  // namespace

TEST_CASE("event log: a log that replays to the quote's registers explains the boot",
          "[verifier][event-log]") {
    const AttestationResult result = test::appraise(setting());
    REQUIRE(result.verdict() == Verdict::accepted);
    const BootFacts* const boot = result.boot();
    REQUIRE(boot != nullptr);
    CHECK(boot->secure_boot == true);
    CHECK(boot->command_lines == std::vector<std::string>{std::string(kCommandLine)});
    CHECK(boot->images.size() == 2);
    CHECK(boot->files.size() == 3);
    CHECK(boot->initrds == std::vector<Bytes>{to_bytes(digest_named("initrd"))});
    CHECK(boot->runtime_events.back() == RuntimeEvent{"workload/db", "started", "1.2"});
    CHECK(boot->num_unverified == 5);
    const auto json = to_json(result);
    CHECK(json["claims"]["boot"]["secure_boot"] == true);
    CHECK(json["claims"]["boot"]["command_line"][0] == kCommandLine);
    CHECK(outcome(pinned(setting())) == "accepted");
}

TEST_CASE("event log: what is not as the policy pins it is named, and nothing else",
          "[verifier][event-log]") {
    struct Row {
        const char* member;
        nlohmann::json value;
        const char* denies;
    };
    const std::string other(96, 'a'), other_sha256(64, 'a');
    const auto row = GENERATE_COPY(values<Row>({
        {"secure_boot", false, "tdx.event-log.secure-boot.mismatch"},
        {"pk", {other_sha256}, "tdx.event-log.pk.mismatch"},
        {"kek", {other_sha256}, "tdx.event-log.kek.unknown"},
        {"db", {other_sha256}, "tdx.event-log.db.mismatch"},
        {"images", {to_hex(digest_named("shim"))}, "tdx.event-log.images.mismatch"},
        {"files",
         {to_hex(digest_named("initrd")), to_hex(digest_named("grub.cfg"))},
         "tdx.event-log.files.mismatch"},
        {"initrd", {other}, "tdx.event-log.initrd.mismatch"},
        {"boot_commands", {kCommandLine}, "tdx.event-log.boot-commands.mismatch"},
        {"runtime_events", {"attestd config"}, "tdx.event-log.runtime-events.mismatch"},
    }));
    INFO(row.member);
    nlohmann::json event_log = pins();
    event_log[row.member] = row.value;
    CHECK(outcome(pinned(setting(), event_log)) == std::string("refused: ") + row.denies);
}

TEST_CASE("event log: a command line is compared as GRUB says it and as the kernel was handed it",
          "[verifier][event-log]") {
    nlohmann::json event_log = pins();
    event_log["command_line"] = {"/vmlinuz root=/dev/vda1 ro single"};
    CHECK(outcome(pinned(setting(), event_log)) ==
          "refused: tdx.event-log.command-line.mismatch tdx.event-log.command-line.mismatch");
    // A kernel that is handed its line by firmware: no event says it in words.
    std::vector<LogEvent> direct = events();
    direct.erase(direct.begin() + 11);
    event_log = pins();
    CHECK(outcome(pinned(setting(direct), event_log)) == "accepted");
    direct.at(11).digest = load_options("BOOT_IMAGE=/vmlinuz init=/bin/sh");
    event_log["files"] = "any";
    CHECK(outcome(pinned(setting(direct), event_log)) ==
          "refused: tdx.event-log.command-line.mismatch");
    direct.erase(direct.begin() + 11);
    CHECK(outcome(pinned(setting(direct), event_log)) ==
          "refused: tdx.event-log.command-line.unknown");
}

TEST_CASE("event log: a log that does not give the registers explains nothing",
          "[verifier][event-log]") {
    std::vector<LogEvent> logged = events();
    const std::size_t at = GENERATE(0U, 7U, 11U, 14U);  // RTMR0, 1, 2, 3
    logged.at(at).digest = Sha384{};
    const AttestationResult result = test::appraise(pinned(setting(events(), logged)));
    CHECK(test::outcome_of(result) == "refused: tdx.event-log.mismatch");
    CHECK(result.boot() == nullptr);
    CHECK_FALSE(to_json(result)["claims"].contains("boot"));
    // A policy that does not speak of events does not make a false log good.
    CHECK(outcome(setting(events(), logged)) == "refused: tdx.event-log.mismatch");
}

TEST_CASE("event log: altered data is marked and never satisfies a pin", "[verifier][event-log]") {
    // Digests as they were, so that the registers come out; data as the attacker likes it.
    std::vector<LogEvent> logged = events();
    logged.at(11) = loader_says("kernel_cmdline", "/vmlinuz init=/bin/sh");
    const Setting honest = setting(logged);
    logged.at(11).data = raw_text("kernel_cmdline: " + std::string(kCommandLine));
    Setting lying = honest;
    lying.expected.event_log = forge::event_log(logged);
    CHECK(outcome(pinned(lying)) == "refused: tdx.event-log.files.mismatch");
    CHECK(test::appraise(lying).boot()->command_lines.empty());

    logged = events();
    logged.at(0).data = efi_variable("SecureBoot", Bytes{0});
    logged.at(0).digest = sha384(efi_variable("SecureBoot", Bytes{1}));
    CHECK(outcome(pinned(setting(logged))) == "refused: tdx.event-log.secure-boot.unknown");
}

TEST_CASE("event log: an image whose bytes are given as its event's data is still an image",
          "[verifier][event-log]") {
    std::vector<LogEvent> logged = events();
    const std::uint32_t type = GENERATE(kAction, kApplication, forge::kEvSeparator, kIpl);
    logged.at(7) = {2, type, raw_text("MZ\x90 an evil image\n"), {}};
    CHECK(outcome(pinned(setting(logged))) == "refused: tdx.event-log.images.mismatch");
}

TEST_CASE("event log: variables behind the separator, or twice, are nobody's",
          "[verifier][event-log]") {
    std::vector<LogEvent> late = events();
    std::swap(late.at(0), late.at(4));
    CHECK(outcome(pinned(setting(late))) ==
          "refused: tdx.event-log.secure-boot.unknown tdx.event-log.pk.unknown "
          "tdx.event-log.db.unknown tdx.event-log.dbx.unknown");
    std::vector<LogEvent> twice = events();
    twice.insert(twice.begin(), {1, kVariable, efi_variable("SecureBoot", Bytes{0}), {}});
    CHECK(outcome(pinned(setting(twice))) == "refused: tdx.event-log.secure-boot.unknown");
    std::vector<LogEvent> doubled = events();
    doubled.push_back(log_separator(1));
    const AttestationResult result = test::appraise(pinned(setting(doubled)));
    CHECK(result.verdict() == Verdict::accepted);
    CHECK(test::has_finding(result, "tdx.event-log.separator"));
}

TEST_CASE("event log: a run-time event of another form is not allowed by name",
          "[verifier][event-log]") {
    std::vector<LogEvent> logged = events();
    logged.push_back({4, kTag, raw_text("attestd config 00"), {}});
    CHECK(outcome(pinned(setting(logged))) == "refused: tdx.event-log.runtime-events.unknown");
}

TEST_CASE("event log: missing is undecided where it is pinned, malformed is refused",
          "[verifier][event-log]") {
    Setting missing = pinned(setting());
    missing.expected.event_log.clear();
    CHECK(outcome(missing) == "undecided: tdx.event-log.missing");
    nlohmann::json optional = pins();
    optional["required"] = false;
    missing.policy = policy_of(optional);
    CHECK(outcome(missing) == "accepted");
    Setting malformed = pinned(setting());
    malformed.expected.event_log.resize(100);
    CHECK(outcome(malformed) ==
          fmt::format("refused: tdx.{}", errc_name(Errc::event_log_malformed)));
    malformed.expected.event_log = raw_text("no log");
    CHECK(outcome(malformed) == "refused: tdx.event-log.malformed");
}

TEST_CASE("event log: evidence that failed, or that has no registers, is compared with no log",
          "[verifier][event-log]") {
    IntelCase c;
    test::td(c).rtmr = forge::replay(events());
    c.spoil_quote = [](auto& parts) { parts.signed_part[500] ^= 1; };
    Setting forged = pinned(c.setting());
    forged.expected.event_log = forge::event_log(events());
    CHECK(outcome(forged) == "refused: tdx.quote.signature");
    CHECK(test::appraise(forged).boot() == nullptr);

    Setting snp = test::SnpCase().setting();
    snp.policy.event_log.named = true;
    snp.expected.event_log = forge::event_log(events());
    CHECK(outcome(snp) == "refused: snp.event-log.not-covered");
}

TEST_CASE("event log: a strict policy names what it pins, or says any", "[verifier][policy]") {
    const nlohmann::json any = "any";
    const char* const left_out = GENERATE("secure_boot", "images", "command_line", "boot_commands");
    nlohmann::json policy{{"sgx", {{"mrenclave", any}, {"mrsigner", any}}}, {"event_log", pins()}};
    policy["event_log"].erase(left_out);
    REQUIRE_ERRC(Errc::bad_config,
                 parse_appraisal_policy(policy.dump(), "p", PolicyStrictness::strict));
    REQUIRE_OK(parse_appraisal_policy(policy.dump(), "p", PolicyStrictness::lenient));
    policy["event_log"]["images"] = {"abcd"};
    REQUIRE_ERRC(Errc::bad_length,
                 parse_appraisal_policy(policy.dump(), "p", PolicyStrictness::lenient));
}

}  // namespace attestd
