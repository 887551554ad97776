#include "verifier/azure/td_quote_match.h"

namespace attestd {

std::string_view first_difference(const LocalTdReport& report, const TdReport& quoted) {
    const TdReportTcbInfo& tcb = report.tcb_info;
    const TdReportInfo& td = report.td_info;
    const bool states_15 = report.mac.version > 0;  // what TDX 1.5 added
    const struct {
        std::string_view name;
        bool same;
    } rows[] = {
        {"report_data", report.mac.report_data == quoted.report_data},
        {"tee_tcb_svn", tcb.tee_tcb_svn == quoted.tee_tcb_svn},
        {"mrseam", tcb.mr_seam == quoted.mr_seam},
        {"mrsignerseam", tcb.mr_signer_seam == quoted.mr_signer_seam},
        {"seam_attributes", tcb.seam_attributes == quoted.seam_attributes},
        {"td_attributes", td.td_attributes == quoted.td_attributes},
        {"xfam", td.xfam == quoted.xfam},
        {"mrtd", td.mr_td == quoted.mr_td},
        {"mrconfigid", td.mr_config_id == quoted.mr_config_id},
        {"mrowner", td.mr_owner == quoted.mr_owner},
        {"mrownerconfig", td.mr_owner_config == quoted.mr_owner_config},
        {"rtmr0", td.rtmr[0] == quoted.rtmr[0]},
        {"rtmr1", td.rtmr[1] == quoted.rtmr[1]},
        {"rtmr2", td.rtmr[2] == quoted.rtmr[2]},
        {"rtmr3", td.rtmr[3] == quoted.rtmr[3]},
        {"tee_tcb_svn2",
         !states_15 || !quoted.tee_tcb_svn2 || tcb.tee_tcb_svn2 == *quoted.tee_tcb_svn2},
        {"mrservicetd",
         !states_15 || !quoted.mr_service_td || td.mr_service_td == *quoted.mr_service_td},
    };
    for (const auto& row : rows) {
        if (!row.same) return row.name;
    }
    return {};
}

}  // namespace attestd
