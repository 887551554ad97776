// A vTPM that does what a test says, and a metadata service that answers what a test says.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/azure_vtpm/collect.h"
#include "quote/base/encoding.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::test {

/// Blobs of an SNP guest, or of a TDX guest with `type` 4, that speak of `user_data`.
inline Bytes blob_with(ByteView user_data, std::uint32_t type = 2) {
    forge::RuntimeSpec runtime;
    runtime.user_data = to_hex(user_data);
    forge::HclSpec spec;
    spec.runtime = forge::runtime_json(runtime);
    spec.report_type = type;
    const auto bound = forge::bound_report_data(spec.runtime);
    if (type == 2) {
        forge::SnpFields fields;
        fields.report_data = bound;
        spec.hardware_report = forge::report_bytes(fields);
    } else {
        forge::TdBody body;
        body.report_data = bound;
        spec.hardware_report = forge::tdreport_bytes(body);
    }
    return forge::hcl_blob(spec);
}

/// Takes up user-data at once and has still PCRs, unless told otherwise.
class FakeTpm final : public vtpm::Tpm {
 public:
    std::function<Result<Bytes>()> on_read_blob = [this] { return blob_with(data); };
    std::function<void()> on_quote = [] {};
    std::function<Result<void>()> on_write = [] { return Result<void>(); };
    ReportData data{};
    Bytes last_nonce;
    vtpm::Pcrs pcrs = forge::VtpmQuoteSpec::default_pcrs();
    int num_writes = 0, num_reads = 0, num_quotes = 0;

    Result<Bytes> read_blob() override {
        ++num_reads;
        return on_read_blob();
    }
    Result<void> write_user_data(const ReportData& wanted) override {
        ++num_writes;
        ATTESTD_CHECK(on_write());
        data = wanted;
        return {};
    }
    Result<vtpm::Pcrs> read_pcrs() override { return pcrs; }
    Result<Signed> quote(ByteView nonce) override {
        ++num_quotes;
        last_nonce = to_bytes(nonce);
        on_quote();
        forge::VtpmQuoteSpec spec;
        spec.nonce = last_nonce;
        spec.pcrs = pcrs;
        const Bytes message = forge::attest_bytes(spec);
        return Signed{message, forge::shared_vtpm_key().sign(message)};
    }
    Result<Secret> derive_key(const VtpmKeyRequest&) override {
        return fail(Errc::internal, "not asked here");
    }
};

/// Answers in turn; remembers what was asked.
class FakeFetcher final : public Fetcher {
 public:
    std::function<Result<FetchResponse>(const FetchRequest&)> answer =
        [](const FetchRequest&) -> Result<FetchResponse> {
        return fail(Errc::fetch_unreachable, "no metadata service here");
    };
    std::vector<FetchRequest> asked;

    Result<FetchResponse> fetch(const FetchRequest& request, Deadline) override {
        asked.push_back(request);
        return answer(request);
    }
};

inline FetchResponse ok_response(std::string_view body) {
    FetchResponse out;
    out.status = 200;
    out.body = to_bytes(as_bytes(body));
    return out;
}

}  // namespace attestd::test
