// Whether the host can hand credentials to systemd, and what is refused because it can.
#include "agent/sources/system_credentials.h"

#include <filesystem>

#include "tests/support/catch.h"
#include "tests/unit/sources/rooted_system.h"

namespace attestd::system_credentials_test {

using test::RootedSystem;

TEST_CASE("system credentials: the last word of the kernel command line closes the door",
          "[sources]") {
    struct Row {
        const char* line;
        bool imported;
    };
    const auto row = GENERATE(values<Row>({
        {"", true},
        {"quiet\n", true},
        {"systemd.import_credentials=no\n", false},
        {"quiet systemd.import_credentials=0 ro\n", false},
        {"systemd.import-credentials=FALSE\n", false},
        {"systemd.import_credentials=off\n", false},
        {"systemd.import_credentials\n", true},
        {"systemd.import_credentials=\n", true},
        {"systemd.import_credentials=yes\n", true},
        {"systemd.import_credentials=nope\n", true},
        {"systemd.import_credentials=no systemd.import_credentials=yes\n", true},
        {"systemd.import_credentials=yes systemd.import_credentials=no\n", false},
        {"systemd.import_credentials_=no\n", true},
        {"xsystemd.import_credentials=no\n", true},
        {"a=\"b systemd.import_credentials=no c\"\n", true},
        {"\"systemd.import_credentials=no\"\n", false},
    }));
    CAPTURE(row.line);
    RootedSystem system;
    system.dir().write("proc/cmdline", std::string_view(row.line));
    CHECK(look_for_system_credentials(system).are_imported == row.imported);
}

TEST_CASE("system credentials: without a command line or a mount table, nothing is known",
          "[sources]") {
    RootedSystem system;
    const SystemCredentials found = look_for_system_credentials(system);
    CHECK(found.are_imported);
    CHECK(found.are_hidden);
    CHECK(found.folders.empty());
    REQUIRE_ERRC(Errc::credential_injected, check_not_injected(system, "db"));
}

TEST_CASE("system credentials: a mount of the unit's own hides them", "[sources]") {
    RootedSystem system;
    system.dir().write("proc/cmdline", std::string_view(test::kOpenLine));
    system.dir().write("proc/self/mountinfo", std::string_view(test::kOwnMounts));
    CHECK(look_for_system_credentials(system).are_hidden);
    REQUIRE_ERRC(Errc::credential_injected, check_not_injected(system, "db"));
    SECTION("unless none are imported") {
        system.dir().write("proc/cmdline", std::string_view(test::kClosedLine));
        REQUIRE_OK(check_not_injected(system, "db"));
    }
    SECTION("unless it is seen that there are none") {
        system.dir().write("proc/self/mountinfo", std::string_view(test::kPlainMounts));
        std::filesystem::create_directories(system.dir() / "run/credentials/@system");
        CHECK_FALSE(look_for_system_credentials(system).are_hidden);
        REQUIRE_OK(check_not_injected(system, "db"));
    }
}

TEST_CASE("system credentials: that no folder for them is there says nothing", "[sources]") {
    const std::string root = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n";
    const std::string run = root + "31 22 0:26 / /run rw,nosuid - tmpfs tmpfs rw\n";
    struct Row {
        const char* name;
        std::string mounts;
    };
    const auto row = GENERATE_COPY(values<Row>({
        {"the host's own view", test::kPlainMounts},
        {"another /run, into which the unit's credentials are bound",
         run + "90 31 0:60 / /run/credentials/attestd.service ro,nosuid - ramfs ramfs rw\n"},
        {"another /run", run},
        {"another root", root},
    }));
    CAPTURE(row.name);
    RootedSystem system;
    system.dir().write("proc/cmdline", std::string_view(test::kOpenLine));
    system.dir().write("proc/self/mountinfo", std::string_view(row.mounts));
    system.dir().write("run/credentials/attestd.service/db", std::string_view("x"));
    const auto refused = check_not_injected(system, "db");
    REQUIRE_ERRC(Errc::credential_injected, refused);
    CHECK(refused.error().detail.find("cannot be seen from here") != std::string::npos);
    system.dir().write("proc/cmdline", std::string_view(test::kClosedLine));
    REQUIRE_OK(check_not_injected(system, "db"));
}

TEST_CASE("system credentials: one of any name can write what another is loaded from",
          "[sources]") {
    const std::string folder = GENERATE("run/credentials/@system", "run/credentials/@encrypted");
    RootedSystem system;
    system.dir().write("proc/cmdline", std::string_view(test::kOpenLine));
    system.dir().write("proc/self/mountinfo", std::string_view(test::kPlainMounts));
    std::filesystem::create_directories(system.dir() / "run/credentials/@system");
    REQUIRE_OK(check_not_injected(system, "db"));
    system.dir().write(folder + "/tmpfiles.extra", std::string_view("f /run/credstore/db"));
    const auto refused = check_not_injected(system, "db");
    REQUIRE_ERRC(Errc::credential_injected, refused);
    CHECK(refused.error().detail.find("/" + folder + " is not empty") == 0);
    system.dir().write("proc/cmdline", std::string_view(test::kClosedLine));
    REQUIRE_OK(check_not_injected(system, "db"));
}

TEST_CASE("system credentials: one of the same name is refused, wherever it lies", "[sources]") {
    const std::string folder = GENERATE("run/credentials/@system", "run/credentials/@encrypted");
    const std::string line = GENERATE(test::kOpenLine, test::kClosedLine);
    RootedSystem system;
    system.dir().write("proc/cmdline", std::string_view(line));
    system.dir().write("proc/self/mountinfo", std::string_view(test::kPlainMounts));
    system.dir().write(folder + "/db", std::string_view("from the host"));
    const auto refused = check_not_injected(system, "db");
    REQUIRE_ERRC(Errc::credential_injected, refused);
    CHECK(refused.error().detail.find("/" + folder + "/db is there") == 0);
    CHECK(refused.error().detail.find(kNoImport) != std::string::npos);
    CHECK(look_for_system_credentials(system).folders == std::vector<std::string>{"/" + folder});
    if (line == test::kClosedLine) REQUIRE_OK(check_not_injected(system, "other"));
    SECTION("a link is one too") {
        std::filesystem::create_symlink("/nowhere", system.dir() / (folder + "/link"));
        REQUIRE_ERRC(Errc::credential_injected, check_not_injected(system, "link"));
    }
}

}  // namespace attestd::system_credentials_test
