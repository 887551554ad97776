// One client, one request, one answer: the whole life of an attestd-fetch process.
#pragma once

#include "agent/fetch/config.h"
#include "quote/base/fd.h"

namespace attestd::fetch {

/// Reads the request, fetches, answers. With an error in place of the configuration, that is the
/// answer (fetch.process). The error is for the log: what stopped us from answering.
[[nodiscard]] Result<void> serve(const Fd& connection, const Result<FetchConfig>& config);

}  // namespace attestd::fetch
