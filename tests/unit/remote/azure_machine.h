// An Azure machine below a paravisor that was asked for report data, and what its token says.
#pragma once

#include <nlohmann/json.hpp>

#include "quote/azure/azure_evidence.h"
#include "quote/platform/evidence.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"
#include "tests/unit/remote/remote_samples.h"

namespace attestd::remote::remote_test {

struct AzureMachine {
    AzureMachine(Tee kind, const ReportData& asked) : tee(kind), report_data(asked) { make(); }

    /// Once more, after a change.
    void make() {
        forge::RuntimeSpec spec;
        spec.user_data = to_hex(report_data);
        runtime = forge::runtime_json(spec);
        fields.report_data = td.report_data = forge::bound_report_data(runtime);
        for (std::size_t i = 0; i < fields.report_data.size(); ++i) {
            fields.report_data[i] ^= flip;
            td.report_data[i] ^= flip;
        }
        forge::HclSpec blob;
        blob.runtime = runtime;
        if (tee == Tee::snp) {
            blob.hardware_report = forge::report_bytes(fields);
            azure.vcek = Bytes{0x30, 0x00};
        } else {
            blob.version = 2;
            blob.report_type = 4;
            blob.hardware_report = forge::tdreport_bytes(td);
            forge::QuoteSpec quote = forge::tdx_v4();
            quote.body = td;
            const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                              forge::IntelValidity::around(kNow));
            azure.td_quote = forge::forge_quote(quote, intel, intel.pck({}));
        }
        azure.hcl_blob = forge::hcl_blob(blob);
        forge::VtpmQuoteSpec quote;
        quote.nonce = vtpm_nonce(report_data);
        const Bytes message = forge::attest_bytes(quote);
        azure.vtpm_quote = VtpmQuote{message, forge::shared_vtpm_key().sign(message), quote.pcrs};
        azure.user_data = UserDataRule::nonce;
    }

    [[nodiscard]] Evidence evidence() const {
        return {tee, to_bytes(as_bytes(write_azure_evidence(azure))), {}, {}, "azure_vtpm"};
    }

    /// What Intel's and Microsoft's tokens say of a TD alike.
    [[nodiscard]] nlohmann::json td_claims() const {
        nlohmann::json out{{"tdx_report_data", to_hex(td.report_data)},
                           {"tdx_mrtd", to_hex(td.mrtd)},
                           {"attester_tcb_status", "UpToDate"},
                           {"tdx_is_debuggable", false}};
        for (std::size_t i = 0; i < td.rtmr.size(); ++i)
            out["tdx_rtmr" + std::to_string(i)] = to_hex(td.rtmr.at(i));
        return out;
    }

    Tee tee;
    ReportData report_data;
    std::uint8_t flip = 0;  ///< what the host changes in the hardware's binding of the JSON
    std::string runtime{};
    forge::SnpFields fields{};
    forge::TdBody td{};
    AzureEvidence azure{};
};

}  // namespace attestd::remote::remote_test
