// configfs-tsm: entries are made, kept and removed, and nobody else's is touched.
#include <cerrno>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/unit/platform/configfs_steps.h"

namespace attestd::test::configfs {

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

}  // namespace attestd::test::configfs
