// The head of an HTTP/1.1 request, by Beast's parser: the only unit of the server that knows Beast.
#pragma once

#include <optional>

#include "agent/api/http.h"
#include "quote/base/result.h"

namespace attestd {

/// Parses the head at the beginning of `received`; bytes after it are left alone. Empty when the
/// head is not complete yet. Nothing is copied: the views point into `received`. Errc::bad_request
/// for what is not HTTP/1.1 in strict form.
[[nodiscard]] Result<std::optional<RequestHead>> parse_head(std::string_view received);

}  // namespace attestd
