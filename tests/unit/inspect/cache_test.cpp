// DigestCache: what may be answered without reading the file again.
#include "agent/inspect/digest_cache.h"

#include "tests/support/catch.h"

using namespace attestd;
using namespace attestd::inspect;

namespace {

constexpr std::uint64_t kCachedChanged = 1'700'000'000'000'000'000;
constexpr std::uint64_t kCachedNow = kCachedChanged + DigestCache::kSettledNs + 1;
constexpr uid_t kCachedUid = 1000;
const ExecutableFile kCachedFile{1, 2, 1, 100, kCachedChanged};
const Sha256 kCachedDigest{7};

}  // namespace

TEST_CASE("digest cache: a file that was left alone is found again, by its uid alone",
          "[inspect][cache]") {
    DigestCache cache;
    CHECK_FALSE(cache.find(kCachedUid, kCachedFile).has_value());
    cache.keep(kCachedUid, kCachedFile, kCachedDigest, kCachedNow);
    CHECK(cache.find(kCachedUid, kCachedFile) == kCachedDigest);
    CHECK_FALSE(cache.find(kCachedUid + 1, kCachedFile).has_value());
}

TEST_CASE("digest cache: whatever tells files apart tells digests apart", "[inspect][cache]") {
    DigestCache cache;
    cache.keep(kCachedUid, kCachedFile, kCachedDigest, kCachedNow);
    using Change = void (*)(ExecutableFile&);
    const auto change = GENERATE(values<Change>({
        [](ExecutableFile& f) { ++f.device; },
        [](ExecutableFile& f) { ++f.inode; },
        [](ExecutableFile& f) { ++f.len; },
        [](ExecutableFile& f) { ++f.ctime_ns; },
        [](ExecutableFile& f) { f.num_links = 0; },
    }));
    ExecutableFile other = kCachedFile;
    change(other);
    CHECK_FALSE(cache.find(kCachedUid, other).has_value());
}

TEST_CASE("digest cache: a file that was changed just now, or has no name, is not kept",
          "[inspect][cache]") {
    DigestCache cache;
    cache.keep(kCachedUid, kCachedFile, kCachedDigest, kCachedNow - 1);
    cache.keep(kCachedUid, kCachedFile, kCachedDigest,
               kCachedChanged - 1);  // a clock that was set back
    ExecutableFile unlinked = kCachedFile;
    unlinked.num_links = 0;
    cache.keep(kCachedUid, unlinked, kCachedDigest, kCachedNow);
    CHECK_FALSE(cache.find(kCachedUid, kCachedFile).has_value());
    CHECK_FALSE(cache.find(kCachedUid, unlinked).has_value());
}

TEST_CASE("digest cache: it is bounded, and no uid pushes another's digests out",
          "[inspect][cache]") {
    DigestCache cache;
    cache.keep(1, kCachedFile, kCachedDigest, kCachedNow);
    ExecutableFile file = kCachedFile;
    for (std::size_t i = 0; i <= DigestCache::kMaxPerUid; ++i) {
        file.inode = 1000 + i;
        cache.keep(2, file, kCachedDigest, kCachedNow);
    }
    CHECK(cache.find(1, kCachedFile) == kCachedDigest);
    CHECK(cache.find(2, file) == kCachedDigest);
    file.inode = 1000;
    CHECK_FALSE(cache.find(2, file).has_value());  // the oldest went
}
