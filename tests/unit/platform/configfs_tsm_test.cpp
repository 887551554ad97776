// configfs-tsm: every errno and timing of `spec/guest-interfaces.md` section 2, by script.
#include "quote/platform/configfs_tsm.h"

#include <cerrno>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/unit/platform/configfs_steps.h"

namespace attestd::test::configfs {

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

}  // namespace attestd::test::configfs
