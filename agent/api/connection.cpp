#include "agent/api/connection.h"

#include <algorithm>

#include "agent/api/request_parser.h"
#include "agent/caller/inspection.h"
#include "agent/log.h"

namespace attestd {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// 204 and 304 have no body, and no length of one.
bool has_body(unsigned status) noexcept { return status != 204 && status != 304; }

}  // namespace

Connection::Connection(Agent& agent, Handler& handler, const ListenerConfig& listener,
                       std::uint64_t id, Socket socket, Peer peer)
    : agent_(agent),
      handler_(handler),
      listener_(listener),
      id_(id),
      wire_(std::move(socket)),
      peer_(std::move(peer)),
      audit_text_(caller_members(peer_.caller())),
      watch_(wire_.executor()),
      timer_(wire_.executor()),
      opened_(Clock::now()),
      deadline_(opened_ + agent.policy->limits.request_timeout),
      request_began_(opened_) {}

Connection::~Connection() {
    wipe_bytes(buffer_);
    if (watch_.is_open()) watch_.release();  // the pidfd is the peer's to close
}

void Connection::watch_peer() {
    if (!peer_.pidfd()) return;
    error_code ec;
    watch_.assign(peer_.pidfd().get(), ec);
    if (ec) return;  // the re-check before each release still sees an exit
    watch_.async_wait(decltype(watch_)::wait_read, [weak = weak_from_this()](error_code failed) {
        const auto self = weak.lock();
        if (self && !failed) self->close();
    });
}

void Connection::close() noexcept {
    wire_.close();
    timer_.cancel();
    error_code ignored;
    if (watch_.is_open()) watch_.cancel(ignored);
}

void Connection::drain() noexcept {
    draining_ = true;
    if (!in_request_) close();
}

const std::vector<std::string_view>& Connection::workloads() {
    if (workloads_of_ != agent_.policy) {
        workloads_of_ = agent_.policy;
        workloads_ = workload_ids(*workloads_of_, match_workloads(*workloads_of_, peer_.caller()));
    }
    return workloads_;
}

// What only attestd-inspect can see, where the present rules make it matter for this caller.
Task<Result<void>> Connection::inspect() {
    const PolicyPtr policy = agent_.policy;
    if (inspected_for_ == policy || listener_.kind == ListenerKind::admin) co_return Result<void>();
    const auto noted = co_await inspect_peer(policy, peer_);
    if (!noted) co_return tl::make_unexpected(noted.error());
    inspected_for_ = policy;
    if (!*noted) co_return Result<void>();
    audit_text_ = caller_members(peer_.caller());
    workloads_of_.reset();
    co_return Result<void>();
}

Task<void> Connection::serve() {
    watch_peer();
    auto known = co_await inspect();  // before a byte is read
    for (;;) {
        Request request;
        const auto got = co_await read_request(request);
        if (got && !*got) break;
        ++num_requests_;
        if (known) known = co_await inspect();  // the rules may be new ones
        bool keep_alive = got && known && request.head.keep_alive && !draining_;
        Response response;
        if (got && !known) {
            deny(agent_, asker(), "request", request.path, known.error());
            response = problem(known.error().code, errc_meaning(known.error().code));
        } else if (got) {
            deadline_ = Clock::time_point::max();  // the handler bounds itself
            response = co_await handler_.handle(*this, request);
        } else {
            if (got.error().code == Errc::unavailable) break;
            deny(agent_, asker(), "request", "", got.error());
            response = problem(got.error().code, errc_meaning(got.error().code));
        }
        deadline_ = Clock::now() + agent_.policy->limits.idle_timeout;
        keep_alive = keep_alive && !response.close;
        if (!co_await respond(std::move(response), keep_alive)) break;
        if (!keep_alive || draining_) break;
        consume();
    }
    close();
}

// What is left of the buffer belongs to the next request.
void Connection::consume() noexcept {
    in_request_ = false;
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(consumed_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_), buffer_.begin());
    const std::size_t left = buffered_ - consumed_;
    // An admin's request may have carried a secret.
    if (listener_.kind == ListenerKind::admin) {
        wipe_bytes(std::span(buffer_).subspan(left, buffered_ - left));
    }
    buffered_ = left;
    consumed_ = 0;
}

Task<Result<std::size_t>> Connection::receive(std::span<std::uint8_t> into) {
    const auto received = co_await wire_.receive(into);
    if (!received) co_return tl::make_unexpected(received.error());
    if (received->len == 0) co_return std::size_t{0};
    if (!received->writer)
        co_return fail(Errc::writer_mismatch, "the kernel did not say who wrote");
    ATTESTD_CO_CHECK(peer_.check_writer(*received->writer, agent_.policy->identity));
    co_return received->len;
}

// False at the end of the connection.
Task<Result<bool>> Connection::read_request(Request& request) {
    const auto got = co_await read_head(request);
    if (!got || !*got) co_return got;
    const std::string_view target = request.head.target;
    const auto mark = target.find('?');
    request.path = target.substr(0, mark);
    request.query = mark == target.npos ? std::string_view() : target.substr(mark + 1);
    ATTESTD_CO_CHECK(co_await read_body(request));
    co_return true;
}

Task<Result<bool>> Connection::read_head(Request& request) {
    const Limits& limits = agent_.policy->limits;
    deadline_ = Clock::now() + (num_requests_ == 0 ? limits.request_timeout : limits.idle_timeout);
    for (;;) {
        if (buffered_ != 0) {
            if (!std::exchange(in_request_, true)) {
                request_began_ = Clock::now();
                deadline_ = request_began_ + agent_.policy->limits.request_timeout;
            }
            const auto head = parse_head(as_text(ByteView(buffer_).first(buffered_)));
            if (!head) co_return tl::make_unexpected(head.error());
            if (*head) {
                request.head = **head;
                consumed_ = request.head.head_len;
                co_return true;
            }
        }
        if (buffered_ == buffer_.size())
            co_return fail(Errc::too_large, "the head of the request is too long");
        const auto len = co_await receive(std::span(buffer_).subspan(buffered_));
        if (!len) co_return tl::make_unexpected(len.error());
        if (*len == 0) co_return false;
        buffered_ += *len;
    }
}

std::size_t Connection::body_limit(const RequestHead& head) const noexcept {
    const Limits& limits = agent_.policy->limits;
    const bool is_put = listener_.kind == ListenerKind::admin && head.method == Method::put;
    return is_put ? limits.max_admin_body_len : limits.max_request_len - head.head_len;
}

Task<Result<void>> Connection::read_body(Request& request) {
    const RequestHead& head = request.head;
    if (head.is_chunked)
        co_return fail(Errc::bad_request, "a body is taken with Content-Length only");
    const std::uint64_t len = head.content_len.value_or(0);
    if (len == 0) co_return Result<void>();
    if (len > body_limit(head)) co_return fail(Errc::too_large, "the body is too long");

    // Only an administrator brings secrets; a workload's bodies must not fill the memory for them.
    std::span<std::uint8_t> place;
    if (listener_.kind == ListenerKind::admin) {
        auto secret = Secret::zeroed(len);
        if (!secret) co_return tl::make_unexpected(std::move(secret).error());
        request.secret_body = *std::move(secret);
        // The request outlives this function and does not move: the range stays good.
        place = request.secret_body.fill([](std::span<std::uint8_t> bytes) { return bytes; });
    } else {
        request.body.resize(len);
        place = request.body;
    }
    const std::size_t here = std::min<std::size_t>(len, buffered_ - consumed_);
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(consumed_), here, place.begin());
    consumed_ += here;
    if (here == 0 && head.expects_continue) {
        ATTESTD_CO_CHECK(co_await wire_.send(as_bytes(kContinue), ByteView()));
    }
    for (std::size_t have = here; have < len;) {
        const auto n = co_await receive(place.subspan(have));
        if (!n) co_return tl::make_unexpected(n.error());
        if (*n == 0) co_return fail(Errc::unavailable, "closed within a request");
        have += *n;
    }
    co_return Result<void>();
}

void Connection::format_head(const Response& response, std::size_t body_len, bool keep_alive) {
    head_.clear();
    auto out = std::back_inserter(head_);
    fmt::format_to(out, "HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
    if (has_body(response.status)) {
        fmt::format_to(out, "Content-Type: {}\r\nContent-Length: {}\r\n", response.content_type,
                       body_len);
    }
    fmt::format_to(out, "Cache-Control: no-store\r\n");
    if (response.version) fmt::format_to(out, "ETag: \"{}\"\r\n", *response.version);
    if (response.retry_after != 0) fmt::format_to(out, "Retry-After: {}\r\n", response.retry_after);
    if (!keep_alive) fmt::format_to(out, "Connection: close\r\n");
    fmt::format_to(out, "\r\n");
}

Task<bool> Connection::respond(Response response, bool keep_alive) {
    // The last word before bytes leave: no suspension lies between this and the first write.
    if (response.grant && !agent_.holds(*response.grant)) {
        response = problem(Errc::grant_expired, errc_meaning(Errc::grant_expired));
        response.retry_after = 1;
    }
    const bool with_body = has_body(response.status);
    const bool is_secret = with_body && response.secret != nullptr;
    const std::size_t body_len = is_secret ? response.secret->size() : response.body.size();
    format_head(response, with_body ? body_len : 0, keep_alive);
    const ByteView head = as_bytes(std::string_view(head_.data(), head_.size()));
    if (is_secret) {
        const auto sent = co_await wire_.send(head, *response.secret);
        co_return sent.has_value();
    }
    const ByteView body = with_body ? as_bytes(response.body) : ByteView();
    const auto sent = co_await wire_.send(head, body);
    co_return sent.has_value();
}

}  // namespace attestd
