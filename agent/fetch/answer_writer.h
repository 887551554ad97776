// What goes back to the client: the server's answer, or status 502 with our own error in it.
#pragma once

#include "agent/fetch/message.h"
#include "quote/base/fd.h"

namespace attestd::fetch {

/// The bytes of an HTTP/1.1 answer that ends with the connection.
[[nodiscard]] Bytes wire_of(const ServerAnswer& answer);

/// Status 502 with the header Attestd-Fetch-Error and an application/problem+json body.
[[nodiscard]] Bytes wire_of(const Error& error);

}  // namespace attestd::fetch
