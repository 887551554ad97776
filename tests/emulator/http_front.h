// The HTTP front end: routes of the `external` platform protocol and of the control socket.
#pragma once

#include "tests/emulator/http_server.h"
#include "tests/emulator/machine.h"

namespace attestd::devsim {

/// POST /v1/evidence and POST /v1/derive-key. The machine must outlive the handler.
[[nodiscard]] HttpHandler platform_routes(const Machine& machine);

/// GET and POST /v1/control. Never delayed, never failing: it is how a test gets out of trouble.
[[nodiscard]] HttpHandler control_routes(Machine& machine);

}  // namespace attestd::devsim
