#include "tests/support/forge/case_forge.h"

#include <algorithm>
#include <array>

#include "tests/support/forge/collateral_forge.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::forge {
namespace {

constexpr std::string_view kCspId = "CN=cc-us-east-2.amazonaws.com";

struct IntelKind {
    std::string_view name;
    QuoteSpec (*spec)();
};
constexpr std::array<IntelKind, 7> kIntelKinds{
    {{"sgx-v3", sgx_v3},
     {"sgx-v4", sgx_v4},
     {"sgx-v5", sgx_v5},
     {"tdx-v4", tdx_v4},
     {"tdx-v5-td10", [] { return tdx_v5(BodyType::td10); }},
     {"tdx-v5-td15", [] { return tdx_v5(BodyType::td15); }},
     {"tdx-v5-td15ex", [] { return tdx_v5(BodyType::td15ex); }}}};

struct AmdKind {
    std::string_view name;
    Product product;
    std::uint32_t version;
    ReportKey key = ReportKey::vcek;
};
constexpr std::array<AmdKind, 10> kAmdKinds{
    {{"snp-milan-v2", Product::milan, 2},
     {"snp-milan-v3", Product::milan, 3},
     {"snp-milan-v5", Product::milan, 5},
     {"snp-genoa-v2", Product::genoa, 2},
     {"snp-genoa-v3", Product::genoa, 3},
     {"snp-genoa-v5", Product::genoa, 5},
     {"snp-turin-v2", Product::turin, 2},
     {"snp-turin-v3", Product::turin, 3},
     {"snp-turin-v5", Product::turin, 5},
     {"snp-milan-v5-vlek", Product::milan, 5, ReportKey::vlek}}};

CollateralSpec collateral_spec(const QuoteSpec& spec, const IntelHierarchy& intel,
                               const PckFields& machine, Window validity) {
    return spec.header.tee_type == 0 ? sgx_collateral(intel, machine, validity)
                                     : tdx_collateral(intel, machine, validity);
}

std::vector<CaseFile> intel_case(const IntelKind& kind, Time now) {
    const IntelHierarchy intel(shared_intel_keys(), IntelValidity::around(now));
    const QuoteSpec spec = kind.spec();
    const PckFields machine;
    const CollateralSpec collateral = collateral_spec(spec, intel, machine, fresh_window(now));
    const std::string json = to_json(sign_collateral(collateral, intel));
    return {{"quote.bin", forge_quote(spec, intel, intel.pck(machine))},
            {"collateral.json", to_bytes(as_bytes(json))},
            {"root.der", intel.root}};
}

std::vector<CaseFile> amd_case(const AmdKind& kind, Time now) {
    const AmdHierarchy amd(kind.product, shared_amd_keys(), AmdValidity::around(now));
    const bool vlek = kind.key == ReportKey::vlek;
    SnpFields fields = snp_fields(kind.product, kind.version);
    fields.set_signing_key(kind.key);
    if (vlek) fields.chip_id = {};  // as seen where a VLEK signs
    const SnpTcb tcb = SnpTcb::typical(kind.product);
    const Bytes leaf = vlek ? amd.vlek(kCspId, tcb) : amd.vcek(fields.chip_id, tcb);
    const Bytes intermediate = vlek ? amd.asvk() : amd.ask();
    const Bytes root = amd.ark();
    return {{"report.bin", forge_report(fields, vlek ? amd.keys().vlek : amd.keys().vcek)},
            {"leaf.der", leaf},
            {"intermediate.der", intermediate},
            {"root.der", root},
            {"crl.der", amd.crl(fresh_window(now))},
            {"table.bin", certificate_table({{vlek ? guid::kVlek : guid::kVcek, leaf},
                                             {guid::kAsk, intermediate},
                                             {guid::kArk, root}})}};
}

std::vector<ServiceAnswer> intel_services(const IntelKind& kind, Time now, Window validity) {
    const IntelHierarchy intel(shared_intel_keys(), IntelValidity::around(now));
    const PckFields machine;
    return intel_answers(collateral_spec(kind.spec(), intel, machine, validity), intel, machine);
}

std::vector<ServiceAnswer> amd_services(const AmdKind& kind, Time now, Window validity) {
    const AmdHierarchy amd(kind.product, shared_amd_keys(), AmdValidity::around(now));
    const SnpFields fields = snp_fields(kind.product, kind.version);
    return amd_answers(amd, fields.chip_id, SnpTcb::typical(kind.product), validity);
}

template <class Kinds>
const auto* find_kind(const Kinds& kinds, std::string_view name) {
    const auto at = std::find_if(kinds.begin(), kinds.end(),
                                 [&](const auto& kind) { return kind.name == name; });
    return at == kinds.end() ? nullptr : &*at;
}

}  // namespace

std::vector<std::string> case_kinds() {
    std::vector<std::string> names;
    for (const IntelKind& kind : kIntelKinds) names.emplace_back(kind.name);
    for (const AmdKind& kind : kAmdKinds) names.emplace_back(kind.name);
    return names;
}

Result<std::vector<CaseFile>> forge_case(std::string_view kind, Time now) {
    if (const auto* intel = find_kind(kIntelKinds, kind)) return intel_case(*intel, now);
    if (const auto* amd = find_kind(kAmdKinds, kind)) return amd_case(*amd, now);
    return fail(Errc::bad_usage, "there is no kind of case called \"" + std::string(kind) + '"');
}

Result<std::vector<ServiceSet>> forge_services(std::string_view kind, Time now) {
    const auto* const intel = find_kind(kIntelKinds, kind);
    const auto* const amd = find_kind(kAmdKinds, kind);
    if (intel == nullptr && amd == nullptr)
        return fail(Errc::bad_usage,
                    "there is no kind of case called \"" + std::string(kind) + '"');
    const auto at = [&](Window validity) {
        return intel != nullptr ? intel_services(*intel, now, validity)
                                : amd_services(*amd, now, validity);
    };
    constexpr std::chrono::days kDay{1};
    const Window current = fresh_window(now);
    return std::vector<ServiceSet>{{"current", at(current)},
                                   {"older", at({current.from - kDay, current.until - kDay})},
                                   {"expired", at({now - 31 * kDay, now - kDay})}};
}

const Bytes& content_of(const std::vector<CaseFile>& files, std::string_view name) {
    const auto at = std::find_if(files.begin(), files.end(),
                                 [&](const CaseFile& file) { return file.name == name; });
    if (at == files.end()) throw ForgeError("the case has no file " + std::string(name));
    return at->content;
}

Window fresh_window(Time now) { return {now - std::chrono::hours(1), now + std::chrono::days(30)}; }

}  // namespace attestd::forge
