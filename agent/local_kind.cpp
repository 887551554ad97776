#include "agent/local_kind.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/collateral/bundle.h"
#include "agent/collateral/needs.h"
#include "quote/base/fd.h"
#include "quote/intel/quote.h"

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

}  // namespace

Result<std::vector<EndorsementFile>> read_endorsement_files(
    const std::vector<std::filesystem::path>& paths) {
    std::vector<EndorsementFile> out;
    for (const auto& path : paths) {
        ATTESTD_TRY(const auto files, files_of(path));
        for (const auto& file : files) {
            ATTESTD_TRY(Bytes bytes, read_file(file, kMaxEndorsementLen));
            Endorsements tried;
            const auto added = add_endorsement_file(tried, bytes, file.string());
            if (added) {
                out.push_back({file.string(), std::move(bytes)});
                continue;
            }
            // A folder may hold other things too; a file that was named must be an endorsement.
            const bool passed_over = file != path && added.error().code == Errc::unknown_format;
            if (!passed_over) return tl::make_unexpected(added.error());
        }
    }
    return out;
}

// What an appraisal goes by, and the first thing that was left out of it for its age.
struct LocalKind::Gathered {
    Endorsements endorsements;
    std::optional<Error> too_old;
};

Result<std::unique_ptr<VerifierKind>> LocalKind::make(const VerifierConfig& config) {
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
    return std::unique_ptr<VerifierKind>(
        new LocalKind(std::move(anchors), std::move(roots), std::move(policy), config));
}

LocalKind::LocalKind(TrustAnchors anchors, Endorsements roots, AppraisalPolicy policy,
                     const VerifierConfig& config)
    : anchors_(anchors),
      verifier_(std::move(anchors)),
      roots_(std::move(roots)),
      policy_(std::move(policy)),
      paths_(config.endorsements),
      cache_path_(config.collateral.cache),
      is_test_(!config.trust_anchors.empty()),
      needs_event_log_(config.needs_event_log) {}

Result<void> LocalKind::open_cache() {
    if (collateral_) return collateral_->cache().reread();
    const auto kind = is_test_ ? CollateralCache::Kind::test : CollateralCache::Kind::production;
    ATTESTD_TRY(CollateralCache cache, CollateralCache::open(cache_path_, kind, anchors_));
    collateral_.emplace(std::move(cache), /*fetcher=*/nullptr, ServiceAddresses(), anchors_);
    return {};
}

// Files, which configuration named, and hints: what came with the evidence. All of it is signed or
// worthless; junk among the hints is left out.
struct LocalKind::Given {
    std::string name;
    const Bytes* bytes;
    Endorsements item;
    bool is_file;
};

Result<std::vector<LocalKind::Given>> LocalKind::take_apart(
    const std::vector<EndorsementFile>& files, const std::vector<Bytes>& hints) {
    std::vector<Given> out;
    for (const EndorsementFile& file : files) {
        Given one{file.name, &file.bytes, {}, /*is_file=*/true};
        ATTESTD_CHECK(add_endorsement_file(one.item, file.bytes, file.name));
        out.push_back(std::move(one));
    }
    for (const Bytes& hint : hints) {
        Given one{"endorsements that came with the evidence", &hint, {}, /*is_file=*/false};
        if (add_endorsement_file(one.item, hint, one.name)) out.push_back(std::move(one));
    }
    return out;
}

// Whoever the verifier may find as an issuer must be found when ages are judged, too: else an old
// list whose issuer's chain was left out would pass for one of unknown age.
void LocalKind::add_issuers(Endorsements& context, ByteView quote, Time now) const {
    if (const auto parsed = parse_intel_quote(quote); parsed && !parsed->pck_chain().empty())
        static_cast<void>(context.add(as_bytes(parsed->pck_chain()), "the quote's PCK chain"));
    const auto needs = needed_endorsements(quote, context);
    if (!needs) return;  // the verifier says what is wrong with it
    const CollateralCache& cache = collateral_->cache();
    for (const EndorsementId& id : *needs) {
        cache.add_issuers(id, context);
        if (!std::holds_alternative<PckCertificateId>(id)) continue;
        if (const auto chain = cache.load(id, now))
            static_cast<void>(context.add(chain->bytes, endorsement_file(id)));
    }
}

Result<void> LocalKind::gather(Gathered& out, const Evidence& evidence, Time now) {
    ATTESTD_TRY(const auto files, read_endorsement_files(paths_));
    ATTESTD_TRY(const auto given, take_apart(files, evidence.endorsements));
    out.endorsements = roots_;
    Endorsements context = roots_;
    for (const Given& one : given)
        ATTESTD_CHECK(add_endorsement_file(context, *one.bytes, one.name));
    add_issuers(context, evidence.quote, now);
    for (const Given& one : given) {
        if (auto admitted = collateral_->cache().admit(one.item, context, now); !admitted) {
            const Errc code = admitted.error().code;
            if (code != Errc::crl_rollback && code != Errc::collateral_rollback)
                return tl::make_unexpected(std::move(admitted).error());
            if (one.is_file && !out.too_old)
                out.too_old = Error{code, one.name + ": " + admitted.error().detail};
            continue;
        }
        ATTESTD_CHECK(add_endorsement_file(out.endorsements, *one.bytes, one.name));
    }
    return gather_cached(out, evidence, now);
}

Result<void> LocalKind::gather_cached(Gathered& out, const Evidence& evidence, Time now) {
    // A quote without a chain needs that first; it says what else is needed.
    for (int round = 0; round < 2; ++round) {
        const auto needs = needed_endorsements(evidence.quote, out.endorsements);
        if (!needs) return {};  // the verifier says what is wrong with it
        const auto obtained =
            collateral_->obtain(*needs, out.endorsements, WhenToAsk::never, now, /*deadline=*/{});
        for (const Obtained& one : obtained) {
            if (CollateralProvider::wants_renewal(one, now)) wanted_.push_back(one.id);
            if (one.bytes.empty()) continue;
            ATTESTD_CHECK(out.endorsements.add(one.bytes, endorsement_file(one.id)));
        }
        const bool chain_came = std::holds_alternative<PckCertificateId>(needs->front()) &&
                                !obtained.front().bytes.empty();
        if (!chain_came) return {};
    }
    return {};
}

Result<AttestationResult> LocalKind::appraise(const Evidence& evidence,
                                              const Expectations& expected, Time now) {
    if (!is_azure(evidence)) return appraise(evidence, nullptr, expected, now);
    ATTESTD_TRY(const AzureEvidence azure,
                parse_azure_evidence(as_text(evidence.quote), "evidence"));
    // Endorsements are gathered for what the vendor endorses.
    Evidence hardware = evidence;
    hardware.quote = hardware_evidence_of(azure);
    if (!azure.vcek.empty()) hardware.endorsements.push_back(azure.vcek);
    return appraise(hardware, &azure, expected, now);
}

Result<AttestationResult> LocalKind::appraise(const Evidence& evidence, const AzureEvidence* azure,
                                              const Expectations& expected, Time now) {
    wanted_.clear();
    ATTESTD_CHECK(open_cache());
    ATTESTD_CHECK(collateral_->cache().floors().check_clock(now));
    Gathered gathered;
    ATTESTD_CHECK(gather(gathered, evidence, now));
    Expectations with_log = expected;
    if (policy_.event_log.named || needs_event_log_) with_log.event_log = evidence.event_log;
    AttestationResult result =
        azure != nullptr
            ? verifier_.appraise(*azure, gathered.endorsements, policy_, with_log, now)
            : verifier_.appraise(evidence.quote, gathered.endorsements, policy_, with_log, now);
    // What is missing may be what was left out: that is the reason to tell.
    if (result.verdict() == Verdict::undecided && gathered.too_old)
        return tl::make_unexpected(*std::move(gathered.too_old));
    return result;
}

std::vector<EndorsementId> LocalKind::take_wanted() { return std::exchange(wanted_, {}); }

}  // namespace attestd
