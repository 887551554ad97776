// A machine below a paravisor, for tests of verifiers on the network.
#pragma once

#include "quote/azure/azure_evidence.h"
#include "quote/base/encoding.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::remote::remote_test {

/// Evidence of an Azure SNP machine that was asked for `report_data`.
struct AzureSnpMachine {
    explicit AzureSnpMachine(const ReportData& report_data) {
        forge::RuntimeSpec spec;
        spec.user_data = to_hex(report_data);
        runtime = forge::runtime_json(spec);
        fields.report_data = forge::bound_report_data(runtime);
        forge::HclSpec blob;
        blob.runtime = runtime;
        blob.hardware_report = forge::report_bytes(fields);
        azure.hcl_blob = forge::hcl_blob(blob);
        forge::VtpmQuoteSpec quote;
        quote.nonce = vtpm_nonce(report_data);
        azure.vtpm_quote.emplace();
        azure.vtpm_quote->message = forge::attest_bytes(quote);
        azure.vtpm_quote->signature = forge::shared_vtpm_key().sign(azure.vtpm_quote->message);
        azure.vtpm_quote->pcrs = quote.pcrs;
        azure.vcek = Bytes{0x30, 0x00};
        azure.user_data = UserDataRule::nonce;
    }
    [[nodiscard]] Evidence evidence() const {
        return {Tee::snp, to_bytes(as_bytes(write_azure_evidence(azure))), {}, {}, "azure_vtpm"};
    }
    std::string runtime;
    forge::SnpFields fields;
    AzureEvidence azure;
};

}  // namespace attestd::remote::remote_test
