#include "agent/azure_vtpm/tcti.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace attestd::vtpm {
namespace {

constexpr std::uint64_t kMagic = 0x6174746573746456;  // ours alone: no code of TSS looks at it
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeaderLen = 10;  // tag, length, code
constexpr std::size_t kMaxAnswerLen = 4096;

std::size_t stated_len(ByteView header) noexcept {
    std::size_t out = 0;
    for (const std::uint8_t byte : header.subspan(2, 4)) out = out << 8 | byte;
    return out;
}

}  // namespace

FdTcti::FdTcti(Fd tpm, Deadline deadline) : context_{}, tpm_(std::move(tpm)), deadline_(deadline) {
    TSS2_TCTI_CONTEXT_COMMON_V1& v1 = context_.common.v1;
    v1.magic = kMagic;
    v1.version = kVersion;
    v1.transmit = &FdTcti::transmit;
    v1.receive = &FdTcti::receive;
    v1.finalize = [](TSS2_TCTI_CONTEXT*) {};
    context_.owner = this;
}

TSS2_TCTI_CONTEXT* FdTcti::get() noexcept {
    return static_cast<TSS2_TCTI_CONTEXT*>(static_cast<void*>(&context_));
}

FdTcti* FdTcti::owner_of(TSS2_TCTI_CONTEXT* context) noexcept {
    return static_cast<Context*>(static_cast<void*>(context))->owner;
}

bool FdTcti::fails(int error) noexcept {
    error_ = error;
    return false;
}

bool FdTcti::wait_for(short events) {
    using std::chrono::milliseconds;
    for (;;) {
        const auto left =
            std::chrono::ceil<milliseconds>(deadline_ - std::chrono::steady_clock::now());
        timed_out_ = left <= milliseconds::zero();
        if (timed_out_) return fails(ETIMEDOUT);
        pollfd one{tpm_.get(), events, 0};
        const int n = ::poll(&one, 1, static_cast<int>(left.count()));
        if (n > 0) return true;
        if (n < 0 && errno != EINTR) return fails(errno);
    }
}

bool FdTcti::send(ByteView command) {
    while (!command.empty()) {
        const ssize_t n = ::write(tpm_.get(), command.data(), command.size());
        if (n > 0) {
            command = command.subspan(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            if (!wait_for(POLLOUT)) return false;
        } else if (errno != EINTR) {
            return fails(errno);
        }
    }
    return true;
}

bool FdTcti::read_answer() {
    Bytes got(kMaxAnswerLen);
    std::size_t have = 0;
    while (have < kHeaderLen || have < stated_len(got)) {
        if (have >= kHeaderLen && stated_len(got) > kMaxAnswerLen) return fails(EMSGSIZE);
        if (!wait_for(POLLIN)) return false;
        const auto room = std::span(got).subspan(have);
        const ssize_t n = ::read(tpm_.get(), room.data(), room.size());
        if (n == 0) return fails(EPIPE);
        if (n > 0) have += static_cast<std::size_t>(n);
        if (n < 0 && errno != EAGAIN && errno != EINTR) return fails(errno);
    }
    if (have != stated_len(got)) return fails(EBADMSG);
    got.resize(have);
    answer_ = std::move(got);
    return true;
}

TSS2_RC FdTcti::transmit(TSS2_TCTI_CONTEXT* context, std::size_t len, const std::uint8_t* command) {
    FdTcti& own = *owner_of(context);
    if (own.error_ != 0) return TSS2_TCTI_RC_IO_ERROR;
    own.answer_.clear();
    return own.send({command, len}) ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

// Called without a buffer to learn the length, then with one. The time given is TSS's own idea; the
// deadline is what counts.
TSS2_RC FdTcti::receive(TSS2_TCTI_CONTEXT* context, std::size_t* len, std::uint8_t* response,
                        std::int32_t /*timeout*/) {
    FdTcti& own = *owner_of(context);
    if (own.error_ != 0) return TSS2_TCTI_RC_IO_ERROR;
    if (own.answer_.empty() && !own.read_answer()) return TSS2_TCTI_RC_IO_ERROR;
    const std::size_t room = *len;
    *len = own.answer_.size();
    if (response == nullptr) return TSS2_RC_SUCCESS;
    if (room < own.answer_.size()) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    std::copy(own.answer_.begin(), own.answer_.end(), response);
    own.answer_.clear();
    return TSS2_RC_SUCCESS;
}

}  // namespace attestd::vtpm
