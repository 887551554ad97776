// What libcurl's error codes mean here: an Errc, the step that failed, and what would mend it.
#pragma once

#include <curl/curl.h>

#include <string_view>

#include "quote/base/result.h"

namespace attestd::fetch {

struct CurlFailure {
    CURLcode code = CURLE_OK;
    std::string_view words{};        ///< libcurl's own, of this failure
    bool headers_too_large = false;  ///< our callbacks stopped it
    bool body_too_large = false;
    bool proxy_refused = false;  ///< a proxy answered CONNECT with something else than 200
    bool answer_begun = false;   ///< a status line came
};

/// `place` is what was fetched, for the error's detail.
[[nodiscard]] Error describe(const CurlFailure& failure, std::string_view place);

}  // namespace attestd::fetch
