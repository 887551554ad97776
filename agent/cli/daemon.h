// DaemonClient: attestctl's side of the daemon's two sockets.
//
// An answer that is not a success becomes a Failure with the daemon's own code and words. Not
// reaching the daemon is another kind of failure, with another exit status.
#pragma once

#include <string>

#include "agent/cli/command.h"
#include "agent/http/unix_client.h"

namespace attestd::cli {

inline constexpr const char* kWorkloadSocket = "/run/attestd/attestd.sock";
inline constexpr const char* kAdminSocket = "/run/attestd/admin.sock";

class DaemonClient final {
 public:
    explicit DaemonClient(std::string socket_path) : client_(std::move(socket_path)) {}

    /// The body of a successful (2xx) answer.
    [[nodiscard]] Outcome<Bytes> ask(const UnixRequest& request) const;
    /// The same in memory for secrets.
    [[nodiscard]] Outcome<Secret> ask_secret(const UnixRequest& request) const;
    /// The body of any answer with a success status or `also`: for documents that come with a
    /// status.
    [[nodiscard]] Outcome<UnixResponse> ask_any(const UnixRequest& request, unsigned also) const;

 private:
    UnixClient client_;
};

/// What the daemon's problem document (RFC 9457) says; its status alone when there is none.
[[nodiscard]] Error problem_from(unsigned status, ByteView body);

/// A request with a JSON body, or none when it is empty; `json` outlives the request.
[[nodiscard]] UnixRequest json_request(std::string method, std::string target,
                                       const std::string& json);

inline constexpr const char* kSourceHelp = "which store, where configuration has several";

/// `target` for the store that --source names; as it is when `source` is empty. Errc::bad_name.
[[nodiscard]] Outcome<std::string> with_source(std::string target, const std::string& source);

}  // namespace attestd::cli
