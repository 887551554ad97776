#include "tests/bench/evidence.h"

#include <algorithm>

#include "quote/base/fd.h"
#include "tests/support/forge/collateral_forge.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::bench {
namespace {

constexpr std::size_t kMaxLen = std::size_t{16} << 20;

const Time kForgedAt = make_time(2026, 11, 22, 8, 0, 0, "now").value();

// The files themselves, or all below the folders, in the order of their names.
Result<std::vector<Bytes>> read_paths(const std::vector<std::filesystem::path>& paths) {
    std::vector<std::filesystem::path> files;
    for (const auto& path : paths) {
        if (!std::filesystem::is_directory(path)) {
            files.push_back(path);
            continue;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
            if (entry.is_regular_file()) files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    std::vector<Bytes> out;
    for (const auto& file : files) {
        ATTESTD_TRY(Bytes bytes, read_file(file, kMaxLen));
        out.push_back(std::move(bytes));
    }
    return out;
}

Result<Sample> given_sample(const std::filesystem::path& file, const Options& options) {
    if (!options.at) return fail(Errc::bad_usage, "given evidence needs --at TIME");
    ATTESTD_TRY(Bytes quote, read_file(file, kMaxLen));
    ATTESTD_TRY(auto endorsements, read_paths(options.endorsements));
    return Sample{std::move(quote), std::move(endorsements), TrustAnchors(), *options.at};
}

// Twice as many as LocalVerifier remembers platforms.
constexpr std::uint8_t kFleetSize = 128;

forge::IntelHierarchy intel_hierarchy() {
    return {forge::shared_intel_keys(), forge::IntelValidity::around(kForgedAt)};
}

Result<Sample> forged_tdx_sample(const forge::IntelHierarchy& intel) {
    const Window validity{kForgedAt - std::chrono::hours(1), kForgedAt + std::chrono::hours(24)};
    const forge::PckFields machine;
    const std::string collateral = forge::to_json(
        forge::sign_collateral(forge::tdx_collateral(intel, machine, validity), intel));
    Sample out{forge::forge_quote(forge::tdx_v4(), intel, intel.pck(machine)),
               {to_bytes(as_bytes(collateral))},
               TrustAnchors(),
               kForgedAt};
    ATTESTD_CHECK(out.anchors.add_certificate(intel.root));
    return out;
}

}  // namespace

Result<Sample> tdx_sample(const Options& options) {
    if (!options.quote.empty()) return given_sample(options.quote, options);
    return forged_tdx_sample(intel_hierarchy());
}

Result<Fleet> tdx_fleet() {
    const forge::IntelHierarchy intel = intel_hierarchy();
    ATTESTD_TRY(Sample sample, forged_tdx_sample(intel));
    Fleet out{std::move(sample), {}};
    for (std::uint8_t i = 0; i < kFleetSize; ++i) {
        forge::PckFields machine;
        machine.ppid[0] = i;
        out.quotes.push_back(forge::forge_quote(forge::tdx_v4(), intel, intel.pck(machine)));
    }
    return out;
}

Result<Sample> snp_sample(const Options& options) {
    if (!options.report.empty()) return given_sample(options.report, options);
    const forge::AmdHierarchy amd(forge::Product::milan, forge::shared_amd_keys(),
                                  forge::AmdValidity::around(kForgedAt));
    const forge::SnpFields fields = forge::snp_fields(forge::Product::milan, 3);
    const Window validity{kForgedAt - std::chrono::hours(1), kForgedAt + std::chrono::hours(24)};
    const forge::SnpTcb tcb = forge::tcb_from_bytes(fields.reported_tcb, forge::Product::milan);
    Sample out{forge::forge_report(fields, amd.keys().vcek),
               {amd.vcek(fields.chip_id, tcb), amd.ask(), amd.ark(), amd.crl(validity)},
               TrustAnchors(),
               kForgedAt};
    ATTESTD_CHECK(out.anchors.add_certificate(amd.ark()));
    return out;
}

Result<Endorsements> parse_endorsements(const Sample& sample) {
    Endorsements out;
    for (const Bytes& bytes : sample.endorsements) ATTESTD_CHECK(out.add(bytes, "endorsement"));
    return out;
}

}  // namespace attestd::bench
