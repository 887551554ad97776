// One client, one request, one answer: the whole life of an attestd-azure-vtpm process.
#pragma once

#include <chrono>
#include <string>

#include "agent/network/socket_fetcher.h"
#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::vtpm {

struct ServiceConfig {
    std::string fetch_socket{kDefaultFetchSocket};
    /// For one piece of evidence or one key, TPM and metadata service included, unless the kernel
    /// holds a command longer (tcti.h). A little below attestd's own patience, so that the reason
    /// arrives.
    std::chrono::seconds timeout{25};
};

/// Reads the request, asks TPM and metadata service, answers. The error is for the log: what
/// stopped us from answering.
[[nodiscard]] Result<void> serve(const Fd& connection, const ServiceConfig& config);

}  // namespace attestd::vtpm
