#include "agent/fetch/curl_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/fetch/message.h"

namespace attestd::fetch {
namespace {

struct Meaning {
    CURLcode code;
    Errc errc;
    std::string_view step;
    std::string_view mend;
};

constexpr std::string_view kReach = "is the service up, and may this machine reach it?";
constexpr std::string_view kTrust =
    "if the server is meant to have this certificate, name its CA as \"ca\" of this host";
constexpr std::string_view kHandshake = "the server must speak TLS 1.2 or newer on this port";
constexpr std::string_view kOwnFiles = "check the files that this host's entry names";
constexpr std::string_view kCut = "try again; if it persists, look at the server or the proxy";
constexpr std::string_view kNotHttp = "is this an HTTP server, and the right port?";
constexpr std::string_view kMore = "if that much is expected, raise \"max_body\"";
constexpr std::string_view kClient =
    "the server demands one that it knows: name \"client_certificate\" and \"client_key\"";
constexpr std::string_view kBug = "this is a bug of attestd-fetch or of its libcurl";

constexpr std::array kMeanings{
    Meaning{CURLE_UNSUPPORTED_PROTOCOL, Errc::fetch_protocol, "reading the answer", kNotHttp},
    Meaning{CURLE_URL_MALFORMAT, Errc::fetch_denied, "reading the URL", "write it plainly"},
    Meaning{CURLE_COULDNT_RESOLVE_PROXY, Errc::fetch_unreachable, "looking up the proxy's name",
            "check \"proxy\" and this machine's DNS"},
    Meaning{CURLE_COULDNT_RESOLVE_HOST, Errc::fetch_unreachable, "looking up the name",
            "check the name and this machine's DNS"},
    Meaning{CURLE_COULDNT_CONNECT, Errc::fetch_unreachable, "connecting", kReach},
    Meaning{CURLE_WEIRD_SERVER_REPLY, Errc::fetch_protocol, "reading the answer", kNotHttp},
    Meaning{CURLE_PARTIAL_FILE, Errc::fetch_truncated, "reading the body", kCut},
    Meaning{CURLE_OPERATION_TIMEDOUT, Errc::fetch_timed_out, "waiting for the answer",
            "try again later, or allow more time (\"timeout\")"},
    Meaning{CURLE_SSL_CONNECT_ERROR, Errc::fetch_tls, "the TLS handshake", kHandshake},
    Meaning{CURLE_GOT_NOTHING, Errc::fetch_truncated, "waiting for the answer", kCut},
    Meaning{CURLE_SEND_ERROR, Errc::fetch_truncated, "sending the request", kCut},
    Meaning{CURLE_RECV_ERROR, Errc::fetch_truncated, "reading the answer", kCut},
    Meaning{CURLE_SSL_CERTPROBLEM, Errc::fetch_tls, "the client certificate", kOwnFiles},
    Meaning{CURLE_SSL_CIPHER, Errc::fetch_tls, "the TLS handshake", kHandshake},
    Meaning{CURLE_PEER_FAILED_VERIFICATION, Errc::fetch_tls, "the server's certificate", kTrust},
    Meaning{CURLE_SSL_ENGINE_INITFAILED, Errc::fetch_tls, "the TLS handshake", kHandshake},
    Meaning{CURLE_SSL_CACERT_BADFILE, Errc::fetch_tls, "reading the CA file", kOwnFiles},
    Meaning{CURLE_SSL_ISSUER_ERROR, Errc::fetch_tls, "the server's certificate", kTrust},
    Meaning{CURLE_SSL_INVALIDCERTSTATUS, Errc::fetch_tls, "the server's certificate", kTrust},
    Meaning{CURLE_SSL_SHUTDOWN_FAILED, Errc::fetch_tls, "closing TLS", kCut},
    Meaning{CURLE_SSL_CLIENTCERT, Errc::fetch_tls, "the client certificate", kClient},
    Meaning{CURLE_FILESIZE_EXCEEDED, Errc::fetch_too_large, "reading the body", kMore},
    Meaning{CURLE_TOO_MANY_REDIRECTS, Errc::fetch_redirected, "reading the answer",
            "name the final URL"},
    Meaning{CURLE_BAD_CONTENT_ENCODING, Errc::fetch_protocol, "reading the body", kNotHttp},
    Meaning{CURLE_HTTP2, Errc::fetch_protocol, "reading the answer", kNotHttp},
    Meaning{CURLE_OUT_OF_MEMORY, Errc::fetch_process, "attestd-fetch itself", "out of memory"},
};
constexpr Meaning kUnknown{CURLE_OK, Errc::fetch_process, "attestd-fetch itself", kBug};

// Where libcurl's code says less than its words do.
struct Refinement {
    std::string_view words;
    Meaning meaning;
};
constexpr std::array kRefinements{
    Refinement{"SSL_ERROR_SYSCALL",
               {CURLE_SSL_CONNECT_ERROR, Errc::fetch_unreachable, "the TLS handshake", kReach}},
    Refinement{"Connection reset",
               {CURLE_SSL_CONNECT_ERROR, Errc::fetch_unreachable, "the TLS handshake", kReach}},
    Refinement{"unexpected eof",
               {CURLE_SSL_CONNECT_ERROR, Errc::fetch_unreachable, "the TLS handshake", kReach}},
    // In TLS 1.3 a server refuses the client's certificate after the handshake.
    Refinement{" alert ", {CURLE_RECV_ERROR, Errc::fetch_tls, "the client certificate", kClient}},
    Refinement{" alert ", {CURLE_SEND_ERROR, Errc::fetch_tls, "the client certificate", kClient}},
    Refinement{"chunk", {CURLE_RECV_ERROR, Errc::fetch_protocol, "reading the body", kNotHttp}},
};

Meaning meaning_of(const CurlFailure& failure) noexcept {
    if (failure.body_too_large)
        return {failure.code, Errc::fetch_too_large, "reading the body", kMore};
    // Over its own limit for one line libcurl says that it is out of memory.
    if (failure.headers_too_large || (failure.code == CURLE_OUT_OF_MEMORY && failure.answer_begun))
        return {failure.code, Errc::fetch_too_large, "reading the headers",
                "no service of attestation needs headers of this size"};
    if (failure.proxy_refused)
        return {failure.code, Errc::fetch_unreachable, "the proxy's CONNECT",
                "does the proxy allow this host and port?"};
    for (const Refinement& each : kRefinements) {
        if (each.meaning.code == failure.code &&
            failure.words.find(each.words) != std::string_view::npos)
            return each.meaning;
    }
    const auto it = std::find_if(kMeanings.begin(), kMeanings.end(),
                                 [&](const Meaning& m) { return m.code == failure.code; });
    return it == kMeanings.end() ? kUnknown : *it;
}

}  // namespace

Error describe(const CurlFailure& failure, std::string_view place) {
    const Meaning meaning = meaning_of(failure);
    std::string_view words = failure.words;
    if (words.empty()) words = curl_easy_strerror(failure.code);
    // Stopped by a callback, libcurl speaks of a failed write.
    if (meaning.errc == Errc::fetch_too_large) words = "over the limit";
    return {meaning.errc,
            fmt::format("{}: {}: {}; {}", place, meaning.step, printable(words), meaning.mend)};
}

}  // namespace attestd::fetch
