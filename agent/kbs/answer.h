// What a key broker's answer means when it is not what was asked for: one code for each case, by
// the name that the broker gives its error and hardly ever by the status (`spec/kbs.md` 3.6).
//
// The code alone says what is done about it: remedy_of().
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "agent/network/fetcher.h"
#include "config/config.h"
#include "quote/base/result.h"

namespace attestd::kbs {

enum class Step : std::uint8_t { auth, attest, read };

enum class Remedy : std::uint8_t {
    none,         ///< asking again gives the same answer
    new_session,  ///< one new handshake
    later,        ///< the same again, after a pause
};
[[nodiscard]] Remedy remedy_of(Errc code) noexcept;

/// The error that an answer other than 200 is: Errc::kbs_version, Errc::kbs_refused,
/// Errc::kbs_denied, Errc::kbs_missing, Errc::kbs_unauthorized, Errc::kbs_key, Errc::kbs_failed,
/// Errc::kbs_throttled, or Errc::kbs_protocol for what is no error of a broker's. Its detail holds
/// the server's own words, escaped, at most 200 bytes of them.
[[nodiscard]] Error error_of(const FetchResponse& answer, Step step, KbsProtocol ours);

/// Checks that an answer is a broker's success: status 200 and, if it states a type, JSON. The
/// error that it is otherwise.
[[nodiscard]] Result<void> check_answer(const FetchResponse& answer, Step step, KbsProtocol ours);

/// The same of an answer that holds a token. What is no success holds none.
[[nodiscard]] Result<void> check_answer(const SecretFetchResponse& answer, Step step,
                                        KbsProtocol ours);

/// The value of the cookie "kbs-session-id", which alone is looked at. Errc::kbs_protocol when
/// there is none, two that differ, or one that cannot stand in a header.
[[nodiscard]] Result<std::string> session_cookie_of(const FetchResponse& answer);

}  // namespace attestd::kbs
