#include "agent/collateral/cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace attestd {
namespace {

constexpr std::string_view kFloorsFile = "seen.json";
constexpr const char* kLockFile = ".lock";
constexpr std::size_t kMaxFileLen = std::size_t{2} << 20;
constexpr std::size_t kMaxFiles = 4096;
constexpr unsigned kFileMode = 0644;  // what vendors sign is public
constexpr unsigned kLockMode = 0600;  // nobody else may hold it

// What root makes in another user's folder is that user's: the daemon must be able to go on with
// what an administrator has fetched.
Result<void> give_to_owner_of(const Fd& parent, const Fd& made, const std::string& what) {
    struct stat of_parent {};
    if (::geteuid() != 0) return {};
    if (::fstat(parent.get(), &of_parent) != 0 ||
        ::fchown(made.get(), of_parent.st_uid, of_parent.st_gid) != 0)
        return fail_errno(errno, what);
    return {};
}

// Opens a folder; one that was not there is made, and belongs to its parent's owner.
Result<Fd> open_or_make(const std::filesystem::path& folder) {
    std::error_code ec;
    const bool is_new = std::filesystem::create_directories(folder, ec);
    if (ec) return fail_errno(ec.value(), "collateral cache " + folder.string());
    // Its owner may be somebody whom root does not trust: no link leads root elsewhere.
    ATTESTD_TRY(Fd dir, open_file(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (!is_new) return dir;
    ATTESTD_TRY(const Fd parent, open_file(folder.parent_path(), O_RDONLY | O_DIRECTORY));
    ATTESTD_CHECK(give_to_owner_of(parent, dir, folder.string()));
    return dir;
}

// The descriptor of a lock file, which is made when it is absent. One that is there stays whose it
// is: in another user's folder it could be a link to anything.
Result<Fd> open_lock(const Fd& dir, const std::string& name, const std::string& what) {
    auto made = open_at(dir, name, O_RDONLY | O_CREAT | O_EXCL, kLockMode);
    if (made) {
        ATTESTD_CHECK(give_to_owner_of(dir, *made, what));
        return made;
    }
    return open_at(dir, name, O_RDONLY);
}

// Among the certificates of `item`, one whose key signed the platform's QE report.
Result<void> check_pck_certificate(const PckCertificateId& id, const Endorsements& item) {
    for (const Certificate& certificate : item.certificates()) {
        const auto key = certificate.key();
        const ByteView signature(id.qe_report_signature);
        if (key && key->kind() == KeyKind::p256 &&
            key->verify_raw(id.qe_report, signature.first(32), signature.subspan(32)))
            return {};
    }
    return fail(Errc::collateral_mismatch,
                "the PCK certificate is not the one whose key signed the quote's QE report");
}

}  // namespace

Result<CollateralCache> CollateralCache::open(const std::filesystem::path& path, Kind kind,
                                              TrustAnchors anchors) {
    ATTESTD_TRY(Fd dir, open_or_make(std::filesystem::absolute(path)));
    const std::filesystem::path folder = kind == Kind::test ? path / "test" : path;
    if (kind == Kind::test) {
        ATTESTD_TRY(dir, open_or_make(std::filesystem::absolute(folder)));
    }
    CollateralCache cache(folder, std::move(dir), std::move(anchors));
    ATTESTD_CHECK(cache.reread());
    return cache;
}

std::string CollateralCache::where(const std::string& file) const {
    return (path_ / file).string();
}

Result<Bytes> CollateralCache::read(const std::string& file) const {
    ATTESTD_TRY(const Fd fd, open_at(dir_, file, O_RDONLY | O_NONBLOCK));
    return read_all(fd, kMaxFileLen, where(file));
}

Result<void> CollateralCache::reread() {
    const std::string file(kFloorsFile);
    const auto bytes = read(file);
    if (!bytes && bytes.error().code == Errc::not_found) return {};
    if (!bytes) return tl::make_unexpected(bytes.error());
    ATTESTD_TRY(floors_, Floors::parse(as_text(*bytes), where(file)));
    return {};
}

Result<void> CollateralCache::write_floors() {
    return replace_file(dir_, std::string(kFloorsFile), as_bytes(floors_.write()), kFileMode);
}

Result<Fd> CollateralCache::lock_service(const std::string& service,
                                         std::chrono::steady_clock::time_point deadline) const {
    constexpr std::chrono::milliseconds kPause{20};  // flock() knows no deadline
    const std::string file = ".asking-" + service;
    ATTESTD_TRY(Fd fd, open_lock(dir_, file, where(file)));
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno(errno, where(file));
        if (std::chrono::steady_clock::now() >= deadline)
            return fail(Errc::timed_out,
                        fmt::format("{}: another process asks the service and does "
                                    "not come to an end",
                                    where(file)));
        std::this_thread::sleep_for(kPause);
    }
    return fd;
}

Result<Fd> CollateralCache::lock() const {
    ATTESTD_TRY(Fd fd, open_lock(dir_, kLockFile, where(kLockFile)));
    int done = 0;
    do done = ::flock(fd.get(), LOCK_EX);
    while (done != 0 && errno == EINTR);
    if (done != 0) return fail_errno(errno, where(kLockFile));
    return fd;
}

// AMD's leaves and lists are filed without their issuers, which lie beside them; the certificate of
// Intel's root lies with the other lists.
void CollateralCache::add_issuers(const EndorsementId& id, Endorsements& out) const {
    std::vector<EndorsementId> beside;
    if (const auto* const vcek = std::get_if<VcekId>(&id))
        beside = {AmdIssuersId{vcek->product, false}};
    if (const auto* const crl = std::get_if<AmdCrlId>(&id))
        beside = {AmdIssuersId{crl->product, crl->vlek}};
    if (std::holds_alternative<RootCrlId>(id))
        beside = {PckCrlId{PckCa::platform}, PckCrlId{PckCa::processor}};
    for (const EndorsementId& issuers : beside) {
        const std::string file = endorsement_file(issuers);
        const auto bytes = read(file);
        // Without them the check that needs them fails, and says so.
        if (bytes) static_cast<void>(out.add(*bytes, file));
    }
}

Result<CheckedEndorsement> CollateralCache::check_as(const EndorsementId& id, ByteView bytes,
                                                     const Endorsements& context, Time now) const {
    Endorsements item;
    ATTESTD_CHECK(item.add(bytes, endorsement_file(id)));
    const auto* const pck = std::get_if<PckCertificateId>(&id);
    if (pck != nullptr) ATTESTD_CHECK(check_pck_certificate(*pck, item));
    const std::string key = endorsement_key(id);
    std::optional<CheckedEndorsement> found;
    for (auto& checked : check_endorsements(item, context, anchors_, now)) {
        if (!checked) return tl::make_unexpected(std::move(checked).error());
        if (pck == nullptr && checked->key != key) {
            return fail(Errc::collateral_mismatch,
                        fmt::format("{} was asked for, this is {}", key, checked->key));
        }
        found = *std::move(checked);
    }
    if (!found)
        return fail(Errc::collateral_mismatch, fmt::format("{} was asked for, not found", key));
    ATTESTD_CHECK(floors_.check(endorsement_name(id), *found));
    return *std::move(found);
}

Result<CachedEndorsement> CollateralCache::load(const EndorsementId& id, Time now) const {
    const std::string file = endorsement_file(id);
    ATTESTD_TRY(Bytes bytes, read(file));
    Endorsements issuers;
    add_issuers(id, issuers);
    auto checked = check_as(id, bytes, issuers, now);
    if (checked) return CachedEndorsement{std::move(bytes), *std::move(checked)};
    switch (checked.error().code) {
        // In good order, but not good now: each has its own name.
        case Errc::tcb_info_expired:
        case Errc::tcb_info_not_yet_valid:
        case Errc::qe_identity_expired:
        case Errc::qe_identity_not_yet_valid:
        case Errc::crl_expired:
        case Errc::crl_not_yet_valid:
        case Errc::chain_expired:
        case Errc::chain_missing:
        case Errc::crl_rollback:
        case Errc::collateral_rollback:
            return tl::make_unexpected(std::move(checked).error());
        default:
            return fail(Errc::collateral_damaged,
                        fmt::format("{}: {}: remove it, or fetch it again", where(file),
                                    to_string(checked.error())));
    }
}

Result<CheckedEndorsement> CollateralCache::store(const EndorsementId& id, ByteView bytes,
                                                  const Endorsements& context, Time now) {
    ATTESTD_TRY(const Fd held, lock());
    ATTESTD_CHECK(reread());
    ATTESTD_CHECK(floors_.check_clock(now));
    ATTESTD_TRY(CheckedEndorsement checked, check_as(id, bytes, context, now));
    // First the file: a floor must never stand above all that is there after a crash.
    ATTESTD_CHECK(replace_file(dir_, endorsement_file(id), bytes, kFileMode));
    if (floors_.raise(endorsement_name(id), checked)) ATTESTD_CHECK(write_floors());
    return checked;
}

Result<void> CollateralCache::admit(const Endorsements& given, const Endorsements& context,
                                    Time now) {
    const auto all = check_endorsements(given, context, anchors_, now);
    const auto check_ages = [&]() -> Result<void> {
        for (const auto& checked : all) {
            if (checked) ATTESTD_CHECK(floors_.check(checked->key, *checked));
        }
        return {};
    };
    const auto raise_floors = [&all](Floors& floors) {
        bool rose = false;
        for (const auto& checked : all) {
            if (checked && floors.raise(checked->key, *checked)) rose = true;
        }
        return rose;
    };
    ATTESTD_CHECK(check_ages());
    if (Floors copy = floors_; !raise_floors(copy)) return {};
    ATTESTD_TRY(const Fd held, lock());
    // Another process may have seen newer ones meanwhile.
    ATTESTD_CHECK(reread());
    ATTESTD_CHECK(check_ages());
    return raise_floors(floors_) ? write_floors() : Result<void>{};
}

Result<std::vector<std::pair<std::string, Bytes>>> CollateralCache::read_all_files() const {
    std::vector<std::string> names;
    std::error_code ec;
    for (std::filesystem::directory_iterator it(path_, ec), end; !ec && it != end;
         it.increment(ec)) {
        const std::string name = it->path().filename().string();
        std::error_code ignored;
        if (name == kFloorsFile || name.starts_with('.') || !it->is_regular_file(ignored)) continue;
        names.push_back(name);
        if (names.size() > kMaxFiles)
            return fail(Errc::too_large,
                        fmt::format("{}: over {} files", path_.string(), kMaxFiles));
    }
    if (ec) return fail_errno(ec.value(), path_.string());
    std::sort(names.begin(), names.end());
    std::vector<std::pair<std::string, Bytes>> out;
    for (const std::string& name : names) {
        ATTESTD_TRY(Bytes bytes, read(name));
        out.emplace_back(name, std::move(bytes));
    }
    return out;
}

Result<std::vector<CacheEntry>> CollateralCache::list(Time now) const {
    ATTESTD_TRY(const auto files, read_all_files());
    Endorsements context;
    for (const auto& [name, bytes] : files) static_cast<void>(context.add(bytes, name));
    std::vector<CacheEntry> out;
    for (const auto& [name, bytes] : files) {
        CacheEntry entry{name, bytes.size(), {}};
        Endorsements item;
        if (auto added = item.add(bytes, name); !added)
            entry.checked.push_back(tl::make_unexpected(std::move(added).error()));
        else
            entry.checked = check_endorsements(item, context, anchors_, now);
        out.push_back(std::move(entry));
    }
    return out;
}

}  // namespace attestd
