// Standing: what came of asking a service, for status and metrics. Numbers, dates and error texts:
// nothing of what was asked for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "quote/base/result.h"
#include "quote/base/time.h"

namespace attestd {

struct Standing {
    std::optional<Time> last_success, last_failure;
    std::string last_error;  ///< of the last attempt; empty when it was good
    std::uint64_t num_succeeded = 0;
    std::map<Errc, std::uint64_t> failures;

    void succeeded(Time now) {
        last_success = now;
        last_error.clear();
        ++num_succeeded;
    }
    void failed(const Error& error, Time now) {
        last_failure = now;
        last_error = to_string(error);
        ++failures[error.code];
    }
    template <class T>
    void note(const Result<T>& result, Time now) {
        result ? succeeded(now) : failed(result.error(), now);
    }
};

}  // namespace attestd
