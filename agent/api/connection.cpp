#include "agent/api/connection.h"

#include <sys/epoll.h>

#include <algorithm>

#include "agent/api/request_parser.h"
#include "agent/caller/inspection.h"
#include "agent/log.h"
#include "agent/provision/request.h"

namespace attestd {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kFirstBufferLen = 1024;      // of most requests; grows up to kMaxHeadLen
constexpr std::size_t kMaxReadyQuestionLen = 512;  // of a head that is known again by its bytes
constexpr std::uint32_t kPeerGone = EPOLLHUP | EPOLLERR;

// 204 and 304 have no body, and no length of one.
bool has_body(unsigned status) noexcept { return status != 204 && status != 304; }

}  // namespace

std::string format_head(const Response& response, std::size_t body_len, bool keep_alive) {
    fmt::memory_buffer text;
    auto out = std::back_inserter(text);
    fmt::format_to(out, "HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
    if (has_body(response.status)) {
        fmt::format_to(out, "Content-Type: {}\r\nContent-Length: {}\r\n", response.content_type,
                       body_len);
    }
    fmt::format_to(out, "Cache-Control: no-store\r\n");
    if (response.version) fmt::format_to(out, "ETag: \"{}\"\r\n", *response.version);
    if (response.keep_for)
        fmt::format_to(out, "Attestd-Keep-For: {}\r\n", response.keep_for->count());
    if (response.retry_after != 0) fmt::format_to(out, "Retry-After: {}\r\n", response.retry_after);
    if (!keep_alive) fmt::format_to(out, "Connection: close\r\n");
    fmt::format_to(out, "\r\n");
    return fmt::to_string(text);
}

Connection::Connection(Agent& agent, Handler& handler, ConnectionHost& host,
                       const ListenerConfig& listener, std::uint64_t id, Fd socket, Peer peer)
    : agent_(agent),
      handler_(handler),
      host_(host),
      listener_(listener),
      id_(id),
      wire_(std::move(socket)),
      peer_(std::move(peer)),
      audit_text_(caller_members(peer_.caller())),
      exit_(*this),
      wanted_(EPOLLIN),
      opened_(Clock::now()),
      deadline_(opened_ + agent.policy->limits.request_timeout),
      request_began_(opened_) {}

Connection::~Connection() { wipe_bytes(buffer_); }

Result<void> Connection::begin() {
    ATTESTD_CHECK(host_.poller().add(wire_.fd(), wanted_, *this));
    // Without a pidfd the re-check before each release is what sees an exit.
    if (peer_.pidfd()) ATTESTD_CHECK(host_.poller().add(peer_.pidfd().get(), EPOLLIN, exit_));
    if (listener_.kind != ListenerKind::admin && agent_.policy->needs_inspection()) {
        state_ = State::busy;
        spawn(host_.io(), meet());
    }
    return {};
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

// The caller is inspected before a byte of it is read.
Task<void> Connection::meet() {
    const auto self = shared_from_this();
    known_ = co_await inspect();
    if (state_ == State::closed) {
        host_.has_ended(*this);
        co_return;
    }
    state_ = State::reading;
    want(EPOLLIN);
}

void Connection::close() noexcept {
    if (state_ == State::closed) return;
    const bool is_in_hand = state_ == State::busy;
    state_ = State::closed;
    host_.poller().remove(wire_.fd());
    if (peer_.pidfd()) host_.poller().remove(peer_.pidfd().get());
    wire_.close();
    if (timer_) timer_->cancel();
    if (!is_in_hand) host_.has_ended(*this);
}

void Connection::drain() noexcept {
    draining_ = true;
    if (state_ == State::reading && buffered_ == 0) close();
}

Timer& Connection::timer() {
    if (!timer_) timer_.emplace(host_.io());
    return *timer_;
}

const std::vector<std::string_view>& Connection::workloads() {
    if (workloads_of_ != agent_.policy) {
        workloads_of_ = agent_.policy;
        workloads_ = workload_ids(*workloads_of_, match_workloads(*workloads_of_, peer_.caller()));
    }
    return workloads_;
}

Result<void> Connection::recheck_facts() const {
    return peer_.recheck_facts(agent_.policy->identity, BootClock::now(), host_.look());
}

std::chrono::microseconds Connection::latency() const noexcept {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - request_began_);
}

void Connection::want(std::uint32_t events) noexcept {
    if (wanted_ == events) return;
    wanted_ = events;
    host_.poller().change(wire_.fd(), events, *this);
}

// A bug of ours costs this connection and nothing else.
template <class F>
void Connection::guarded(F&& act) noexcept {
    try {
        act();
    } catch (const std::exception& e) {
        log_event(LogLevel::error, "connection.bug", {{"what", e.what()}});
        // What threw was the last that ran of it: nobody else will tell of its end.
        if (state_ == State::busy) state_ = State::reading;
        close();
    }
}

void Connection::on_ready(std::uint32_t events) {
    if (state_ == State::closed) return;
    if (state_ == State::reading) return guarded([this] { read(); });
    // Nobody is left to take the answer.
    if ((events & kPeerGone) != 0) return close();
    // A further request is read after this one.
    if (state_ == State::busy) return want(0);
    guarded([this] { send_on(); });
}

// Where the next bytes go: the body's own place, else behind what is in the buffer.
std::span<std::uint8_t> Connection::free_space() {
    if (!body_rest_.empty()) return body_rest_;
    if (buffered_ == buffer_.size())
        buffer_.resize(buffer_.empty() ? kFirstBufferLen : kMaxHeadLen);
    return std::span(buffer_).subspan(buffered_);
}

void Connection::read() {
    const auto received = wire_.receive(free_space());
    if (!received) return close();
    if (!*received) return;
    const auto& [len, writer] = **received;
    if (len == 0) return close();
    if (!writer && !peer_.is_nameless()) {
        const Error unsaid{Errc::writer_mismatch, "the kernel did not say who wrote"};
        return refuse(unsaid);
    }
    const auto good =
        writer ? peer_.check_writer(*writer, agent_.policy->identity) : Result<void>();
    if (!good) return refuse(good.error());
    if (body_rest_.empty()) {
        buffered_ += len;
    } else {
        body_rest_ = body_rest_.subspan(len);
    }
    process();
}

void Connection::go_on() {
    if (state_ == State::reading && buffered_ != 0) guarded([this] { process(); });
}

void Connection::process() {
    if (!has_head_) {
        if (!std::exchange(in_request_, true)) {
            request_began_ = Clock::now();
            deadline_ = request_began_ + agent_.policy->limits.request_timeout;
        }
        const auto is_whole = read_head();
        if (!is_whole) return refuse(is_whole.error());
        if (!*is_whole) return;
        if (const auto good = begin_body(); !good) return refuse(good.error());
    }
    if (body_rest_.empty()) answer();
}

void Connection::set_ready(ReadyRelease ready) {
    ready_ = std::make_unique<const ReadyRelease>(std::move(ready));
    head_keeps_ = kHeadIsOther;
    ready_question_.clear();
    const std::size_t len = request_.head.head_len;
    if (len > kMaxReadyQuestionLen || len > buffered_) return;
    ready_question_ = as_text(ByteView(buffer_).first(len));
    const auto head = parse_head(ready_question_);
    if (head && *head)
        ready_request_ = **head;
    else
        ready_question_.clear();
}

Result<bool> Connection::read_head() {
    const std::string_view received = as_text(ByteView(buffer_).first(buffered_));
    // The same bytes up to the empty line are the same head.
    if (!ready_question_.empty() && received.starts_with(ready_question_)) {
        request_.head = ready_request_;
    } else {
        const auto head = parse_head(received);
        if (!head) return tl::make_unexpected(head.error());
        if (!*head) {
            if (buffered_ < kMaxHeadLen) return false;
            return fail(Errc::too_large, "the head of the request is too long");
        }
        request_.head = **head;
    }
    const std::string_view target = request_.head.target;
    const auto mark = target.find('?');
    request_.path = target.substr(0, mark);
    request_.query = mark == target.npos ? std::string_view() : target.substr(mark + 1);
    consumed_ = request_.head.head_len;
    has_head_ = true;
    return true;
}

// Requests and packages of provisioning are no secrets, and longer than what else is posted.
bool Connection::brings_document() const noexcept {
    return listener_.kind == ListenerKind::admin && request_.head.method == Method::post &&
           request_.path.starts_with(kProvisionDocuments);
}

std::size_t Connection::body_limit(const RequestHead& head) const noexcept {
    const Limits& limits = agent_.policy->limits;
    if (brings_document()) return kMaxProvisionLen;
    const bool is_put = listener_.kind == ListenerKind::admin && head.method == Method::put;
    return is_put ? limits.max_admin_body_len : limits.max_request_len - head.head_len;
}

// Makes the place of the body and moves there what has come of it.
Result<void> Connection::begin_body() {
    const RequestHead& head = request_.head;
    if (head.is_chunked) return fail(Errc::bad_request, "a body is taken with Content-Length only");
    const std::uint64_t len = head.content_len.value_or(0);
    if (len == 0) return {};
    if (len > body_limit(head)) return fail(Errc::too_large, "the body is too long");

    // Only an administrator brings secrets; a workload's bodies must not fill the memory for them.
    std::span<std::uint8_t> place;
    if (listener_.kind == ListenerKind::admin && !brings_document()) {
        ATTESTD_TRY(request_.secret_body, Secret::zeroed(len));
        // The request does not move before it is answered: the range stays good.
        place = request_.secret_body.fill([](std::span<std::uint8_t> bytes) { return bytes; });
    } else {
        request_.body.resize(len);
        place = request_.body;
    }
    const std::size_t here = std::min<std::size_t>(len, buffered_ - consumed_);
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(consumed_), here, place.begin());
    consumed_ += here;
    body_rest_ = place.subspan(here);
    if (here != 0 || !head.expects_continue) return {};
    ATTESTD_TRY(const std::size_t sent, wire_.send(as_bytes(kContinue), ByteView(), 0));
    if (sent == kContinue.size()) return {};
    return fail(Errc::unavailable, "the caller does not take what it is sent");
}

void Connection::answer() {
    ++num_requests_;
    state_ = State::busy;
    deadline_ = Clock::time_point::max();  // the handler bounds itself
    keep_alive_ = request_.head.keep_alive && !draining_;
    if (!known_) return respond(refuse_caller());
    Response refusal;
    switch (handler_.try_at_once(*this, request_, refusal)) {
        case AtOnce::no:
            return spawn(host_.io(), handle());
        case AtOnce::refused:
            return respond(std::move(refusal));
        case AtOnce::releasing:
            return host_.has_release(*this);
    }
}

Task<void> Connection::handle() {
    const auto self = shared_from_this();
    Response response;
    try {
        known_ = co_await inspect();  // the rules may be new ones
        if (known_) {
            response = co_await handler_.handle(*this, request_);
        } else {
            response = refuse_caller();
        }
    } catch (const std::exception& e) {
        // A bug of ours costs this connection and nothing else.
        log_event(LogLevel::error, "connection.bug", {{"what", e.what()}});
        close();
    }
    if (state_ == State::closed) {
        host_.has_ended(*this);
        co_return;
    }
    respond(std::move(response));
}

Response Connection::refuse_caller() {
    deny(agent_, asker(), "request", request_.path, known_.error());
    keep_alive_ = false;
    return problem(known_.error().code, errc_meaning(known_.error().code));
}

void Connection::refuse(const Error& error) {
    if (error.code == Errc::unavailable) return close();
    deny(agent_, asker(), "request", "", error);
    keep_alive_ = false;
    respond(problem(error.code, errc_meaning(error.code)));
}

void Connection::respond(Response response) {
    // The last word before bytes leave: nothing comes between this and the first write.
    if (response.grant && !agent_.holds(*response.grant)) {
        response = problem(Errc::grant_expired, errc_meaning(Errc::grant_expired));
        response.retry_after = 1;
    }
    keep_alive_ = keep_alive_ && !response.close;
    response_ = std::move(response);
    if (!has_body(response_.status)) {
        response_.body.clear();
        response_.secret = nullptr;
    }
    const std::size_t len = response_.secret ? response_.secret->size() : response_.body.size();
    head_ = format_head(response_, len, keep_alive_);
    head_keeps_ = kHeadIsOther;
    sent_ = 0;
    state_ = State::writing;
    deadline_ = Clock::now() + agent_.policy->limits.idle_timeout;
    send_on();
}

void Connection::send_on() {
    const ByteView head = as_bytes(head_);
    const Secret* const secret = response_.secret.get();
    const auto sent = secret != nullptr ? wire_.send(head, *secret, sent_)
                                        : wire_.send(head, as_bytes(response_.body), sent_);
    if (!sent) return close();
    sent_ = *sent;
    const std::size_t body_len = secret != nullptr ? secret->size() : response_.body.size();
    if (sent_ < head.size() + body_len) return want(EPOLLOUT);
    response_ = Response();
    after_answer();
}

void Connection::finish_release(const Result<void>& recorded) {
    if (state_ == State::closed) return host_.has_ended(*this);
    guarded([&] { send_release(recorded); });
}

void Connection::send_release(const Result<void>& recorded) {
    const auto value = std::move(value_);
    if (!recorded) {
        ++agent_.metrics.denials[recorded.error().code];
        Response out = problem(recorded.error().code, errc_meaning(recorded.error().code));
        if (out.status == 503) out.retry_after = 1;
        return respond(std::move(out));
    }
    // The last word, as in respond().
    if (!agent_.holds(ready_->grant)) {
        Response out = problem(Errc::grant_expired, errc_meaning(Errc::grant_expired));
        out.retry_after = 1;
        return respond(std::move(out));
    }
    ++agent_.metrics.releases;
    state_ = State::writing;
    deadline_ = Clock::now() + agent_.policy->limits.idle_timeout;
    const std::int64_t keeps = keep_for(ready_->grant, value_ends_, BootClock::now()).count();
    if (keeps != head_keeps_) {
        head_ = ready_->head;
        fmt::format_to(std::back_inserter(head_), "Attestd-Keep-For: {}\r\n\r\n", keeps);
        head_keeps_ = keeps;
    }
    const auto sent = wire_.send(as_bytes(head_), *value, 0);
    if (!sent) return close();
    if (*sent == head_.size() + value->size()) return after_answer();
    sent_ = *sent;
    response_ = Response();
    response_.secret = value;
    want(EPOLLOUT);
}

void Connection::after_answer() {
    if (!keep_alive_ || draining_) return close();
    consume();
    state_ = State::reading;
    want(EPOLLIN);
    if (buffered_ != 0) host_.has_more(*this);
}

// What is left of the buffer belongs to the next request.
void Connection::consume() noexcept {
    const std::size_t left = buffered_ - consumed_;
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(consumed_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_), buffer_.begin());
    // An admin's request may have carried a secret.
    if (listener_.kind == ListenerKind::admin)
        wipe_bytes(std::span(buffer_).subspan(left, buffered_ - left));
    buffered_ = left;
    consumed_ = 0;
    has_head_ = in_request_ = false;
    request_.head = RequestHead();
    request_.body = Bytes();
    request_.secret_body = Secret();
    if (buffered_ == 0 && buffer_.size() > kFirstBufferLen) buffer_ = Bytes();
}

}  // namespace attestd
