// The way from a TDX guest to its host's quote service: through attestd-fetch, because neither
// attestd nor attestctl opens such a connection (`spec/guest-interfaces.md` section 4).
#pragma once

#include <memory>
#include <string>

#include "agent/network/fetcher.h"
#include "quote/platform/tdx_guest.h"

namespace attestd {

/// Sends messages to "vsock://CID:PORT". Errc::fetch_* as the fetcher says, Errc::quote_service
/// when attestd-fetch answers with a status other than 200.
[[nodiscard]] QuoteExchange make_quote_exchange(std::shared_ptr<Fetcher> fetcher, std::string url);

/// The address that is configured, or that /etc/tdx-attest.conf has a port of; empty: none.
[[nodiscard]] std::string quote_service_url(System& system, const std::string& configured);

}  // namespace attestd
