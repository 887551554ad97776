#include "agent/verifier_kind.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/fd.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxEndorsementLen = std::size_t{8} << 20;
constexpr std::size_t kMaxEndorsementFiles = 1024;

Result<std::vector<std::filesystem::path>> files_of(const std::filesystem::path& path) {
    std::error_code ec;
    if (!std::filesystem::is_directory(path, ec)) return std::vector{path};
    std::vector<std::filesystem::path> files;
    std::filesystem::directory_iterator it(path, ec);
    for (; !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
        if (it->is_regular_file(ec)) files.push_back(it->path());
        if (files.size() > kMaxEndorsementFiles) {
            return fail(Errc::too_large, path.string() + ": too many files");
        }
    }
    if (ec) return fail(Errc::io_failed, fmt::format("{}: {}", path.string(), ec.message()));
    std::sort(files.begin(), files.end());
    return files;
}

class LocalKind final : public VerifierKind {
 public:
    /// `roots` are the certificates of the added anchors: an anchor is a key by its digest, and a
    /// chain needs the certificate around it.
    LocalKind(TrustAnchors anchors, Endorsements roots, AppraisalPolicy policy,
              std::vector<std::filesystem::path> paths)
        : verifier_(std::move(anchors)),
          roots_(std::move(roots)),
          policy_(std::move(policy)),
          paths_(std::move(paths)) {}

    std::string_view name() const noexcept override { return "local"; }

    Result<AttestationResult> appraise(const Evidence& evidence, const Expectations& expected,
                                       Time now) override {
        ATTESTD_TRY(Endorsements endorsements, load_endorsements(paths_, roots_));
        // What came with the evidence is a hint: everything in it is signed, and junk is left out.
        for (const Bytes& hint : evidence.endorsements) {
            static_cast<void>(endorsements.add(hint, "endorsements that came with the evidence"));
        }
        return verifier_.appraise(evidence.quote, endorsements, policy_, expected, now);
    }

 private:
    LocalVerifier verifier_;
    Endorsements roots_;
    AppraisalPolicy policy_;
    std::vector<std::filesystem::path> paths_;
};

}  // namespace

Result<Endorsements> load_endorsements(const std::vector<std::filesystem::path>& paths,
                                       Endorsements out) {
    for (const auto& path : paths) {
        ATTESTD_TRY(const auto files, files_of(path));
        for (const auto& file : files) {
            ATTESTD_TRY(const Bytes bytes, read_file(file, kMaxEndorsementLen));
            const auto added = out.add(bytes, file.string());
            // A folder may hold other things too; a file that was named must be an endorsement.
            const bool passed_over =
                file != path && !added && added.error().code == Errc::unknown_format;
            if (!added && !passed_over) return tl::make_unexpected(added.error());
        }
    }
    return out;
}

Result<std::unique_ptr<VerifierKind>> make_verifier(const VerifierConfig& config) {
    ATTESTD_TRY(AppraisalPolicy policy,
                parse_appraisal_policy(as_text(config.policy.bytes), config.policy.path.string(),
                                       PolicyStrictness::strict));
    TrustAnchors anchors;
    Endorsements roots;
    for (const LoadedFile& file : config.trust_anchors) {
        auto added = anchors.add_certificate(file.bytes);
        if (added) added = roots.add(file.bytes, "trust anchor");
        if (!added) return fail_in(file.path.string(), added.error());
    }
    return std::make_unique<LocalKind>(std::move(anchors), std::move(roots), std::move(policy),
                                       config.endorsements);
}

}  // namespace attestd
