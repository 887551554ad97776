// Places: a secret's file is in memory, nobody else's, and whole at every instant.
#include "agent/delivery/place.h"

#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

using namespace attestd;
using attestd::test::ContainsSubstring;

namespace {

constexpr std::uint64_t kExt4 = 0xEF53;

PlaceFacts good_facts() {
    PlaceFacts facts;
    facts.fs_magic = TMPFS_MAGIC;
    facts.owner = facts.self = 1000;
    facts.mode = S_IFDIR | 0700;
    return facts;
}

Secret secret_of(std::string_view text) {
    auto out = Secret::copy_of(as_bytes(text));
    REQUIRE_OK(out);
    return *std::move(out);
}

// A tmpfs of the test's own, in mounts that only this process sees.
class MemoryFolder {
 public:
    MemoryFolder() {
        static const bool own_mounts =
            ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) == 0;
        is_mounted_ =
            own_mounts && ::mount("tmpfs", path().c_str(), "tmpfs", 0, "mode=0700,size=64k") == 0;
    }
    ~MemoryFolder() {
        if (is_mounted_) ::umount2(path().c_str(), MNT_DETACH);
    }
    MemoryFolder(const MemoryFolder&) = delete;
    MemoryFolder& operator=(const MemoryFolder&) = delete;

    [[nodiscard]] bool is_usable() const {
        struct sysinfo system {};
        return is_mounted_ && ::sysinfo(&system) == 0 && system.totalswap == 0;
    }
    [[nodiscard]] std::string path() const { return folder_.path().string(); }

 private:
    test::TempDir folder_;
    bool is_mounted_ = false;
};

constexpr const char* kNoMemoryFolder = "no tmpfs without swap can be mounted here";

}  // namespace

TEST_CASE("place: memory that is not swapped out is good", "[delivery][place]") {
    PlaceFacts facts = good_facts();
    REQUIRE_OK(judge_place(facts, "/x"));
    SECTION("also with swap, where the mount says noswap") {
        facts.has_swap = facts.is_noswap = true;
        REQUIRE_OK(judge_place(facts, "/x"));
    }
    SECTION("and ramfs has no swap") {
        facts.fs_magic = RAMFS_MAGIC;
        facts.has_swap = true;
        REQUIRE_OK(judge_place(facts, "/x"));
    }
    SECTION("root may have made the folder") {
        facts.owner = 0;
        facts.mode = S_IFDIR | 0755;
        REQUIRE_OK(judge_place(facts, "/x"));
    }
}

TEST_CASE("place: any other folder is refused with what would mend it", "[delivery][place]") {
    struct Row {
        const char* what;
        void (*spoil)(PlaceFacts&);
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"a disk", [](PlaceFacts& f) { f.fs_magic = kExt4; }, "is on a disk"},
        {"swap", [](PlaceFacts& f) { f.has_swap = true; }, "noswap"},
        {"another's", [](PlaceFacts& f) { f.owner = 1001; }, "belongs to uid 1001"},
        {"group may write", [](PlaceFacts& f) { f.mode |= 0020; }, "chmod go-w"},
        {"like /tmp",
         [](PlaceFacts& f) {
             f.owner = 0;
             f.mode = S_IFDIR | 01777;
         },
         "chmod go-w"},
    }));
    INFO(row.what);
    PlaceFacts facts = good_facts();
    row.spoil(facts);
    const auto refused = judge_place(facts, "/x");
    REQUIRE_ERRC(Errc::delivery_insecure, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("place: noswap is read from the mount of the very device", "[delivery][place]") {
    const std::string mounts =
        "22 1 0:21 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=800k,mode=755\n"
        "23 1 0:45 / /run/secrets rw,noswap shared:6 master:1 - tmpfs tmpfs rw,noswap,mode=700\n"
        "24 1 0:46 / /x rw,noswap - tmpfs tmpfs rw,xnoswap\n";
    CHECK(is_noswap(mounts, 0, 45));
    CHECK_FALSE(is_noswap(mounts, 0, 21));
    CHECK_FALSE(is_noswap(mounts, 0, 46));
    CHECK_FALSE(is_noswap(mounts, 0, 4));
    CHECK_FALSE(is_noswap("", 0, 45));
}

TEST_CASE("place: a path or mode that cannot be meant is refused", "[delivery][place]") {
    REQUIRE_ERRC(Errc::bad_value, Place::open("relative", 0400));
    REQUIRE_ERRC(Errc::bad_value, Place::open("/dev/shm/", 0400));
    REQUIRE_ERRC(Errc::bad_value, Place::open("/dev/shm/x", 0404));
    REQUIRE_ERRC(Errc::bad_value, Place::open("/dev/shm/x", 0500));
    REQUIRE_ERRC(Errc::not_found, Place::open("/no/such/folder/x", 0400));
}

TEST_CASE("place: a file is written with its mode, replaced and removed", "[delivery][place]") {
    const MemoryFolder folder;
    if (!folder.is_usable()) ATTESTD_SKIP(kNoMemoryFolder);
    const std::filesystem::path file = folder.path() + "/key";
    const auto place = Place::open(file, 0440);
    REQUIRE_OK(place);
    REQUIRE_OK(place->remove());  // it need not be there
    REQUIRE_OK(place->write(secret_of("first")));
    struct stat st {};
    REQUIRE(::stat(file.c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0440);
    const ino_t first = st.st_ino;
    REQUIRE_OK(place->write(secret_of("second")));
    REQUIRE(::stat(file.c_str(), &st) == 0);
    CHECK(st.st_ino != first);  // replaced, not rewritten
    const auto content = read_file(file, 100);
    REQUIRE_OK(content);
    CHECK(as_text(*content) == "second");
    SECTION("what a killed process left does not stand in the way, and goes too") {
        REQUIRE(std::filesystem::copy_file(file, folder.path() + "/.key.attestd"));
        REQUIRE_OK(place->write(secret_of("third")));
        REQUIRE(std::filesystem::copy_file(file, folder.path() + "/.key.attestd"));
    }
    SECTION("a symbolic link is replaced, never followed") {
        std::filesystem::remove(file);
        std::filesystem::create_symlink("/dev/null", file);
        REQUIRE_OK(place->write(secret_of("third")));
        CHECK(std::filesystem::is_regular_file(std::filesystem::symlink_status(file)));
    }
    REQUIRE_OK(place->remove());
    CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("place: a folder on a disk, or a link to one, is refused", "[delivery][place]") {
    const test::TempDir disk;
    REQUIRE_ERRC(Errc::delivery_insecure, Place::open(disk / "x", 0400));
    const MemoryFolder folder;
    if (!folder.is_usable()) ATTESTD_SKIP(kNoMemoryFolder);
    std::filesystem::create_directory_symlink(disk.path(), folder.path() + "/link");
    CHECK_FALSE(Place::open(folder.path() + "/link/x", 0400).has_value());
}
