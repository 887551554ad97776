// The client's side of what is spoken with attestd-fetch: HTTP/1.1 as to a forward proxy, with
// attestd-fetch's own failures told from the server's answers.
#pragma once

#include "agent/http/unix_client.h"
#include "agent/network/fetcher.h"

namespace attestd::fetch_wire {

/// What is sent for `request`; it refers to the request's body. Errc::fetch_denied for what
/// attestd-fetch would not take, Errc::fetch_timed_out when `deadline` has passed.
[[nodiscard]] Result<UnixRequest> request_to_proxy(const FetchRequest& request,
                                                   Fetcher::Deadline deadline,
                                                   std::size_t max_body_len);

/// The server's answer, or the error that attestd-fetch names, out of what came back. `where` names
/// the process in errors.
[[nodiscard]] Result<FetchResponse> answer_of_proxy(Result<UnixResponse> answer,
                                                    const FetchRequest& request,
                                                    std::string_view where);

/// The same of an answer that may hold a secret.
[[nodiscard]] Result<SecretFetchResponse> secret_answer_of_proxy(Result<UnixSecretResponse> answer,
                                                                 const FetchRequest& request,
                                                                 std::string_view where);

}  // namespace attestd::fetch_wire
