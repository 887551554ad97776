// Credentials: systemd's LoadCredential= from a socket (spec/systemd-credentials.md).
//
// Who connects is a child of systemd, uid 0, already in the unit's own cgroup: the kernel's word
// for the unit is the identity, and the address from which it connects must name the same unit.
// There is no protocol: the secret's bytes and the end, or so many zeros that systemd does not
// start the unit. Nothing that is not a whole secret is ever sent but those zeros.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <list>
#include <map>
#include <memory>

#include "agent/agent.h"
#include "agent/credential/address.h"
#include "agent/release/release.h"

namespace attestd {

/// Checks that the peer is what systemd is to a unit: uid 0, in the cgroup of the very unit that
/// its address claims. Errc::credential_refused.
[[nodiscard]] Result<void> check_credential_peer(const Caller& caller,
                                                 const CredentialAddress& claim);

class Credentials final {
 public:
    Credentials(Io& io, Agent& agent, const Kernel& kernel);

    /// Takes a bound socket and begins to listen. `listener` outlives this.
    [[nodiscard]] Result<void> add(const ListenerConfig& listener, Fd socket);

    /// Accepts from now on.
    void start();

    /// Accepts no more; connections in hand are refused.
    [[nodiscard]] Task<void> stop();

 private:
    using Acceptor = asio::basic_socket_acceptor<asio::local::stream_protocol, Executor>;
    struct Listening {
        const ListenerConfig& config;
        Acceptor acceptor;
    };
    struct Request;

    [[nodiscard]] Task<void> accept_loop(Listening& listening);
    [[nodiscard]] Task<void> serve(std::shared_ptr<Request> request);
    [[nodiscard]] Task<Result<void>> answer(Request& request);
    [[nodiscard]] Result<Asker> identify(Request& request);
    [[nodiscard]] Task<void> hold(Request& request, std::string name);
    [[nodiscard]] Task<Result<Released>> obtain(Request& request, const Asker& asker,
                                                std::string name);
    [[nodiscard]] Task<void> refuse(Request& request, Error error);

    Io& io_;
    Agent& agent_;
    const Kernel& kernel_;
    std::list<Listening> listening_;
    std::map<std::uint64_t, std::shared_ptr<Request>> requests_;
    WaitList slot_free_;
    std::uint64_t next_id_ = 1;
    bool stopping_ = false;
};

}  // namespace attestd
