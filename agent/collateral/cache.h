// CollateralCache: verified endorsements in a folder, for use without the network and across
// restarts.
//
// Each endorsement is one file in a form that anything may read: the folder is good for
// `--endorsements`. Files are replaced as a whole, verified when they are stored and verified again
// whenever they are loaded; the folder is not trusted. Beside them lies what was the newest of each
// (Floors): nothing older is stored or handed out any more. Processes share the folder under a
// lock.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/collateral/endorsement_id.h"
#include "agent/collateral/floors.h"
#include "quote/base/fd.h"
#include "quote/base/result.h"
#include "verifier/endorsement_check.h"
#include "verifier/trust_anchors.h"

namespace attestd {

struct CachedEndorsement {
    Bytes bytes;
    CheckedEndorsement checked;
};

/// A file of the cache, good or not.
struct CacheEntry {
    std::string file;
    std::size_t len;
    std::vector<Result<CheckedEndorsement>> checked;  ///< all that it holds
};

class CollateralCache final {
 public:
    /// Opens the folder, making it and its parents when they are absent. With additional trust
    /// anchors (`anchors_added`) a folder "test" within is used, so that nothing of a test
    /// hierarchy counts elsewhere. Errc::access_denied, Errc::io_failed, Errc::collateral_damaged.
    enum class Kind : std::uint8_t { production, test };
    [[nodiscard]] static Result<CollateralCache> open(const std::filesystem::path& path, Kind kind,
                                                      TrustAnchors anchors);

    /// The endorsement as of `now`. Errc::not_found; Errc::collateral_damaged when the file is not
    /// the endorsement of its name; else why it does not hold now (expired, rolled back, ...).
    [[nodiscard]] Result<CachedEndorsement> load(const EndorsementId& id, Time now) const;

    /// Verifies `bytes` as `id` and keeps them. `context` may hold their issuers, as may the cache.
    /// On return they are on disk. Errc::collateral_mismatch when they are another endorsement,
    /// Errc::crl_rollback, Errc::collateral_rollback, Errc::clock_before_collateral, or what is
    /// wrong with them; the earlier file stays then.
    [[nodiscard]] Result<CheckedEndorsement> store(const EndorsementId& id, ByteView bytes,
                                                   const Endorsements& context, Time now);

    /// Verifies all that `given` (one file from elsewhere) holds, refuses it when a document in it
    /// is older than one seen, and raises the floors by it. Errors as of store() for age alone:
    /// what does not hold by itself is for the appraisal to refuse.
    [[nodiscard]] Result<void> admit(const Endorsements& given, const Endorsements& context,
                                     Time now);

    /// Adds to `out` what the cache holds of the issuers of `id`.
    void add_issuers(const EndorsementId& id, Endorsements& out) const;

    /// Waits until no other process that shares the folder asks `service` ("amd", "intel"), and
    /// keeps it so while the descriptor is open: services throttle, and what one process fetched
    /// serves the others. Errc::timed_out at the deadline.
    [[nodiscard]] Result<Fd> lock_service(const std::string& service,
                                          std::chrono::steady_clock::time_point deadline) const;

    /// Takes up what other processes have seen since.
    [[nodiscard]] Result<void> reread();

    /// Every file, in order.
    [[nodiscard]] Result<std::vector<CacheEntry>> list(Time now) const;
    /// The bytes of every file that holds as of `now`, with its name.
    [[nodiscard]] Result<std::vector<std::pair<std::string, Bytes>>> read_all_files() const;

    [[nodiscard]] const Floors& floors() const noexcept { return floors_; }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
    CollateralCache(std::filesystem::path path, Fd dir, TrustAnchors anchors)
        : path_(std::move(path)), dir_(std::move(dir)), anchors_(std::move(anchors)) {}

    [[nodiscard]] std::string where(const std::string& file) const;
    [[nodiscard]] Result<Bytes> read(const std::string& file) const;
    [[nodiscard]] Result<void> write_floors();
    [[nodiscard]] Result<Fd> lock() const;
    [[nodiscard]] Result<CheckedEndorsement> check_as(const EndorsementId& id, ByteView bytes,
                                                      const Endorsements& context, Time now) const;

    std::filesystem::path path_;
    Fd dir_;
    TrustAnchors anchors_;
    Floors floors_;
};

}  // namespace attestd
