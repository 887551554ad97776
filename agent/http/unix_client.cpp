#include "agent/http/unix_client.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/vector_body.hpp>
#include <cerrno>

#include "quote/base/fd.h"
#include "quote/base/lower_case.h"
#include "quote/base/unix_address.h"

namespace attestd {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using Deadline = UnixClient::Deadline;

constexpr std::size_t kWireLen = 32768;  // one read
// Below kWireLen, so that a header fits into one buffer. Issuer chains of collateral are headers of
// some KiB each.
constexpr std::uint32_t kMaxHeaderLen = 16384;
constexpr unsigned kFirstFinalStatus = 200;

// Beast's body type for bytes that must stay in memory for secrets.
struct SecretBody {
    struct value_type {
        Secret bytes;
        std::size_t len = 0;
        std::size_t max_len = 0;  // set by whoever owns the parser, before it runs
    };

    class reader {
     public:
        template <bool IsRequest, class Fields>
        reader(http::header<IsRequest, Fields>&, value_type& body) : body_(body) {}

        // What is announced is no reason to reserve it: the memory for secrets is small, and others
        // wait for it. Never more lies empty than has come, but for the first piece.
        void init(const boost::optional<std::uint64_t>& len, ErrorCode& ec) {
            most_ = len ? static_cast<std::size_t>(*len) : body_.max_len;
            ec = {};
            grow(std::min(most_, kFirstRoom), ec);
        }

        template <class Buffers>
        std::size_t put(const Buffers& buffers, ErrorCode& ec) {
            ec = {};
            const std::size_t add = asio::buffer_size(buffers);
            if (add > most_ - body_.len) {
                ec = http::error::body_limit;
                return 0;
            }
            if (const std::size_t len = body_.len + add; len > body_.bytes.size())
                grow(std::min(most_, std::max(len, 2 * body_.bytes.size())), ec);
            if (ec) return 0;
            body_.bytes.fill([&](std::span<std::uint8_t> out) {
                asio::buffer_copy(asio::buffer(out.subspan(body_.len).data(), add), buffers);
            });
            body_.len += add;
            return add;
        }

        void finish(ErrorCode& ec) {
            ec = {};
            body_.bytes.truncate(body_.len);
        }

     private:
        static constexpr std::size_t kFirstRoom = 65536;

        void grow(std::size_t room, ErrorCode& ec) {
            auto bytes = Secret::zeroed(room);
            // The code that AnswerReader::refuse() knows a full arena by.
            if (!bytes) ec = http::error::buffer_overflow;
            if (!bytes) return;
            body_.bytes.expose([&](ByteView came) {
                bytes->fill([&](std::span<std::uint8_t> out) {
                    std::copy_n(came.begin(), body_.len, out.begin());
                });
            });
            body_.bytes = *std::move(bytes);
        }

        value_type& body_;
        std::size_t most_ = 0;
    };
};

using PlainBody = http::vector_body<std::uint8_t>;

bool is_header_text(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c <= '~' &&
               std::string_view("\"(),/:;<=>?@[\\]{}").find(c) == std::string_view::npos;
    });
}

// What says where the message ends is this file's to write.
bool frames_the_message(std::string_view name) noexcept {
    using boost::beast::iequals;
    return iequals(name, "Host") || iequals(name, "Connection") ||
           iequals(name, "Content-Length") || iequals(name, "Transfer-Encoding");
}

bool is_clean(const HttpFields& fields) noexcept {
    return std::all_of(fields.begin(), fields.end(), [](const auto& field) {
        return is_token(field.first) && !frames_the_message(field.first) &&
               is_header_text(field.second);
    });
}

bool is_target(std::string_view target) noexcept {
    return is_header_text(target) && target.find(' ') == target.npos &&
           (target.starts_with('/') || target.find("://") != target.npos);
}

// Nothing that a caller passes on may end a line or a word of the request's head.
Result<std::string> request_head(const UnixRequest& request) {
    const bool clean = is_token(request.method) && is_target(request.target) &&
                       is_header_text(request.content_type) && is_header_text(request.accept) &&
                       is_header_text(request.if_none_match) && is_clean(request.fields);
    if (!clean) {
        return fail(Errc::bad_value, "the request has a character that HTTP does not allow there");
    }
    constexpr std::size_t kOwnFields = 256;
    std::size_t len = kOwnFields + request.target.size() + request.content_type.size() +
                      request.accept.size() + request.if_none_match.size();
    for (const auto& [name, value] : request.fields) len += name.size() + value.size() + 4;
    // In one piece: a field may be a token, of which no copy is left behind.
    std::string head;
    head.reserve(len);
    const auto add_line = [&](std::string_view name, std::string_view value) {
        head.append(name).append(": ").append(value).append("\r\n");
    };
    const auto add = [&](std::string_view name, std::string_view value) {
        if (!value.empty()) add_line(name, value);
    };
    head.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
    add_line("Host", "localhost");
    add_line("Connection", "close");
    add("Accept", request.accept);
    add("If-None-Match", request.if_none_match);
    for (const auto& [name, value] : request.fields) add_line(name, value);
    if (!request.body.empty()) add("Content-Type", request.content_type);
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT")
        add("Content-Length", std::to_string(request.body.size()));
    head += "\r\n";
    return head;
}

Result<std::chrono::microseconds> time_left(Deadline deadline, std::string_view what) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= Deadline::duration::zero()) return fail(Errc::timed_out, std::string(what));
    // Rounded up: a wait of zero would be a busy loop at the end.
    return std::chrono::ceil<std::chrono::microseconds>(left);
}

// One connection to the service, from connect to close.
class Connection {
 public:
    static Result<Connection> open(const std::string& path, Deadline deadline,
                                   const StopSignal* stop);
    Connection(Fd fd, const std::string& path, Deadline deadline, const StopSignal* stop)
        : fd_(std::move(fd)), path_(path), deadline_(deadline), stop_(stop) {}

    // False when the service stopped reading: it may have answered already.
    Result<bool> send(ByteView bytes);
    // How many bytes came; 0 at the end.
    Result<std::size_t> receive(std::span<std::uint8_t> into);

 private:
    Result<void> wait_for(short events);

    Fd fd_;
    const std::string& path_;
    Deadline deadline_;
    const StopSignal* stop_;
};

Result<void> check_stop(const StopSignal* stop, const std::string& path) {
    return stop == nullptr ? Result<void>() : stop->check(path);
}

// A full backlog blocks connect() on a Unix socket; poll() cannot wait for that, the send timeout
// can. It is short, because a stop cannot end it.
Result<void> limit_connect_time(const Fd& fd, Deadline deadline, const std::string& path) {
    constexpr std::chrono::microseconds kLongest = std::chrono::milliseconds(500);
    ATTESTD_TRY(auto left, time_left(deadline, path + ": the service does not accept connections"));
    left = std::min(left, kLongest);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    const timeval timeout{seconds.count(), (left - seconds).count()};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0) return {};
    return fail_errno(errno, path);
}

tl::unexpected<Error> connect_error(int error, const std::string& path) {
    switch (error) {
        case ECONNREFUSED:
            return fail(Errc::unavailable, path + ": nobody listens there");
        case ENOENT:
        case ENOTDIR:
            return fail(Errc::unavailable, path + ": there is no such socket");
        default:
            return fail_errno(error, path);
    }
}

Result<Connection> Connection::open(const std::string& path, Deadline deadline,
                                    const StopSignal* stop) {
    ATTESTD_TRY(const UnixAddress address, UnixAddress::of_path(path));
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, path);
    for (;;) {
        ATTESTD_CHECK(check_stop(stop, path));
        ATTESTD_CHECK(limit_connect_time(fd, deadline, path));
        if (::connect(fd.get(), address.get(), address.len()) == 0)
            return Connection(std::move(fd), path, deadline, stop);
        if (errno != EINTR && errno != EAGAIN) return connect_error(errno, path);
    }
}

Result<void> Connection::wait_for(short events) {
    for (;;) {
        ATTESTD_TRY(const auto left,
                    time_left(deadline_, path_ + ": no answer within the deadline"));
        const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        ATTESTD_CHECK(check_stop(stop_, path_));
        // poll() passes over a descriptor of -1.
        std::array<pollfd, 2> both{
            {{fd_.get(), events, 0}, {stop_ == nullptr ? -1 : stop_->fd(), POLLIN, 0}}};
        const int n = ::poll(both.data(), both.size(),
                             static_cast<int>(std::min<std::int64_t>(ms, 3'600'000)));
        if (n > 0 && both[0].revents != 0) return {};
        if (n < 0 && errno != EINTR) return fail_errno(errno, path_);
    }
}

Result<bool> Connection::send(ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t n =
            ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return false;
        } else if (errno == EAGAIN) {
            ATTESTD_CHECK(wait_for(POLLOUT));
        } else if (errno != EINTR) {
            return fail_errno(errno, path_);
        }
    }
    return true;
}

Result<std::size_t> Connection::receive(std::span<std::uint8_t> into) {
    for (;;) {
        ATTESTD_CHECK(wait_for(POLLIN));
        const ssize_t n = ::recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno == ECONNRESET) return std::size_t{0};
        if (errno != EAGAIN && errno != EINTR) return fail_errno(errno, path_);
    }
}

// Feeds what arrives to the parser until it has one complete answer, with nothing behind it.
template <class Parser>
class AnswerReader {
 public:
    AnswerReader(Connection& connection, Parser& parser, const std::string& path)
        : connection_(connection), parser_(parser), path_(path) {}

    Result<void> run() {
        ATTESTD_TRY(wire_, Secret::zeroed(kWireLen));
        while (!parser_.is_done()) {
            ATTESTD_TRY(const std::size_t n, receive());
            if (n == 0) return end();
            have_ += n;
            ATTESTD_CHECK(parse());
        }
        if (have_ != 0) return fail(Errc::protocol, path_ + ": bytes follow the answer");
        return check_status();
    }

 private:
    Result<std::size_t> receive() {
        return wire_.fill(
            [&](std::span<std::uint8_t> wire) { return connection_.receive(wire.subspan(have_)); });
    }

    Result<void> parse() {
        while (have_ != 0 && !parser_.is_done()) {
            ErrorCode ec;
            const std::size_t used = wire_.expose([&](ByteView wire) {
                return parser_.put(asio::const_buffer(wire.data(), have_), ec);
            });
            drop_front(used);
            if (ec == http::error::need_more && have_ < kWireLen) return {};
            if (ec) return refuse(ec);
        }
        return {};
    }

    void drop_front(std::size_t used) {
        wire_.fill([&](std::span<std::uint8_t> wire) {
            const auto rest = wire.first(have_).subspan(used);
            std::copy(rest.begin(), rest.end(), wire.begin());
        });
        have_ -= used;
    }

    // The service closed. Only an answer without a stated length may end so.
    Result<void> end() {
        if (!parser_.got_some() && have_ == 0) {
            return fail(Errc::unavailable, path_ + ": the connection was closed without an answer");
        }
        ErrorCode ec;
        parser_.put_eof(ec);
        if (ec || !parser_.is_done())
            return fail(Errc::protocol, path_ + ": the answer ends early");
        return check_status();
    }

    Result<void> check_status() const {
        if (parser_.get().result_int() >= kFirstFinalStatus) return {};
        return fail(Errc::protocol, path_ + ": an interim answer, which was not asked for");
    }

    Result<void> refuse(const ErrorCode& ec) const {
        const bool too_large = ec == http::error::body_limit || ec == http::error::header_limit ||
                               ec == http::error::need_more;
        if (ec == http::error::buffer_overflow) {
            return fail(Errc::memory_locked,
                        path_ + ": no room for the answer in the memory for secrets");
        }
        return fail(too_large ? Errc::too_large : Errc::protocol,
                    fmt::format("{}: {}", path_, ec.message()));
    }

    Connection& connection_;
    Parser& parser_;
    const std::string& path_;
    Secret wire_;
    std::size_t have_ = 0;
};

template <class Parser>
Result<void> exchange_with(Result<Connection> connection, const std::string& path,
                           const UnixRequest& request, Parser& parser) {
    ATTESTD_TRY(std::string head, request_head(request));
    if (!connection) return tl::make_unexpected(std::move(connection).error());
    const auto sent = connection->send(as_bytes(head));
    wipe_text(head);  // a token may be in it
    ATTESTD_TRY(const bool head_sent, sent);
    if (head_sent) ATTESTD_CHECK(connection->send(request.body));
    return AnswerReader<Parser>(*connection, parser, path).run();
}

template <class Message>
UnixResponseHead head_of(const Message& message) {
    const auto field = [&](http::field name) {
        const auto value = message[name];
        return std::string(value.data(), value.size());
    };
    UnixResponseHead head{message.result_int(), field(http::field::content_type),
                          field(http::field::etag), field(http::field::retry_after)};
    for (const auto& each : message) {
        const auto name = each.name_string();
        head.fields.emplace_back(lower_case(std::string_view(name.data(), name.size())),
                                 std::string(each.value().data(), each.value().size()));
    }
    return head;
}

Result<UnixResponse> exchange_plainly(Result<Connection> connection, const std::string& path,
                                      const UnixRequest& request, std::size_t max_body_len) {
    http::response_parser<PlainBody> parser;
    parser.header_limit(kMaxHeaderLen);
    parser.body_limit(max_body_len);
    parser.eager(true);
    ATTESTD_CHECK(exchange_with(std::move(connection), path, request, parser));
    UnixResponseHead head = head_of(parser.get());
    return UnixResponse{std::move(head), std::move(parser.get().body())};
}

}  // namespace

Result<UnixResponse> UnixClient::exchange(const UnixRequest& request, Deadline deadline) const {
    return exchange_plainly(Connection::open(path_, deadline, request.stop), path_, request,
                            max_body_len_);
}

Result<UnixResponse> UnixClient::exchange_on(Fd connected, const UnixRequest& request,
                                             Deadline deadline) const {
    return exchange_plainly(Connection(std::move(connected), path_, deadline, request.stop), path_,
                            request, max_body_len_);
}

Result<UnixSecretResponse> UnixClient::exchange_secret(const UnixRequest& request,
                                                       Deadline deadline) const {
    http::response_parser<SecretBody> parser;
    parser.header_limit(kMaxHeaderLen);
    parser.body_limit(max_body_len_);
    parser.eager(true);
    parser.get().body().max_len = max_body_len_;
    ATTESTD_CHECK(
        exchange_with(Connection::open(path_, deadline, request.stop), path_, request, parser));
    UnixResponseHead head = head_of(parser.get());
    return UnixSecretResponse{std::move(head), std::move(parser.get().body().bytes)};
}

}  // namespace attestd
