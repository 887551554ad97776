#include "agent/fetch/connection.h"

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

Result<void> serve(const Fd& connection, const Result<FetchConfig>& config) {
    const auto request = read_request(connection, in(kRequestTime));
    if (!request && request.error().code == Errc::unavailable) return {};  // nobody to answer
    const auto answer =
        request ? answer_to(*request, config) : tl::make_unexpected(request.error());
    const Bytes wire = answer ? wire_of(*answer) : wire_of(answer.error());
    return send_all(connection, wire, in(kAnswerTime));
}

}  // namespace attestd::fetch
