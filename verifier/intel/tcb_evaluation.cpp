#include "verifier/intel/tcb_evaluation.h"

#include <fmt/format.h>

#include <algorithm>

namespace attestd {
namespace {

constexpr std::size_t kModuleVersion = 1;  // index of the module's version in TEE_TCB_SVN
constexpr std::size_t kModuleSvn = 0;

bool covers(const ByteArray<16>& have, const ByteArray<16>& need, std::size_t from) noexcept {
    for (std::size_t i = from; i < need.size(); ++i) {
        if (have[i] < need[i]) return false;
    }
    return true;
}

// Rule c of 6.1: with a module version above 0 the module is judged by its own identity, and the
// first two components of the level are not compared.
std::size_t first_compared(const ByteArray<16>& tee_tcb_svn) noexcept {
    return tee_tcb_svn[kModuleVersion] > 0 ? 2 : 0;
}

const TdxModuleIdentity* find_module(const TcbInfo& info, std::uint8_t version) {
    const std::string id = fmt::format("TDX_{:02X}", version);
    const auto it = std::find_if(info.module_identities.begin(), info.module_identities.end(),
                                 [&](const auto& identity) { return identity.id == id; });
    return it == info.module_identities.end() ? nullptr : &*it;
}

bool is_out_of_date(TcbStatus status) noexcept {
    return status == TcbStatus::out_of_date ||
           status == TcbStatus::out_of_date_configuration_needed;
}

// The date of the nearest newer level that is not itself out of date or revoked.
template <class Level>
std::optional<Time> next_acceptable(const std::vector<Level>& levels, const Level& matched) {
    for (std::size_t i = static_cast<std::size_t>(&matched - levels.data()); i-- > 0;) {
        if (!is_out_of_date(levels[i].status) && levels[i].status != TcbStatus::revoked)
            return levels[i].date;
    }
    return std::nullopt;
}

const IsvLevel* find_isv_level(const std::vector<IsvLevel>& levels, std::uint16_t isv_svn) {
    const auto it = std::find_if(levels.begin(), levels.end(),
                                 [&](const auto& l) { return isv_svn >= l.isv_svn; });
    return it == levels.end() ? nullptr : &*it;
}

const TcbLevel* find_platform_level(const TcbInfo& info, const PckExtension& pck,
                                    const ByteArray<16>* tee_tcb_svn) {
    const auto fits = [&](const TcbLevel& level) {
        return covers(pck.tcb_components, level.sgx_components, 0) &&
               pck.pce_svn >= level.pce_svn &&
               (tee_tcb_svn == nullptr ||
                covers(*tee_tcb_svn, level.tdx_components, first_compared(*tee_tcb_svn)));
    };
    const auto it = std::find_if(info.levels.begin(), info.levels.end(), fits);
    return it == info.levels.end() ? nullptr : &*it;
}

tl::unexpected<Error> not_supported(std::string_view what) {
    return fail(Errc::tcb_not_supported, fmt::format("no TCB level fits the {}", what));
}

// Adds a part's date, advisories and state to the whole.
template <class Level>
void add_part(TcbEvaluation& out, const std::vector<Level>& levels, const Level& level) {
    out.date = std::min(out.date, level.date);
    out.advisory_ids.insert(out.advisory_ids.end(), level.advisory_ids.begin(),
                            level.advisory_ids.end());
    if (!is_out_of_date(level.status)) return;
    const auto since = next_acceptable(levels, level);
    if (!since)
        out.fell_behind = Time::min();  // never acceptable again: no grace covers it
    else if (!out.fell_behind || *since < *out.fell_behind)
        out.fell_behind = since;
}

struct Inputs {
    const PckExtension& pck;
    const TcbInfo& info;
    const EnclaveIdentity& qe_identity;
    std::uint16_t qe_isv_svn;
};

// The function evaluate(svn) of 6.1; without SVNs of a TDX module for SGX.
Result<TcbEvaluation> evaluate(const Inputs& in, const ByteArray<16>* tee_tcb_svn) {
    const TcbLevel* const platform = find_platform_level(in.info, in.pck, tee_tcb_svn);
    if (platform == nullptr) return not_supported("platform");
    const IsvLevel* const qe = find_isv_level(in.qe_identity.levels, in.qe_isv_svn);
    if (qe == nullptr)
        return not_supported(fmt::format("quoting enclave's ISVSVN {}", in.qe_isv_svn));

    TcbEvaluation out{converge(platform->status, qe->status),
                      platform->status,
                      qe->status,
                      {},
                      Time::max(),
                      {},
                      {}};
    add_part(out, in.info.levels, *platform);
    add_part(out, in.qe_identity.levels, *qe);
    if (tee_tcb_svn != nullptr && (*tee_tcb_svn)[kModuleVersion] > 0) {
        const TdxModuleIdentity* const identity =
            find_module(in.info, (*tee_tcb_svn)[kModuleVersion]);
        if (identity == nullptr) return not_supported("TDX module");
        const std::uint8_t svn = (*tee_tcb_svn)[kModuleSvn];
        const IsvLevel* const module = find_isv_level(identity->levels, svn);
        if (module == nullptr) return not_supported(fmt::format("TDX module's SVN {}", svn));
        out.module = module->status;
        out.status = converge(out.status, module->status);
        add_part(out, identity->levels, *module);
    }
    std::sort(out.advisory_ids.begin(), out.advisory_ids.end());
    out.advisory_ids.erase(std::unique(out.advisory_ids.begin(), out.advisory_ids.end()),
                           out.advisory_ids.end());
    return out;
}

std::optional<std::string> name_of(std::optional<TcbStatus> status) {
    if (!status) return std::nullopt;
    return std::string(tcb_status_name(*status));
}

}  // namespace

Result<void> match_tdx_module(const TdReport& report, const ByteArray<16>& tee_tcb_svn,
                              const TcbInfo& info) {
    const std::uint8_t version = tee_tcb_svn[kModuleVersion];
    const TdxModuleIdentity* const identity = version > 0 ? find_module(info, version) : nullptr;
    if (version > 0 && identity == nullptr) {
        return fail(Errc::tdx_module_unknown,
                    fmt::format("TCB info has no identity TDX_{:02X}", version));
    }
    if (identity == nullptr && !info.module)
        return fail(Errc::tdx_module_unknown, "TCB info has no TDX module");
    const TdxModule& module = identity != nullptr ? identity->module : *info.module;
    if (report.mr_signer_seam != module.mr_signer)
        return fail(Errc::tdx_module_mismatch, "MRSIGNERSEAM differs");
    for (std::size_t i = 0; i < module.attributes.size(); ++i) {
        if ((report.seam_attributes[i] & module.attributes_mask[i]) !=
            (module.attributes[i] & module.attributes_mask[i])) {
            return fail(Errc::tdx_module_mismatch, "SEAMATTRIBUTES differ under their mask");
        }
    }
    if (!all_zero(report.seam_attributes))
        return fail(Errc::tdx_module_mismatch, "SEAMATTRIBUTES are not zero");
    return {};
}

Result<TcbJudgement> judge_tcb(const IntelQuote& quote, std::uint16_t qe_isv_svn,
                               const PckExtension& pck, const TcbInfo& info,
                               const EnclaveIdentity& qe_identity) {
    const Inputs in{pck, info, qe_identity, qe_isv_svn};
    const auto* const td = std::get_if<TdReport>(&quote.body);
    ATTESTD_TRY(TcbEvaluation launch, evaluate(in, td != nullptr ? &td->tee_tcb_svn : nullptr));
    TcbJudgement out{launch.status, std::move(launch), std::nullopt};
    if (td == nullptr || !td->tee_tcb_svn2) return out;
    ATTESTD_TRY(out.current, evaluate(in, &*td->tee_tcb_svn2));
    out.status = relaunch_status(out.launch.status, out.current->status);
    return out;
}

IntelTcb to_intel_tcb(const TcbJudgement& judgement) {
    IntelTcb out;
    out.status = tcb_status_name(judgement.status);
    out.platform = name_of(judgement.launch.platform);
    out.tdx_module = name_of(judgement.launch.module);
    out.qe = name_of(judgement.launch.qe);
    out.date = judgement.launch.date;
    out.advisory_ids = judgement.launch.advisory_ids;
    if (judgement.current) {
        out.launch = name_of(judgement.launch.status);
        out.current = name_of(judgement.current->status);
        out.current_advisory_ids = judgement.current->advisory_ids;
    }
    return out;
}

}  // namespace attestd
