// EsysTpm: a vTPM through libtss2's enhanced system API (TCG TSS 2.0 ESAPI specification), for one
// request.
//
// Every object and session that is made is flushed when its step ends, whichever way. A command
// that the TPM wants asked again is asked again by libtss2, a few times.
#pragma once

#include <memory>

#include "agent/azure_vtpm/tcti.h"
#include "agent/azure_vtpm/tpm.h"
#include "quote/base/fd.h"

namespace attestd::vtpm {

class EsysTpm final : public Tpm {
 public:
    /// `tpm` is open for reading and writing, and does not block. Every step ends by `deadline`.
    [[nodiscard]] static Result<std::unique_ptr<EsysTpm>> open(Fd tpm, Deadline deadline);
    ~EsysTpm() override;
    EsysTpm(const EsysTpm&) = delete;
    EsysTpm& operator=(const EsysTpm&) = delete;

    [[nodiscard]] Result<Bytes> read_blob() override;
    [[nodiscard]] Result<void> write_user_data(const ReportData& data) override;
    [[nodiscard]] Result<Pcrs> read_pcrs() override;
    [[nodiscard]] Result<Signed> quote(ByteView nonce) override;
    [[nodiscard]] Result<Secret> derive_key(const VtpmKeyRequest& request) override;

 private:
    struct Impl;
    explicit EsysTpm(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace attestd::vtpm
