#include "verifier/amd/report_verification.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/encoding.h"
#include "verifier/amd/issuers.h"

namespace attestd {
namespace {

bool is_vlek(const SnpReport& report) noexcept { return report.signing_key == SnpSigningKey::vlek; }

std::string tcb_text(const TcbVersion& t) {
    return fmt::format("{}bl {} tee {} snp {} ucode {}",
                       t.fmc ? fmt::format("fmc {} ", *t.fmc) : std::string(), t.bootloader, t.tee,
                       t.snp, t.microcode);
}

// The chip's part of step 9.
Result<void> check_chip(const SnpReport& report, const AmdLeafExtension& leaf,
                        const SnpChainOptions& options) {
    if (!leaf.is_vcek()) return {};  // a VLEK belongs to the provider, not to a chip
    const ByteView chip(report.chip_id);
    if (all_zero(chip)) {
        if (options.allow_masked_chip_id) return {};
        return fail(Errc::chip_id_masked,
                    "CHIP_ID is all zero: the VCEK cannot be bound to it (allow_masked_chip_id "
                    "permits that)");
    }
    if (equal(chip.first(leaf.hw_id.size()), leaf.hw_id) &&
        all_zero(chip.subspan(leaf.hw_id.size())))
        return {};
    return fail(Errc::leaf_chip,
                fmt::format("the VCEK is for chip {}, the report is of {}: fetch that chip's VCEK",
                            to_hex(leaf.hw_id.first(8)), to_hex(chip.first(8))));
}

Result<void> check_leaf_fits(const SnpReport& report, const AmdLeafExtension& leaf,
                             const SnpChainOptions& options) {
    const TcbVersion reported = decode_tcb(leaf.product, report.reported_tcb);
    if (leaf.tcb != reported) {
        return fail(Errc::leaf_tcb,
                    fmt::format("the leaf is for TCB {}, the report says {}: fetch the {} again",
                                tcb_text(leaf.tcb), tcb_text(reported),
                                signing_key_name(report.signing_key)));
    }
    return check_chip(report, leaf, options);
}

// Step 5: what a leaf must be for this report, whoever signed it. Returns its extensions.
Result<AmdLeafExtension> check_leaf(const Certificate& leaf, const SnpReport& report) {
    const bool vlek = is_vlek(report);
    const std::string_view name = vlek ? "SEV-VLEK" : "SEV-VCEK";
    ATTESTD_TRY(const auto extension, parse_amd_leaf_extension(leaf));
    if (!extension) return fail(Errc::chain_extension, "leaf: AMD's extensions are missing");
    if (extension->is_vcek() == vlek) {
        return fail(Errc::leaf_kind,
                    fmt::format("the report is signed by a {}, the leaf is a {}",
                                signing_key_name(report.signing_key), vlek ? "VCEK" : "VLEK"));
    }
    ATTESTD_CHECK(check_amd_name(leaf.subject(), name, "leaf"));
    ATTESTD_CHECK(check_amd_name(leaf.issuer(), amd_intermediate_name(extension->product, vlek),
                                 "issuer of the leaf"));
    if (report.names_product() && report.product != extension->product) {
        return fail(
            Errc::product_mismatch,
            fmt::format("the report is of a {}, the leaf is for {}",
                        report.product ? product_name(*report.product) : "product without a root",
                        extension->product_text));
    }
    ATTESTD_CHECK(check_end_entity(leaf, "leaf"));
    if (leaf.algorithm() != SignatureAlgorithm::rsa_pss_sha384)
        return fail(Errc::chain_algorithm, "leaf: not signed with RSASSA-PSS");
    return *extension;
}

// The keys and dates of root, intermediate and leaf.
struct ChainKeys {
    VerifiedRoot root;
    VerifiedCertificate intermediate, leaf;
};

Result<ChainKeys> verify_links(const Certificate& leaf, const Certificate& intermediate,
                               const Certificate& root, Product product,
                               const TrustAnchors& anchors, Time now) {
    ATTESTD_TRY(VerifiedRoot ark, verify_amd_root(root, product, anchors, now));
    ATTESTD_TRY(VerifiedCertificate ask, verify_amd_intermediate(intermediate, ark, now));
    ATTESTD_CHECK(check_issued_by(leaf, ask, "leaf"));
    ATTESTD_CHECK(check_valid_at(leaf, now, "leaf"));
    ATTESTD_TRY(PublicKey key, leaf.key());
    if (key.kind() != KeyKind::p384)
        return fail(Errc::chain_algorithm, "leaf: the key is not on P-384");
    return ChainKeys{std::move(ark), std::move(ask), VerifiedCertificate{leaf, std::move(key)}};
}

// Keeps the error that came furthest: codes are numbered in the order of the steps.
class Furthest {
 public:
    void note(Error error) {
        if (!error_ || is_absence(error_->code) ||
            (!is_absence(error.code) && error.code > error_->code))
            error_ = std::move(error);
    }
    [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

 private:
    std::optional<Error> error_;
};

// Tries the issuers among `all` by name; several certificates may carry one name.
Result<ChainKeys> find_links(const Certificate& leaf, Product product,
                             const std::vector<Certificate>& all, const TrustAnchors& anchors,
                             Time now) {
    Furthest furthest;
    furthest.note(
        {Errc::chain_missing, fmt::format("the certificate of {} is not given: fetch it once",
                                          leaf.issuer().common_name)});
    for (const Certificate& intermediate : all) {
        if (!intermediate.subject().same_as(leaf.issuer())) continue;
        furthest.note(
            {Errc::chain_missing, fmt::format("the certificate of {} is not given: fetch it once",
                                              intermediate.issuer().common_name)});
        for (const Certificate& root : all) {
            if (!root.subject().same_as(intermediate.issuer())) continue;
            auto keys = verify_links(leaf, intermediate, root, product, anchors, now);
            if (keys) return keys;
            furthest.note(std::move(keys).error());
        }
    }
    return tl::make_unexpected(*furthest.error());
}

// Step 8. The list is AMD's only for its intermediates; leaves all have serial 0, which stands for
// nothing. Adds the list that it went by to `used`.
Result<Window> check_crl(const ChainKeys& keys, const Endorsements& endorsements,
                         const SnpChainOptions& options, Time now,
                         std::vector<std::shared_ptr<const Crl>>& used) {
    const auto crls = verify_crls(endorsements.crls(), keys.root.verified, CrlRole::unsaid, now,
                                  "revocation list");
    if (!crls && crls.error().code == Errc::crl_missing && !options.require_crl) return Window{};
    if (!crls) return tl::make_unexpected(crls.error());
    used.push_back(std::make_shared<const Crl>(crls->newest()));
    const ByteView leaf_serial = keys.leaf.certificate.serial();
    if (crls->revokes(keys.intermediate.certificate.serial())) {
        return fail(Errc::intermediate_revoked,
                    fmt::format("{} is on AMD's revocation list",
                                keys.intermediate.certificate.subject().common_name));
    }
    if (!all_zero(leaf_serial) && crls->revokes(leaf_serial))
        return fail(Errc::leaf_revoked, "the leaf is on AMD's revocation list");
    return crls->validity();
}

// What the leaf gets wrong whoever issued it: its own dates, and step 9.
Result<void> check_leaf_alone(const Certificate& leaf, const AmdLeafExtension& extension,
                              const SnpReport& report, const SnpChainOptions& options, Time now) {
    ATTESTD_CHECK(check_valid_at(leaf, now, "leaf"));
    return check_leaf_fits(report, extension, options);
}

Result<VerifiedSnpLeaf> verify_candidate(const Certificate& candidate, const SnpReport& report,
                                         const Endorsements& endorsements,
                                         const TrustAnchors& anchors,
                                         const SnpChainOptions& options, Time now) {
    ATTESTD_TRY(const AmdLeafExtension extension, check_leaf(candidate, report));
    auto keys = find_links(candidate, extension.product, endorsements.certificates(), anchors, now);
    std::vector<std::shared_ptr<const Crl>> crls;
    const auto crl = keys ? check_crl(*keys, endorsements, options, now, crls)
                          : Result<Window>(tl::make_unexpected(keys.error()));
    if (!crl && !is_absence(crl.error().code)) return tl::make_unexpected(crl.error());
    // An issuer or a list that is absent hides no failure of the leaf's own.
    ATTESTD_CHECK(check_leaf_alone(candidate, extension, report, options, now));
    if (!crl) return tl::make_unexpected(crl.error());
    const Window validity = Window{now, Time::max()}
                                .intersect(*crl)
                                .intersect(keys->leaf.certificate.validity())
                                .intersect(keys->intermediate.certificate.validity())
                                .intersect(keys->root.verified.certificate.validity());
    const bool crl_checked = !crls.empty();
    UsedEndorsements used{
        {candidate, keys->intermediate.certificate, keys->root.verified.certificate},
        std::move(crls),
        nullptr,
        nullptr};
    return VerifiedSnpLeaf{std::move(keys->leaf),
                           extension.product,
                           std::string(extension.csp_id),
                           crl_checked,
                           validity,
                           keys->root.grade,
                           std::make_shared<const UsedEndorsements>(std::move(used))};
}

bool may_be_leaf(const Certificate& certificate) noexcept {
    const std::string_view name = certificate.subject().common_name;
    return name == "SEV-VCEK" || name == "SEV-VLEK";
}

// How well a leaf suits the report before anything is verified. One that suits less than another
// can hold only where that one does.
enum class Suits : std::uint8_t { not_at_all, kind_and_product, chip_and_tcb };

Suits suits(const Certificate& candidate, const SnpReport& report) {
    const auto extension = parse_amd_leaf_extension(candidate);
    if (!extension || !*extension) return Suits::not_at_all;
    const AmdLeafExtension& leaf = **extension;
    const bool product = !report.names_product() || report.product == leaf.product;
    if (!product || leaf.is_vcek() == is_vlek(report)) return Suits::not_at_all;
    const SnpChainOptions lenient{.require_crl = false, .allow_masked_chip_id = true};
    return check_leaf_fits(report, leaf, lenient) ? Suits::chip_and_tcb : Suits::kind_and_product;
}

// The leaves among `all` that suit the report best, in the order given.
std::vector<const Certificate*> best_candidates(const std::vector<Certificate>& all,
                                                const SnpReport& report) {
    std::vector<const Certificate*> out;
    Suits best = Suits::not_at_all;
    for (const Certificate& certificate : all) {
        if (!may_be_leaf(certificate)) continue;
        const Suits how = suits(certificate, report);
        if (how > best) out.clear();
        best = std::max(best, how);
        if (how == best) out.push_back(&certificate);
    }
    return out;
}

// Gathers what becomes of the candidates.
class Leaves {
 public:
    bool knows_key_of(const Certificate& candidate) const {
        return std::any_of(found_.all.begin(), found_.all.end(), [&](const VerifiedSnpLeaf& known) {
            return equal(known.leaf.certificate.spki(), candidate.spki());
        });
    }
    void note(const Certificate& candidate, Result<VerifiedSnpLeaf> verified) {
        if (verified) {
            found_.validity = found_.validity.intersect(verified->validity);
            found_.all.push_back(*std::move(verified));
            return;
        }
        if (!is_absence(verified.error().code)) return furthest_.note(std::move(verified).error());
        if (auto key = candidate.key()) unproven_keys_.push_back(*std::move(key));
        if (!absent_) absent_ = std::move(verified).error();
    }
    SnpLeafOutcome outcome() && {
        if (found_.all.empty()) return {nullptr, std::move(unproven_keys_), absent_, failure()};
        return {std::make_shared<const VerifiedSnpLeaves>(std::move(found_)), {}, {}, {}};
    }

 private:
    // One candidate that may yet hold outranks others that do not.
    std::optional<Error> failure() const { return absent_ ? std::nullopt : furthest_.error(); }

    VerifiedSnpLeaves found_;
    std::vector<PublicKey> unproven_keys_;
    std::optional<Error> absent_;
    Furthest furthest_;
};

}  // namespace

Result<void> check_signed(const ParsedSnpReport& parsed) {
    const SnpReport& report = parsed.report;
    if (report.signing_key == SnpSigningKey::none || report.mask_chip_key ||
        parsed.signature_zero) {
        return fail(Errc::report_unsigned,
                    "SIGNING_KEY is NONE, the chip key is masked or the signature is all zero: the "
                    "report proves nothing");
    }
    if (report.names_product() && !report.product) {
        return fail(Errc::product_unknown,
                    fmt::format("family 0x{:02x} model 0x{:02x}: no product with a pinned root",
                                report.cpuid_family, report.cpuid_model));
    }
    return {};
}

SnpLeafOutcome verify_snp_leaf(const SnpReport& report, const Endorsements& endorsements,
                               const TrustAnchors& anchors, const SnpChainOptions& options,
                               Time now) {
    const auto candidates = best_candidates(endorsements.certificates(), report);
    if (candidates.empty()) {
        const std::string kind(signing_key_name(report.signing_key));
        const std::string why =
            fmt::format("no {} certificate is given: fetch it, or give --endorsements", kind);
        return {nullptr, {}, Error{Errc::leaf_missing, why}, {}};
    }
    Leaves leaves;
    for (const Certificate* candidate : candidates) {
        if (leaves.knows_key_of(*candidate)) continue;
        leaves.note(*candidate,
                    verify_candidate(*candidate, report, endorsements, anchors, options, now));
    }
    return std::move(leaves).outcome();
}

Result<void> verify_report_signature(const ParsedSnpReport& report, const PublicKey& leaf_key) {
    if (leaf_key.verify_raw(report.signed_part, report.r, report.s)) return {};
    return fail(Errc::report_signature, "the report is not signed by the leaf's key");
}

Result<void> check_tcb_order(const SnpReport& report, Product product) {
    for (const ByteArray<8>* tcb :
         {&report.current_tcb, &report.reported_tcb, &report.committed_tcb, &report.launch_tcb}) {
        if (!tcb_reserved_zero(product, *tcb)) {
            return fail(Errc::report_malformed,
                        fmt::format("a TCB_VERSION has reserved bytes of {}'s layout set: {}",
                                    product_name(product), to_hex(*tcb)));
        }
    }
    const TcbVersion reported = decode_tcb(product, report.reported_tcb);
    const TcbVersion committed = decode_tcb(product, report.committed_tcb);
    const TcbVersion current = decode_tcb(product, report.current_tcb);
    if (!at_least(committed, reported)) {
        return fail(Errc::tcb_order, fmt::format("REPORTED_TCB ({}) is above COMMITTED_TCB ({})",
                                                 tcb_text(reported), tcb_text(committed)));
    }
    if (!at_least(current, committed)) {
        return fail(Errc::tcb_order, fmt::format("COMMITTED_TCB ({}) is above CURRENT_TCB ({})",
                                                 tcb_text(committed), tcb_text(current)));
    }
    if (report.committed_version > report.current_version)
        return fail(Errc::tcb_order, "the committed firmware version is above the current one");
    return {};
}

std::optional<Product> product_hint(const SnpReport& report, const Endorsements& endorsements) {
    for (const Certificate& certificate : endorsements.certificates()) {
        if (!may_be_leaf(certificate)) continue;
        const auto extension = parse_amd_leaf_extension(certificate);
        if (extension && *extension && check_leaf_fits(report, **extension, {false, true}))
            return (*extension)->product;
    }
    return std::nullopt;
}

}  // namespace attestd
