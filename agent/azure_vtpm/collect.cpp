#include "agent/azure_vtpm/collect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "quote/azure/hcl_blob.h"
#include "quote/azure/runtime_data.h"
#include "quote/azure/tpm_quote.h"
#include "quote/base/encoding.h"

namespace attestd::vtpm {
namespace {

using std::chrono::milliseconds;

// A paravisor takes up user-data within three seconds; another program may write its own meanwhile.
constexpr int kMaxWrites = 3;
constexpr milliseconds kTakeUpTime{6000}, kPause{200};
constexpr int kMaxQuotes = 5;  // PCRs that change each time are somebody's fault
constexpr milliseconds kVcekTime{5000};
constexpr std::size_t kSnpReportDataAt = 0x50, kTdReportDataAt = 0x80;

// What the blob in `bytes` speaks of: user-data, when it hangs together. A blob that was read while
// the paravisor wrote it does not.
Result<ReportData> user_data_of(ByteView bytes) {
    ATTESTD_TRY(const HclBlob blob, parse_hcl_blob(bytes));
    const std::size_t at =
        blob.report_type == HclReportType::snp ? kSnpReportDataAt : kTdReportDataAt;
    if (!equal(blob.hardware_report.subspan(at, sizeof(ReportData)), blob.bound_report_data()))
        return fail(Errc::hcl_binding, "its runtime data is not the one that its report binds");
    ATTESTD_TRY(const RuntimeData runtime, parse_runtime_data(blob.runtime_data));
    if (runtime.user_data) return *runtime.user_data;
    return fail(Errc::missing_key,
                "its runtime data has no \"user-data\": a paravisor of 2023, whose VM has to be "
                "redeployed");
}

class Collecting final {
 public:
    Collecting(Tpm& tpm, const ReportData& report_data, Deadline deadline, const Waiting& waiting)
        : tpm_(tpm), report_data_(report_data), deadline_(deadline), waiting_(waiting) {}

    Result<AzureEvidence> run() {
        AzureEvidence out;
        out.user_data = UserDataRule::nonce;
        ATTESTD_TRY(out.hcl_blob, blob_of_report_data());
        ATTESTD_TRY(out.vtpm_quote, quote_of_still_pcrs());
        return out;
    }

 private:
    Result<Bytes> blob_of_report_data() {
        Error last{};
        for (int write = 0; write < kMaxWrites; ++write) {
            ATTESTD_CHECK(tpm_.write_user_data(report_data_));
            const Deadline until = std::min(deadline_, waiting_.now() + kTakeUpTime);
            do {
                ATTESTD_TRY(Bytes bytes, tpm_.read_blob());
                const auto has = user_data_of(bytes);
                if (has && *has == report_data_) return bytes;
                last = has ? Error{Errc::vtpm_failed, "its user-data is " + to_hex(*has)}
                           : has.error();
                waiting_.sleep(kPause);
            } while (waiting_.now() < until);
            if (waiting_.now() >= deadline_) break;
        }
        return fail(Errc::vtpm_failed,
                    fmt::format("the blob in NV index 0x{:08x} does not take up what NV index "
                                "0x{:08x} was given: {}; does another program write there?",
                                kBlobIndex, kDataIndex, last.detail));
    }

    // A quote covers a digest of PCRs; the values are read apart from it, so that one may change in
    // between. Both are then had again.
    Result<VtpmQuote> quote_of_still_pcrs() {
        const Bytes nonce = vtpm_nonce(report_data_);
        for (int attempt = 0; attempt < kMaxQuotes; ++attempt) {
            ATTESTD_TRY(const Pcrs pcrs, tpm_.read_pcrs());
            ATTESTD_TRY(Tpm::Signed made, tpm_.quote(nonce));
            const auto quote = parse_tpm_quote(made.message);
            if (!quote) return fail(Errc::vtpm_failed, "TPM2_Quote: " + to_string(quote.error()));
            Bytes values;
            for (const Sha256& pcr : pcrs) values.insert(values.end(), pcr.begin(), pcr.end());
            if (equal(sha256(values), quote->pcr_digest))
                return VtpmQuote{std::move(made.message), std::move(made.signature), pcrs};
        }
        return fail(Errc::vtpm_failed,
                    fmt::format("TPM2_Quote: PCRs changed between their reading and the quote, {} "
                                "times: something extends them all the time",
                                kMaxQuotes));
    }

    Tpm& tpm_;
    const ReportData& report_data_;
    Deadline deadline_;
    const Waiting& waiting_;
};

// Endorsements can come from elsewhere too: without them the evidence is as good.
void add_vcek(AzureEvidence& azure, std::vector<Bytes>& endorsements, Metadata& metadata,
              Deadline until) {
    auto got = metadata.snp_endorsements(until);
    if (!got) {
        std::fputs(fmt::format("attestd-azure-vtpm: no VCEK goes with the evidence: {}\n",
                               to_string(got.error()))
                       .c_str(),
                   stderr);
        return;
    }
    azure.vcek = std::move(got->vcek);
    endorsements = std::move(got->issuers);
}

}  // namespace

Waiting real_waiting() {
    Waiting out;
    out.sleep = [](milliseconds time) { std::this_thread::sleep_for(time); };
    return out;
}

Result<AzureEvidence> collect_from_tpm(Tpm& tpm, const ReportData& report_data, Deadline deadline,
                                       const Waiting& waiting) {
    return Collecting(tpm, report_data, deadline, waiting).run();
}

Result<Evidence> complete_evidence(AzureEvidence azure, Metadata& metadata, Deadline deadline,
                                   const Waiting& waiting) {
    Evidence out{};
    out.interface = "azure_vtpm";
    ATTESTD_TRY(const HclBlob blob, parse_hcl_blob(azure.hcl_blob));
    out.tee = blob.report_type == HclReportType::snp ? Tee::snp : Tee::tdx;
    if (out.tee == Tee::snp) {
        add_vcek(azure, out.endorsements, metadata, std::min(deadline, waiting.now() + kVcekTime));
    } else {
        ATTESTD_TRY(azure.td_quote, metadata.td_quote(blob.hardware_report, deadline));
    }
    out.quote = to_bytes(as_bytes(write_azure_evidence(azure)));
    return out;
}

}  // namespace attestd::vtpm
