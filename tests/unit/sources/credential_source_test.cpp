// Credentials of attestd's own unit: what is taken, and what is refused.
#include "agent/sources/credential_source.h"

#include <sys/stat.h>

#include <filesystem>

#include "config/secret_name.h"
#include "tests/support/catch.h"
#include "tests/unit/sources/rooted_system.h"

namespace attestd::credential_source_test {
namespace {

namespace fs = std::filesystem;
using test::RootedSystem;

const std::string kFolder = "/run/credentials/attestd.service";

struct Setting {
    RootedSystem system;
    Setting() {
        system.dir().write("proc/cmdline", std::string_view(test::kClosedLine));
        system.dir().write("proc/self/mountinfo", std::string_view(test::kOwnMounts));
        put("db", "value");
        ::chmod(path("").c_str(), 0500);
    }
    ~Setting() { ::chmod(path("").c_str(), 0700); }
    fs::path path(const std::string& id) const {
        return system.dir() / (kFolder.substr(1) + "/" + id);
    }
    void put(const std::string& id, std::string_view value, mode_t mode = 0400) const {
        if (fs::exists(path(""))) ::chmod(path("").c_str(), 0700);
        if (fs::exists(path(id))) ::chmod(path(id).c_str(), 0600);
        system.dir().write(kFolder.substr(1) + "/" + id, value);
        ::chmod(path(id).c_str(), mode);
        ::chmod(path("").c_str(), 0500);
    }
    std::shared_ptr<CredentialSource> source(std::optional<std::string> folder = kFolder) {
        auto made = CredentialSource::make(system, std::move(folder));
        REQUIRE_OK(made);
        return *made;
    }
};

}  // namespace

TEST_CASE("credential source: a value, its version, and the name's slash", "[sources]") {
    Setting setting;
    setting.put("a+b", "other");
    const auto source = setting.source();
    const auto secret = source->get_resource("db");
    REQUIRE_OK(secret);
    CHECK(secret->value->expose([](ByteView b) { return as_text(b) == "value"; }));
    CHECK_FALSE(secret->expires.has_value());
    CHECK(source->get_resource("db")->version == secret->version);
    setting.put("db", "changed");
    CHECK(source->get_resource("db")->version > secret->version);
    const auto below = source->get_resource("a/b");
    REQUIRE_OK(below);
    CHECK(below->value->expose([](ByteView b) { return as_text(b) == "other"; }));
}

TEST_CASE("credential source: what is not there", "[sources]") {
    Setting setting;
    setting.put("empty", "");
    REQUIRE_ERRC(Errc::credential_missing, setting.source()->get_resource("other"));
    REQUIRE_ERRC(Errc::credential_missing, setting.source()->get_resource("empty"));
    REQUIRE_ERRC(Errc::credential_missing, setting.source(std::nullopt)->get_resource("db"));
    REQUIRE_ERRC(Errc::bad_name, setting.source()->get_resource("../db"));
}

TEST_CASE("credential source: a file that others could have written or read is refused",
          "[sources]") {
    struct Row {
        mode_t file, folder;
        bool good;
    };
    const auto row = GENERATE(values<Row>({{0400, 0500, true},
                                           {0440, 0550, true},
                                           {0600, 0700, true},
                                           {0404, 0500, false},
                                           {0420, 0500, false},
                                           {0402, 0500, false},
                                           {0400, 0501, false},
                                           {0400, 0520, false}}));
    CAPTURE(row.file, row.folder);
    Setting setting;
    setting.put("db", "value", row.file);
    ::chmod(setting.path("").c_str(), row.folder);
    const auto secret = setting.source()->get_resource("db");
    if (row.good)
        REQUIRE_OK(secret);
    else
        REQUIRE_ERRC(Errc::credential_insecure, secret);
}

TEST_CASE("credential source: another owner, a link, a folder and a FIFO are refused",
          "[sources]") {
    Setting setting;
    SECTION("another owner") {
        setting.system.uid_offset = 1;
        if (::geteuid() + 1 == 0) return;
        REQUIRE_ERRC(Errc::credential_insecure, setting.source()->get_resource("db"));
    }
    ::chmod(setting.path("").c_str(), 0700);
    SECTION("a link") {
        fs::create_symlink("db", setting.path("link"));
        REQUIRE_ERRC(Errc::credential_insecure, setting.source()->get_resource("link"));
    }
    SECTION("the folder is a link") {
        fs::create_directory_symlink("attestd.service", setting.system.dir() / "run/credentials/l");
        REQUIRE_ERRC(Errc::credential_insecure,
                     setting.source("/run/credentials/l")->get_resource("db"));
    }
    SECTION("a folder") {
        fs::create_directory(setting.path("sub"));
        REQUIRE_ERRC(Errc::credential_insecure, setting.source()->get_resource("sub"));
    }
    SECTION("a FIFO does not hang") {
        REQUIRE(::mkfifo(setting.path("fifo").c_str(), 0400) == 0);
        REQUIRE_ERRC(Errc::credential_insecure, setting.source()->get_resource("fifo"));
    }
}

TEST_CASE("credential source: a secret is a mebibyte at most", "[sources]") {
    Setting setting;
    setting.put("most", std::string(kMaxSecretLen, 'x'));
    setting.put("more", std::string(kMaxSecretLen + 1, 'x'));
    REQUIRE_OK(setting.source()->get_resource("most"));
    REQUIRE_ERRC(Errc::secret_too_large, setting.source()->get_resource("more"));
}

TEST_CASE("credential source: what the host could have set is refused", "[sources]") {
    Setting setting;
    SECTION("by name") {
        setting.system.dir().write("run/credentials/@system/db", std::string_view("evil"));
        REQUIRE_ERRC(Errc::credential_injected, setting.source()->get_resource("db"));
    }
    SECTION("because nothing shows that it could not") {
        setting.system.dir().write("proc/cmdline", std::string_view(test::kOpenLine));
        REQUIRE_ERRC(Errc::credential_injected, setting.source()->get_resource("db"));
    }
}

}  // namespace attestd::credential_source_test
