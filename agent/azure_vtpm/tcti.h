// FdTcti: commands and answers of a TPM over a file descriptor, before one deadline (TCG TSS 2.0
// TCTI specification).
//
// Of the kernel's device, which takes a command by one write and gives the answer by one read, and
// of a stream socket alike: an answer's own header says where it ends. A TPM that does not answer
// by the deadline is not asked again, so that nothing after it waits once more.
//
// The kernel's device may hold poll() itself for as long as the TPM works on its command: then this
// process waits beyond the deadline, and only whoever asked it gives up in time.
#pragma once

#include <tss2/tss2_tcti.h>

#include "quote/base/bytes.h"
#include "quote/base/fd.h"
#include "quote/platform/platform.h"

namespace attestd::vtpm {

class FdTcti final {
 public:
    FdTcti(Fd tpm, Deadline deadline);
    FdTcti(const FdTcti&) = delete;
    FdTcti& operator=(const FdTcti&) = delete;

    /// For Esys_Initialize(); lives as long as this object.
    [[nodiscard]] TSS2_TCTI_CONTEXT* get() noexcept;

    /// Whether the deadline passed while an answer was waited for.
    [[nodiscard]] bool timed_out() const noexcept { return timed_out_; }
    /// errno of what failed; 0 when nothing did.
    [[nodiscard]] int error() const noexcept { return error_; }

 private:
    // What TSS sees: its own structure first, as the specification says.
    struct Context {
        TSS2_TCTI_CONTEXT_COMMON_V2 common;
        FdTcti* owner;
    };
    static FdTcti* owner_of(TSS2_TCTI_CONTEXT* context) noexcept;
    static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, std::size_t len,
                            const std::uint8_t* command);
    static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, std::size_t* len, std::uint8_t* response,
                           std::int32_t timeout);

    [[nodiscard]] bool wait_for(short events);
    [[nodiscard]] bool send(ByteView command);
    [[nodiscard]] bool read_answer();
    bool fails(int error) noexcept;

    Context context_;
    Fd tpm_;
    Deadline deadline_;
    Bytes answer_;  // whole, once it is there
    bool timed_out_ = false;
    int error_ = 0;
};

}  // namespace attestd::vtpm
