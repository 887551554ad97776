// The host's quote service of an emulated TDX machine, over vsock (`spec/guest-interfaces.md`
// section 4): quotes of the machine's own TDREPORTs, and its faults.
#pragma once

#include <memory>
#include <thread>

#include "quote/base/fd.h"
#include "tests/emulator/machine.h"

namespace attestd::devsim {

class QuoteService final {
 public:
    /// Listens on `port`, for every peer, until destruction. `machine` outlives it.
    /// Errc::unavailable where there is no vsock.
    [[nodiscard]] static Result<std::unique_ptr<QuoteService>> listen(Machine& machine,
                                                                      std::uint32_t port);
    ~QuoteService();
    QuoteService(const QuoteService&) = delete;
    QuoteService& operator=(const QuoteService&) = delete;

 private:
    QuoteService(Machine& machine, Fd listener, Fd stop)
        : machine_(machine), listener_(std::move(listener)), stop_(std::move(stop)) {}
    void run();

    Machine& machine_;
    Fd listener_, stop_;  ///< an eventfd: closing a listener does not wake who waits at it
    std::thread thread_;
};

/// The service's answer to one whole message, as bytes for the wire without their length; empty
/// when it stays silent. The machine is locked by the caller.
[[nodiscard]] Bytes answer_quote_request(const Machine& machine, ByteView message);

}  // namespace attestd::devsim
