// libtss2's context and what it hands out, each with one owner.
#pragma once

#include <tss2/tss2_esys.h>

#include <memory>
#include <string_view>

#include "agent/azure_vtpm/tcti.h"
#include "quote/base/ossl.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"
#include "quote/platform/vtpm_key.h"

namespace attestd::vtpm {

/// Memory that libtss2 allocated.
template <class T>
using EsysOwned = std::unique_ptr<T, Free<Esys_Free>>;

class Esys final {
 public:
    [[nodiscard]] static Result<std::unique_ptr<Esys>> open(Fd tpm, Deadline deadline);
    ~Esys() {
        if (context_ != nullptr) ::Esys_Finalize(&context_);
    }
    Esys(const Esys&) = delete;
    Esys& operator=(const Esys&) = delete;

    [[nodiscard]] ESYS_CONTEXT* get() const noexcept { return context_; }

    /// What came of a step: Errc::timed_out when the TPM did not answer, Errc::vtpm_failed.
    [[nodiscard]] Result<void> check(TSS2_RC code, std::string_view step) const;

 private:
    Esys(Fd tpm, Deadline deadline) : tcti_(std::move(tpm), deadline) {}

    FdTcti tcti_;  // outlives the context
    ESYS_CONTEXT* context_ = nullptr;
};

/// A transient object or session: flushed at the end of its scope.
class Flushed final {
 public:
    explicit Flushed(const Esys& esys) noexcept : esys_(esys) {}
    ~Flushed() {
        if (handle_ != ESYS_TR_NONE) static_cast<void>(::Esys_FlushContext(esys_.get(), handle_));
    }
    Flushed(const Flushed&) = delete;
    Flushed& operator=(const Flushed&) = delete;

    [[nodiscard]] ESYS_TR get() const noexcept { return handle_; }
    /// For a call that makes one.
    [[nodiscard]] ESYS_TR* out() noexcept { return &handle_; }

 private:
    const Esys& esys_;
    ESYS_TR handle_ = ESYS_TR_NONE;
};

/// What libtss2 knows of an NV index or persistent object; the TPM keeps it.
class Known final {
 public:
    explicit Known(const Esys& esys) noexcept : esys_(esys) {}
    ~Known() {
        if (handle_ != ESYS_TR_NONE) static_cast<void>(::Esys_TR_Close(esys_.get(), &handle_));
    }
    Known(const Known&) = delete;
    Known& operator=(const Known&) = delete;

    [[nodiscard]] ESYS_TR get() const noexcept { return handle_; }
    [[nodiscard]] ESYS_TR* out() noexcept { return &handle_; }
    /// After the TPM has removed it.
    void forget() noexcept { handle_ = ESYS_TR_NONE; }

 private:
    const Esys& esys_;
    ESYS_TR handle_ = ESYS_TR_NONE;
};

/// PCRs of the SHA-256 bank.
[[nodiscard]] TPML_PCR_SELECTION pcr_selection(std::uint32_t mask) noexcept;

/// Tpm::derive_key().
[[nodiscard]] Result<Secret> derive_key(const Esys& esys, const VtpmKeyRequest& request);

}  // namespace attestd::vtpm
