// configfs-tsm: what the kernel, the host and other writers do wrong, and what comes of it.
#include <cerrno>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/unit/platform/configfs_steps.h"

namespace attestd::test::configfs {

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

}  // namespace attestd::test::configfs
