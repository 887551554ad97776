// Request and Response: plain structs between the wire and the routes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/release/grant.h"
#include "quote/base/secret.h"

namespace attestd {

enum class Method : std::uint8_t { get, put, post, del, other };

/// What the parser found in a request's head. Views into the connection's buffer, which stays as it
/// is until the response has been written.
struct RequestHead {
    Method method = Method::other;
    std::string_view target;  ///< origin form, as sent
    std::string_view accept, if_none_match, content_type;
    std::optional<std::uint64_t> content_len;
    bool is_chunked = false;  ///< or any other transfer coding
    bool expects_continue = false;
    bool keep_alive = true;
    std::size_t head_len = 0;  ///< bytes up to the end of the head
};

struct Request {
    RequestHead head;
    std::string_view path, query;  ///< the target's two parts
    Bytes body;
    Secret secret_body;  ///< instead of `body` on the admin socket: it may be a secret
};

struct Response {
    unsigned status = 200;
    std::string_view content_type = "application/json";
    std::string body;                              ///< never a secret
    std::shared_ptr<const Secret> secret;          ///< the body instead of `body`
    std::optional<std::uint64_t> version;          ///< sent as ETag
    std::optional<std::chrono::seconds> keep_for;  ///< how long the receiver may keep it
    unsigned retry_after = 0;                      ///< seconds; 0: not sent
    std::optional<Grant> grant;                    ///< must still hold when the first byte leaves
    bool close = false;                            ///< the connection ends after this
};

/// application/problem+json with the error's stable name as `code`. The detail is sent as given:
/// pass what a caller may know.
[[nodiscard]] Response problem(Errc code, std::string_view detail);
[[nodiscard]] inline Response problem(const Error& error) {
    return problem(error.code, error.detail);
}

/// The same of what failed behind a request that was understood.
[[nodiscard]] Response problem_behind(Errc code, std::string_view detail);

/// The HTTP status that goes with a code (status_code.cpp), when it is about the request itself.
[[nodiscard]] unsigned status_of(Errc code) noexcept;
/// The same when it is about what attestd asked others for in the caller's name: what they got
/// wrong is never the caller's fault.
[[nodiscard]] unsigned status_behind(Errc code) noexcept;
/// The same on listeners of kind `coco` (`spec/kbs.md` section 7): 403 is the broker's alone, 404
/// whatever is denied here or is not there, 502 whatever fails upstream.
[[nodiscard]] unsigned coco_status_behind(Errc code) noexcept;
/// Whether the table of statuses has the code.
[[nodiscard]] bool has_status(Errc code) noexcept;
[[nodiscard]] std::string_view reason_phrase(unsigned status) noexcept;

/// A JSON answer.
[[nodiscard]] Response json_response(std::string body);

}  // namespace attestd
