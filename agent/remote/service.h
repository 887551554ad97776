// One request to a verifier on the network, and what its answer means when it is not what was asked
// for: one code for each case, with the service's own words, escaped and cut.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "agent/network/fetcher.h"
#include "quote/base/json.h"

namespace attestd::remote {

/// What was asked: only an answer to evidence can be a refusal of it.
enum class Asked : std::uint8_t { evidence, other };

/// Of a nonce's answer, and of one that holds a token; bytes.
inline constexpr std::size_t kMaxNonceAnswer = 65536, kMaxTokenAnswer = std::size_t{512} << 10;

/// Whether the status is one of `good`. Errc::remote_verifier_unauthorized for 401 and 403,
/// Errc::remote_verifier_throttled for 429, Errc::remote_verifier_failed for 5xx,
/// Errc::remote_verifier_refused for what else in 4xx a service says of evidence,
/// Errc::remote_verifier_protocol for the rest. `what` begins the detail.
[[nodiscard]] Result<void> check_status(const FetchResponse& answer,
                                        std::initializer_list<unsigned> good, Asked asked,
                                        std::string_view what);

/// The answer's JSON, an object of at most `max_len` bytes. Errc::remote_verifier_protocol.
[[nodiscard]] Result<JsonDocument> parse_answer(const FetchResponse& answer, std::size_t max_len,
                                                std::string_view what);

/// A text member of an answer. Errc::remote_verifier_protocol when it is not there.
[[nodiscard]] Result<std::string> answer_text(JsonObject& answer, std::string_view key);

/// The token in an answer, whose body is wiped: a bearer's. Errc::remote_verifier_protocol.
[[nodiscard]] Result<std::string> token_of(FetchResponse& answer, std::string_view key);

/// The same complaint, as one about the service's protocol.
[[nodiscard]] tl::unexpected<Error> protocol_error(const Error& inner);

/// A POST of JSON, or a GET for an empty `body`.
[[nodiscard]] FetchRequest json_request(std::string url, std::string_view body,
                                        std::string_view accept = "application/json");

}  // namespace attestd::remote
