#include "agent/fetch/connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include "agent/fetch/answer_writer.h"
#include "agent/fetch/destination.h"
#include "agent/fetch/request_reader.h"
#include "agent/fetch/socket_io.h"

namespace attestd::fetch {
namespace {

// The client is on this machine; what takes longer is not going to come.
constexpr std::chrono::seconds kRequestTime{10};
constexpr std::chrono::seconds kAnswerTime{30};

Deadline in(std::chrono::seconds time) { return std::chrono::steady_clock::now() + time; }

Result<ServerAnswer> answer_to(const ProxyRequest& request, const Result<FetchConfig>& config) {
    if (!config)
        return fail(Errc::fetch_process,
                    "attestd-fetch's configuration is refused: " + to_string(config.error()));
    return fetch_from_destination(*config, request);
}

}  // namespace

Result<void> check_connection(const Fd& fd) {
    const auto option = [&](int which) {
        int value = -1;
        socklen_t len = sizeof value;
        return ::getsockopt(fd.get(), SOL_SOCKET, which, &value, &len) == 0 ? value : -1;
    };
    if (option(SO_DOMAIN) != AF_UNIX || option(SO_TYPE) != SOCK_STREAM)
        return fail(Errc::wrong_type,
                    fmt::format("descriptor {} is no Unix stream socket", fd.get()));
    if (option(SO_ACCEPTCONN) == 1)
        return fail(Errc::wrong_type,
                    "a listening socket was passed: Accept=yes in the socket "
                    "unit, or --listen, makes connections of it");
    return {};
}

Result<void> serve(const Fd& connection, const Result<FetchConfig>& config) {
    const auto request = read_request(connection, in(kRequestTime));
    if (!request && request.error().code == Errc::unavailable) return {};  // nobody to answer
    const auto answer =
        request ? answer_to(*request, config) : tl::make_unexpected(request.error());
    const Bytes wire = answer ? wire_of(*answer) : wire_of(answer.error());
    return send_all(connection, wire, in(kAnswerTime));
}

}  // namespace attestd::fetch
