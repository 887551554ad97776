#include "tests/unit/quote/x509/recorded.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "quote/base/encoding.h"
#include "quote/base/time.h"
#include "quote/x509/pem.h"
#include "tests/support/forge/amd_forge.h"
#include "tests/support/forge/intel_forge.h"
#include "tests/support/vectors.h"

namespace attestd::test {
namespace {

namespace fs = std::filesystem;

// Collects what is new: the vectors carry the same authorities many times.
class Collection {
 public:
    void add(std::string name, Bytes der) {
        if (seen_.insert(der).second) found.push_back({std::move(name), std::move(der)});
    }
    void add_pem(const std::string& name, std::string_view text) {
        auto blocks = parse_pem(text, PemStyle::file);
        for (PemBlock& block : blocks.value()) add(name, std::move(block.der));
    }
    std::vector<NamedDer> found;

 private:
    std::set<Bytes> seen_;
};

std::vector<fs::path> files_below(const fs::path& dir) {
    std::vector<fs::path> out;
    for (const auto& entry : fs::recursive_directory_iterator(dir)) {
        if (entry.is_regular_file()) out.push_back(entry.path());
    }
    std::sort(out.begin(), out.end());
    return out;
}

// The PEM chain somewhere inside a quote.
std::string chain_in(const fs::path& quote) {
    const std::string bytes = load_text(quote);
    const auto first = bytes.find("-----BEGIN CERTIFICATE");
    return first == bytes.npos ? std::string()
                               : bytes.substr(first, bytes.find('\0', first) - first);
}

const Time kRecordedNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();
const Window kRecordedMonth{kRecordedNow, kRecordedNow + std::chrono::days(30)};

}  // namespace

std::vector<NamedDer> recorded_certificates() {
    Collection all;
    for (const char* part : {"snp/roots", "snp/cases", "snp/certs", "snp/synthetic", "tdx/roots",
                             "tdx/cases", "tdx/synthetic"}) {
        const auto dir = find_vectors(part);
        if (!dir) return {};
        for (const fs::path& path : files_below(*dir)) {
            const std::string name = path.string();
            if (path.extension() == ".der" && path.stem() != "crl") all.add(name, load_file(path));
            if (path.extension() == ".pem") all.add_pem(name, load_text(path));
            if (path.filename() == "quote.bin") all.add_pem(name, chain_in(path));
            if (path.filename() != "collateral.json") continue;
            const auto json = nlohmann::json::parse(load_text(path));
            for (const char* key :
                 {"pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain"}) {
                all.add_pem(name, json.at(key).get<std::string>());
            }
        }
    }
    return all.found;
}

std::vector<NamedDer> recorded_crls() {
    Collection all;
    for (const char* part : {"snp/synthetic", "tdx/cases", "tdx/synthetic"}) {
        const auto dir = find_vectors(part);
        if (!dir) return {};
        for (const fs::path& path : files_below(*dir)) {
            if (path.filename() == "crl.der") all.add(path.string(), load_file(path));
            if (path.filename() != "collateral.json") continue;
            const auto json = nlohmann::json::parse(load_text(path));
            for (const char* key : {"root_ca_crl", "pck_crl"}) {
                all.add(path.string(), from_hex(json.at(key).get<std::string>(), key).value());
            }
        }
    }
    return all.found;
}

std::vector<NamedDer> forged_certificates() {
    const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                      forge::IntelValidity::around(kRecordedNow));
    const forge::AmdHierarchy amd(forge::Product::turin, forge::shared_amd_keys(),
                                  forge::AmdValidity::around(kRecordedNow));
    return {{"Intel root", intel.root},
            {"PCK CA", intel.pck_ca},
            {"TCB signer", intel.tcb_signing},
            {"PCK", intel.pck({})},
            {"ARK", amd.ark()}};
}

std::vector<NamedDer> forged_crls() {
    const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                      forge::IntelValidity::around(kRecordedNow));
    const forge::AmdHierarchy amd(forge::Product::turin, forge::shared_amd_keys(),
                                  forge::AmdValidity::around(kRecordedNow));
    forge::CrlSpec full = intel.pck_crl_spec(kRecordedMonth);
    for (std::uint8_t i = 1; i < 40; ++i)
        full.revoked.push_back({{i, 0x80}, kRecordedNow, std::nullopt});
    full.revoked.push_back({{}, kRecordedNow});  // serial number 0, with a reason
    return {{"Intel root, empty",
             forge::issue(intel.root_crl_spec(kRecordedMonth), intel.root_issuer())},
            {"PCK CA, 40 entries", forge::issue(full, intel.pck_issuer())},
            {"ARK", amd.crl(kRecordedMonth, {{{0x03, 0x00, 0x01}, kRecordedNow}})}};
}

}  // namespace attestd::test
