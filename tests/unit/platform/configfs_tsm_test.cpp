// configfs-tsm: every errno and timing of `spec/guest-interfaces.md` section 2, by script.
#include "quote/platform/configfs_tsm.h"

#include <cerrno>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/unit/platform/samples.h"
#include "tests/unit/platform/scripted_system.h"

namespace attestd::test {
namespace {

using namespace std::chrono_literals;

const std::string kReports = "/sys/kernel/config/tsm/report";
const std::string kFresh = kReports + "/attestd-*";
const std::string kPrepared = kReports + "/attestd";
const std::string kLog = "/sys/firmware/acpi/tables/data/CCEL";

/// The kernel's side of a request, step by step.
struct Tsm {
    ScriptedSystem system;
    std::string entry = kFresh;
    Bytes snp = sample_snp_report(sample_report_data()), table = sample_table();

    void opens_reports() { system.on_open(kReports); }
    void makes_entry() {
        opens_reports();
        system.on_mkdir(entry);
        system.on_open(entry);
    }
    void reads(const std::string& name, std::string_view text) {
        system.on_file(entry + '/' + name, text);
    }
    void generation(int value) { reads("generation", std::to_string(value) + "\n"); }
    void provider(std::string_view name) { reads("provider", name); }
    void takes_request() { system.on_put(entry + "/inblob", sample_report_data()); }
    /// Up to the moment at which the report is read.
    void takes_all(std::string_view provider_name = "sev_guest\n") {
        makes_entry();
        provider(provider_name);
        generation(0);
        takes_request();
        generation(1);
    }
    void gives(const std::string& name, ByteView bytes) {
        system.on_file(entry + '/' + name, bytes);
    }
    void fails(const std::string& name, int error, std::chrono::milliseconds after = 0ms) {
        system.on_bad_read(entry + '/' + name, error, after);
    }
    void gives_report() {
        gives("outblob", snp);
        gives("auxblob", table);
        generation(1);
    }
    void is_removed(int error = 0) { system.on_rmdir(entry, error); }
    void whole() {
        takes_all();
        gives_report();
        is_removed();
    }

    ConfigfsTsm platform{system};
    [[nodiscard]] Result<Evidence> collect(std::chrono::milliseconds patience = 30s) {
        return platform.collect(sample_report_data(), system.now() + patience);
    }
};

}  // namespace

TEST_CASE("configfs: an SNP report comes with the host's table, and the entry is removed",
          "[platform][configfs]") {
    Tsm tsm;
    tsm.whole();
    const auto evidence = tsm.collect();
    REQUIRE_OK(evidence);
    CHECK(tsm.system.verify() == "");
    CHECK(evidence->tee == Tee::snp);
    CHECK(evidence->quote == tsm.snp);
    CHECK(evidence->endorsements == std::vector<Bytes>{tsm.table});
    CHECK(evidence->event_log.empty());
    CHECK(evidence->interface == "configfs_tsm");
}

TEST_CASE("configfs: a TDX quote comes with the boot log without its padding, if there is one",
          "[platform][configfs]") {
    const Bytes log = forge::event_log(forge::boot_events("kernel_cmdline: x"));
    const Bytes padded = forge::event_log(forge::boot_events("kernel_cmdline: x"), 65536);
    const bool has_log = GENERATE(true, false);
    Tsm tsm;
    tsm.takes_all("tdx_guest\n");
    const Bytes quote = sample_tdx_quote(sample_report_data());
    tsm.gives("outblob", quote);
    tsm.generation(1);
    tsm.is_removed();
    has_log ? tsm.system.on_file(kLog, padded) : tsm.system.on_open(kLog, EACCES);
    const auto evidence = tsm.collect();
    REQUIRE_OK(evidence);
    CHECK(tsm.system.verify() == "");
    CHECK(evidence->tee == Tee::tdx);
    CHECK(evidence->quote == quote);
    CHECK(evidence->endorsements.empty());
    CHECK(evidence->event_log == (has_log ? log : Bytes{}));
}

TEST_CASE("configfs: an absent or empty certificate table is no error", "[platform][configfs]") {
    struct Row {
        const char* name;
        bool there;
        Bytes table;
    };
    const auto row = GENERATE(values<Row>(
        {{"empty", true, {}}, {"all zero", true, Bytes(4096)}, {"no file", false, {}}}));
    INFO(row.name);
    Tsm tsm;
    tsm.takes_all();
    tsm.gives("outblob", tsm.snp);
    row.there ? tsm.gives("auxblob", row.table) : tsm.system.on_open(kFresh + "/auxblob", ENOENT);
    tsm.generation(1);
    tsm.is_removed();
    const auto evidence = tsm.collect();
    REQUIRE_OK(evidence);
    CHECK(tsm.system.verify() == "");
    CHECK(evidence->endorsements.empty());
}

TEST_CASE("configfs: reading the report: each errno has its own end", "[platform][configfs]") {
    struct Row {
        const char* name;
        std::vector<int> errors;  ///< one read after another; then the report
        std::chrono::milliseconds each;
        std::chrono::milliseconds patience;
        std::optional<Errc> want;
        std::chrono::milliseconds slept;
    };
    const auto row = GENERATE(values<Row>({
        {"EINVAL is final", {EINVAL}, 0ms, 30s, Errc::platform_failed, 0ms},
        {"EWOULDBLOCK once", {EWOULDBLOCK}, 0ms, 30s, std::nullopt, 0ms},
        {"EWOULDBLOCK twice", {EWOULDBLOCK, EWOULDBLOCK}, 0ms, 30s, Errc::platform_failed, 0ms},
        {"EBUSY, then success", {EBUSY, EBUSY, EBUSY}, 0ms, 30s, std::nullopt, 7s},
        {"EBUSY until the deadline", {EBUSY, EBUSY, EBUSY}, 0ms, 7s, Errc::timed_out, 3s},
        {"EBUSY with pauses that stop growing",
         {EBUSY, EBUSY, EBUSY, EBUSY, EBUSY},
         0ms,
         30s,
         std::nullopt,
         23s},
        {"ETIMEDOUT, then success", {ETIMEDOUT}, 10s, 30s, std::nullopt, 1s},
        {"ETIMEDOUT until the deadline", {ETIMEDOUT}, 30s, 30s, Errc::unavailable, 0ms},
        {"EINTR: the request is in flight, so EBUSY", {EINTR, EBUSY}, 0ms, 30s, std::nullopt, 3s},
        {"EINTR until the deadline", {EINTR}, 0ms, 1s, Errc::timed_out, 0ms},
        {"EIO once", {EIO}, 0ms, 30s, std::nullopt, 0ms},
        {"EIO twice", {EIO, EIO}, 0ms, 30s, Errc::platform_failed, 0ms},
        {"EFBIG is final", {EFBIG}, 0ms, 30s, Errc::platform_failed, 0ms},
        {"ENXIO is final", {ENXIO}, 0ms, 30s, Errc::unavailable, 0ms},
        {"ENOTTY is final", {ENOTTY}, 0ms, 30s, Errc::platform_failed, 0ms},
        {"EACCES is final", {EACCES}, 0ms, 30s, Errc::access_denied, 0ms},
        {"the simulator died", {ECONNABORTED}, 0ms, 30s, Errc::platform_failed, 0ms},
    }));
    INFO(row.name);
    Tsm tsm;
    tsm.takes_all();
    for (const int error : row.errors) tsm.fails("outblob", error, row.each);
    if (!row.want) tsm.gives_report();
    tsm.is_removed();
    const auto evidence = tsm.collect(row.patience);
    CHECK(tsm.system.verify() == "");
    CHECK(tsm.system.slept() == row.slept);
    if (!row.want) {
        REQUIRE_OK(evidence);
        return;
    }
    REQUIRE_ERRC(*row.want, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring("/outblob: E"));  // the node, the errno
}

TEST_CASE("configfs: ENOTTY means dead until the machine restarts, and nobody asks again",
          "[platform][configfs]") {
    Tsm tsm;
    tsm.takes_all();
    tsm.fails("outblob", ENOTTY);
    tsm.is_removed();
    REQUIRE_ERRC(Errc::platform_failed, tsm.collect());
    const auto again = tsm.collect();
    REQUIRE_ERRC(Errc::platform_failed, again);
    CHECK_THAT(again.error().detail, ContainsSubstring("until this machine restarts"));
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: what the entry cannot be made for is said, with what mends it",
          "[platform][configfs]") {
    struct Row {
        int open_error, mkdir_error;
        Errc want;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {ENOENT, 0, Errc::platform_unsupported, "modprobe configfs"},
        {EACCES, 0, Errc::access_denied, "EACCES"},
        {0, ENXIO, Errc::unavailable, "no provider is loaded; modprobe"},
        {0, EACCES, Errc::access_denied, "attestd.service prepares"},
        {0, EPERM, Errc::access_denied, "only root makes entries"},
        {0, EROFS, Errc::access_denied, "ReadWritePaths="},
        {0, ENOMEM, Errc::platform_failed, "ENOMEM"},
    }));
    Tsm tsm;
    tsm.system.on_open(kReports, row.open_error);
    if (row.open_error == 0) tsm.system.on_mkdir(kFresh, row.mkdir_error);
    const auto evidence = tsm.collect();
    REQUIRE_ERRC(row.want, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring(row.says));
    CHECK_THAT(evidence.error().detail, ContainsSubstring(kReports));
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: a name that is taken twice is replaced by others", "[platform][configfs]") {
    Tsm tsm;
    tsm.opens_reports();
    tsm.system.on_mkdir(kFresh, EEXIST);
    tsm.system.on_mkdir(kFresh, EEXIST);
    tsm.system.on_mkdir(kFresh);
    tsm.system.on_open(kFresh);
    tsm.provider("sev_guest\n");
    tsm.generation(0);
    tsm.takes_request();
    tsm.generation(1);
    tsm.gives_report();
    tsm.is_removed();
    REQUIRE_OK(tsm.collect());
    CHECK(tsm.system.verify() == "");
    const auto& names = tsm.system.made_names();
    REQUIRE(names.size() == 3);
    CHECK(names[0] != names[1]);
    CHECK(names[1] != names[2]);
    CHECK(names[2].size() == std::string("attestd-").size() + 32);  // 128 random bits
}

TEST_CASE("configfs: a name that is always taken ends", "[platform][configfs]") {
    Tsm tsm;
    tsm.opens_reports();
    for (int i = 0; i < 8; ++i) tsm.system.on_mkdir(kFresh, EEXIST);
    REQUIRE_ERRC(Errc::platform_failed, tsm.collect());
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: a disturbed request is made once more in a fresh entry, and no third time",
          "[platform][configfs]") {
    struct Row {
        const char* name;
        std::function<void(Tsm&)> disturb;  // from the entry on
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"commit lost: the generation is unchanged",
         [](Tsm& t) {
             t.generation(0);
             t.takes_request();
             t.generation(0);
         },
         "the kernel dropped the request"},
        {"a foreign write between write and read",
         [](Tsm& t) {
             t.generation(0);
             t.takes_request();
             t.generation(2);
         },
         "another process wrote"},
        {"a foreign write between outblob and auxblob",
         [](Tsm& t) {
             t.generation(0);
             t.takes_request();
             t.generation(1);
             t.gives("outblob", t.snp);
             t.gives("auxblob", t.table);
             t.generation(2);
         },
         "another process wrote"},
        {"a foreign write before ours", [](Tsm& t) { t.generation(1); }, "another process wrote"},
        {"the entry vanishes before the report",
         [](Tsm& t) {
             t.generation(0);
             t.takes_request();
             t.generation(1);
             t.fails("outblob", ENOENT);
         },
         "somebody removed the entry"},
        {"the entry vanishes after the report",
         [](Tsm& t) {
             t.generation(0);
             t.takes_request();
             t.generation(1);
             t.gives("outblob", t.snp);
             t.fails("auxblob", ENOENT);
             t.fails("generation", ENOENT);
         },
         "somebody removed the entry"},
        {"the entry vanishes before the request",
         [](Tsm& t) {
             t.generation(0);
             t.system.on_open(kFresh + "/inblob", ENOENT);
         },
         "somebody removed the entry"},
    }));
    INFO(row.name);
    const auto disturbed = [&](Tsm& tsm) {
        tsm.makes_entry();
        tsm.provider("sev_guest\n");
        row.disturb(tsm);
        tsm.is_removed();
    };
    Tsm once;
    disturbed(once);
    once.whole();
    REQUIRE_OK(once.collect());
    CHECK(once.system.verify() == "");

    Tsm twice;
    disturbed(twice);
    disturbed(twice);
    const auto evidence = twice.collect();
    REQUIRE_ERRC(Errc::platform_failed, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring(row.says));
    CHECK(twice.system.verify() == "");
    CHECK(twice.system.made_names()[0] != twice.system.made_names()[1]);
}

TEST_CASE("configfs: a request that cannot be written is given up with its entry",
          "[platform][configfs]") {
    Tsm tsm;
    tsm.makes_entry();
    tsm.provider("sev_guest\n");
    tsm.generation(0);
    const auto how = GENERATE(values<const char*>({"fails", "is short", "cannot be opened"}));
    INFO(how);
    if (how == std::string_view("fails")) {
        tsm.system.on_put(kFresh + "/inblob", sample_report_data(), EFBIG);
    } else if (how == std::string_view("is short")) {  // and there is no second write
        tsm.system.on_open(kFresh + "/inblob");
        ScriptedSystem::Step step{"write", kFresh + "/inblob", 0, to_bytes(sample_report_data())};
        step.num_written = 63;
        tsm.system.add(std::move(step));
    } else {
        tsm.system.on_open(kFresh + "/inblob", EIO);
    }
    tsm.is_removed();
    const auto evidence = tsm.collect();
    REQUIRE_ERRC(Errc::platform_failed, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring("/inblob"));
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: a report that comes byte by byte is whole", "[platform][configfs]") {
    Tsm tsm;
    tsm.takes_all();
    tsm.system.on_open(kFresh + "/outblob");
    for (const std::uint8_t byte : tsm.snp)
        tsm.system.add({"read", kFresh + "/outblob", 0, Bytes{byte}});
    tsm.system.add({"read", kFresh + "/outblob"});
    tsm.gives("auxblob", {});
    tsm.generation(1);
    tsm.is_removed();
    const auto evidence = tsm.collect();
    REQUIRE_OK(evidence);
    CHECK(evidence->quote == tsm.snp);
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: what is no evidence over our bytes is refused", "[platform][configfs]") {
    struct Row {
        const char* name;
        const char* provider;
        std::function<Bytes()> outblob;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({
        {"empty", "sev_guest\n", [] { return Bytes{}; }, Errc::platform_failed},
        {"a TDREPORT in place of a quote", "tdx_guest\n", [] { return Bytes(1024, 0x81); },
         Errc::platform_failed},
        {"a quote where SNP is the provider", "sev_guest\n",
         [] { return sample_tdx_quote(sample_report_data()); }, Errc::platform_failed},
        {"a report where TDX is the provider", "tdx_guest\n",
         [] { return sample_snp_report(sample_report_data()); }, Errc::platform_failed},
        {"a report over other bytes", "sev_guest\n", [] { return sample_snp_report({}); },
         Errc::platform_wrong_echo},
        {"a quote over other bytes", "tdx_guest\n", [] { return sample_tdx_quote({}); },
         Errc::platform_wrong_echo},
    }));
    INFO(row.name);
    Tsm tsm;
    tsm.takes_all(row.provider);
    tsm.gives("outblob", row.outblob());
    if (std::string_view(row.provider) == "sev_guest\n") tsm.gives("auxblob", {});
    tsm.generation(1);
    tsm.is_removed();
    REQUIRE_ERRC(row.want, tsm.collect());
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: a report over the largest length that is known is refused",
          "[platform][configfs]") {
    Tsm tsm;
    tsm.takes_all();
    tsm.system.on_open(kFresh + "/outblob");
    for (std::size_t i = 0; i < 9; ++i)
        tsm.system.add({"read", kFresh + "/outblob", 0, Bytes(i < 8 ? 16384 : 1, 1)});
    tsm.is_removed();
    REQUIRE_ERRC(Errc::platform_failed, tsm.collect());
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: a provider that is not known is named and never taken for another",
          "[platform][configfs]") {
    Tsm tsm;
    tsm.makes_entry();
    tsm.provider("arm_cca_guest\n");
    tsm.is_removed();
    const auto evidence = tsm.collect();
    REQUIRE_ERRC(Errc::platform_unsupported, evidence);
    CHECK_THAT(evidence.error().detail, ContainsSubstring("unsupported platform: arm_cca_guest"));
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: a generation that is no number is refused", "[platform][configfs]") {
    Tsm tsm;
    tsm.makes_entry();
    tsm.provider("sev_guest\n");
    tsm.reads("generation", GENERATE("", "\n", "x\n", "-1\n", "1 2\n", "99999999999999999999\n"));
    tsm.is_removed();
    REQUIRE_ERRC(Errc::platform_failed, tsm.collect());
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: an entry that cannot be removed costs nothing now and is removed later",
          "[platform][configfs]") {
    Tsm tsm;
    tsm.takes_all();
    tsm.gives_report();
    tsm.is_removed(EBUSY);
    REQUIRE_OK(tsm.collect());
    tsm.opens_reports();
    tsm.system.on_rmdir(kFresh);
    tsm.whole();
    REQUIRE_OK(tsm.collect());
    tsm.whole();  // and then forgotten
    REQUIRE_OK(tsm.collect());
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: what a killed process of ours left is removed at the start, nothing else",
          "[platform][configfs]") {
    ScriptedSystem system;
    const std::string left = "attestd-" + std::string(32, 'a');
    system.on_open(kReports);
    ScriptedSystem::Step list{"list", kReports};
    list.names = {"com.intel.dcap",
                  left,
                  "attestd",
                  "attestd-short",
                  "attestd-abc",
                  "attestctl-" + left.substr(8),
                  "attestd-" + std::string(32, 'G'),
                  "attestd-" + std::string(31, 'b') + "B"};
    system.add(std::move(list));
    system.on_rmdir(kReports + '/' + left);
    ConfigfsTsm platform(system);
    CHECK(platform.remove_leftovers() == 1);
    CHECK(system.verify() == "");
    system.on_open(kReports, ENOENT);
    CHECK(platform.remove_leftovers() == 0);
}

TEST_CASE("configfs: an entry that root handed over is used again and again, and stays",
          "[platform][configfs]") {
    Tsm tsm;
    tsm.entry = kPrepared;
    tsm.system.set_uid(990);
    const auto opens = [&] {
        tsm.opens_reports();
        tsm.system.on_open(kPrepared);
        ScriptedSystem::Step stat{"stat", kPrepared};
        stat.node = {false, true, 990};
        tsm.system.add(std::move(stat));
    };
    for (const int before : {0, 1, 41}) {
        opens();
        tsm.provider("sev_guest\n");
        tsm.generation(before);
        tsm.takes_request();
        tsm.generation(before + 1);
        tsm.gives("outblob", tsm.snp);
        tsm.gives("auxblob", tsm.table);
        tsm.generation(before + 1);
        REQUIRE_OK(tsm.collect());
    }
    CHECK(tsm.system.verify() == "");

    // Somebody else writes to it between our write and our read: once more, then no more.
    for (int i = 0; i < 2; ++i) {
        opens();
        tsm.provider("sev_guest\n");
        tsm.generation(7);
        tsm.takes_request();
        tsm.generation(9);
    }
    REQUIRE_ERRC(Errc::platform_failed, tsm.collect());
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: an entry of another user's is not touched", "[platform][configfs]") {
    Tsm tsm;
    tsm.system.set_uid(990);
    tsm.opens_reports();
    const bool is_there = GENERATE(true, false);
    tsm.system.on_open(kPrepared, is_there ? 0 : ENOENT);
    if (is_there) {
        ScriptedSystem::Step stat{"stat", kPrepared};
        stat.node = {false, true, 0};
        tsm.system.add(std::move(stat));
    }
    tsm.system.on_mkdir(kFresh, EACCES);
    REQUIRE_ERRC(Errc::access_denied, tsm.collect());
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: a privilege level is raised to the floor and counted",
          "[platform][configfs]") {
    struct Row {
        std::uint32_t wanted;
        const char* floor;
        const char* written;
    };
    const auto row = GENERATE(values<Row>({{0, "0\n", "0"}, {1, "2\n", "2"}, {3, "1\n", "3"}}));
    Tsm tsm;
    ConfigfsTsmOptions options;
    options.privlevel = row.wanted;
    ConfigfsTsm platform(tsm.system, options);
    tsm.makes_entry();
    tsm.provider("sev_guest\n");
    tsm.generation(0);
    tsm.reads("privlevel_floor", row.floor);
    tsm.system.on_put(kFresh + "/privlevel", as_bytes(row.written));
    tsm.takes_request();
    tsm.generation(2);
    tsm.gives("outblob", tsm.snp);
    tsm.gives("auxblob", {});
    tsm.generation(2);
    tsm.is_removed();
    REQUIRE_OK(platform.collect(sample_report_data(), tsm.system.now() + 30s));
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: a privilege level that the kernel refuses ends the request",
          "[platform][configfs]") {
    Tsm tsm;
    ConfigfsTsmOptions options;
    options.privlevel = 1;
    ConfigfsTsm platform(tsm.system, options);
    tsm.makes_entry();
    tsm.provider("sev_guest\n");
    tsm.generation(0);
    const bool absurd = GENERATE(true, false);
    tsm.reads("privlevel_floor", absurd ? "4\n" : "0\n");
    if (!absurd) tsm.system.on_put(kFresh + "/privlevel", as_bytes("1"), EINVAL);
    tsm.is_removed();
    REQUIRE_ERRC(Errc::platform_failed,
                 platform.collect(sample_report_data(), tsm.system.now() + 30s));
    CHECK(tsm.system.verify() == "");
}

TEST_CASE("configfs: a service's report is bound to its manifest, which comes along",
          "[platform][configfs]") {
    const bool is_bound = GENERATE(true, false), has_manifest = GENERATE(true, false);
    const Bytes manifest = has_manifest ? Bytes{1, 2, 3} : Bytes{};
    const ReportData bound = sha512({ByteView(sample_report_data()), ByteView(manifest)});
    Tsm tsm;
    ConfigfsTsmOptions options;
    options.service = TsmService{"svsm", "00000000-0000-0000-0000-000000000000", "1"};
    ConfigfsTsm platform(tsm.system, options);
    tsm.makes_entry();
    tsm.provider("sev_guest\n");
    tsm.generation(0);
    tsm.system.on_put(kFresh + "/service_provider", as_bytes("svsm"));
    tsm.system.on_put(kFresh + "/service_guid", as_bytes(options.service->guid));
    tsm.system.on_put(kFresh + "/service_manifest_version", as_bytes("1"));
    tsm.takes_request();
    tsm.generation(4);
    // Equality with the plain request is what must not be accepted.
    tsm.gives("outblob", sample_snp_report(is_bound ? bound : sample_report_data()));
    tsm.gives("auxblob", {});
    tsm.gives("manifestblob", manifest);
    if (has_manifest) tsm.generation(4);
    tsm.is_removed();
    const auto evidence = platform.collect(sample_report_data(), tsm.system.now() + 30s);
    CHECK(tsm.system.verify() == "");
    if (!has_manifest) {
        REQUIRE_ERRC(Errc::platform_failed, evidence);
        CHECK_THAT(evidence.error().detail, ContainsSubstring("no manifest"));
    } else if (is_bound) {
        REQUIRE_OK(evidence);
        CHECK(evidence->service_manifest == manifest);
        CHECK(evidence->endorsements.empty());
    } else {
        REQUIRE_ERRC(Errc::platform_wrong_echo, evidence);
    }
}

TEST_CASE("configfs: derived keys come from the SNP device, and TDX has none",
          "[platform][configfs]") {
    ScriptedSystem system;
    system.on_open("/dev/sev-guest", ENOENT);
    ConfigfsTsm platform(system);
    REQUIRE_ERRC(Errc::platform_unsupported, platform.derive_key({}, system.now() + 30s));
    CHECK(system.verify() == "");
}

}  // namespace attestd::test
