// Whole synthetic cases: evidence of one kind with every endorsement that it needs, as files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "tests/support/forge/services_forge.h"

namespace attestd::forge {

struct CaseFile {
    std::string name;
    Bytes content;
};

/// "sgx-v3", "sgx-v4", "sgx-v5", "tdx-v4", "tdx-v5-td10", "tdx-v5-td15", "tdx-v5-td15ex",
/// "snp-<product>-v<2|3|5>" for milan, genoa and turin, and "snp-milan-v5-vlek".
[[nodiscard]] std::vector<std::string> case_kinds();

/// The files of a case, with keys of the process's shared hierarchies, good at `now` and for 30
/// days: an Intel kind has quote.bin, collateral.json and root.der; an AMD kind report.bin,
/// leaf.der, intermediate.der, root.der, crl.der and table.bin (the three certificates as a host
/// would hand them over). Errc::bad_usage for a kind that does not exist.
[[nodiscard]] Result<std::vector<CaseFile>> forge_case(std::string_view kind, Time now);

/// The vendors' services for the machine of a case of this kind, under the same keys, at three
/// moments: "current" (the dates of forge_case()), "older" (a day before, still good at `now`) and
/// "expired" (over for a day). A VLEK case has no leaf to fetch.
struct ServiceSet {
    std::string name;
    std::vector<ServiceAnswer> answers;
};
[[nodiscard]] Result<std::vector<ServiceSet>> forge_services(std::string_view kind, Time now);

/// The content of the file `name`; ForgeError when there is none.
[[nodiscard]] const Bytes& content_of(const std::vector<CaseFile>& files, std::string_view name);

/// One hour before `now` to 30 days after: how long the endorsements of a case are good.
[[nodiscard]] Window fresh_window(Time now);

}  // namespace attestd::forge
