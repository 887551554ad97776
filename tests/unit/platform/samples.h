// Evidence that parses, with report data of one's choice: what devices give in these tests.
#pragma once

#include "quote/base/time.h"
#include "quote/platform/evidence.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::test {

[[nodiscard]] inline ReportData sample_report_data() {
    ReportData data{};
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i + 1);
    return data;
}

/// Not signed: a platform looks at the report data alone.
[[nodiscard]] inline Bytes sample_snp_report(const ReportData& data) {
    forge::SnpFields fields = forge::snp_fields(forge::Product::genoa, 3);
    fields.report_data = data;
    return forge::report_bytes(fields);
}

[[nodiscard]] inline Bytes sample_tdx_quote(const ReportData& data) {
    static const forge::IntelHierarchy intel(
        forge::shared_intel_keys(), forge::IntelValidity::around(Time(std::chrono::hours(480000))));
    static const Bytes leaf = intel.pck({});
    forge::QuoteSpec spec = forge::tdx_v4();
    std::get<forge::TdBody>(spec.body).report_data = data;
    return forge::forge_quote(spec, intel, leaf);
}

/// A table with one entry.
[[nodiscard]] inline Bytes sample_table() {
    return forge::certificate_table({{forge::guid::kVcek, Bytes{1, 2, 3}}}, 4096);
}

}  // namespace attestd::test
