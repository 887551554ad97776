#include "tests/emulator/quote_service.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "tests/support/forge/writer.h"

namespace attestd::devsim {
namespace {

constexpr std::size_t kHeadLen = 24, kReportLen = 1024, kReportDataAt = kHeadLen + 128;
constexpr std::uint32_t kAnswer = 1, kUnexpected = 0x12001, kBadParameter = 0x12003;
constexpr int kBacklog = 8;
constexpr timeval kPatience{5, 0};  // a client that says nothing is not kept

Bytes message_of(std::uint32_t error, ByteView quote) {
    forge::Writer out;
    out.bytes(Bytes{1, 0, 1, 0}).u32(kAnswer);
    out.u32(static_cast<std::uint32_t>(kHeadLen + quote.size())).u32(error);
    out.u32(0).u32(static_cast<std::uint32_t>(quote.size())).bytes(quote);
    return std::move(out).take();
}

bool receive(int fd, Bytes& into) {
    std::size_t have = 0;
    while (have < into.size()) {
        const ssize_t n = ::recv(fd, into.data() + have, into.size() - have, 0);
        if (n <= 0) return false;
        have += static_cast<std::size_t>(n);
    }
    return true;
}

void serve(const Machine& machine, const Fd& client) {
    static_cast<void>(
        ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience));
    Bytes head(4);
    if (!receive(client.get(), head)) return;
    std::size_t len = 0;
    for (const std::uint8_t byte : head) len = len << 8 | byte;
    Bytes message(std::min<std::size_t>(len, kHeadLen + kReportLen));
    if (!receive(client.get(), message)) return;
    Bytes answer;
    {
        const auto turn = machine.turn();
        answer = answer_quote_request(machine, message);
    }
    if (answer.empty()) return;
    Bytes frame;
    for (unsigned shift = 32; shift != 0; shift -= 8)
        frame.push_back(static_cast<std::uint8_t>(answer.size() >> (shift - 8) & 0xff));
    frame.insert(frame.end(), answer.begin(), answer.end());
    static_cast<void>(::send(client.get(), frame.data(), frame.size(), MSG_NOSIGNAL));
}

}  // namespace

Bytes answer_quote_request(const Machine& machine, ByteView message) {
    if (machine.fault() == Fault::timeout) return {};
    if (message.size() != kHeadLen + kReportLen) return message_of(kBadParameter, {});
    ReportData report_data{};
    std::copy_n(message.begin() + kReportDataAt, report_data.size(), report_data.begin());
    const auto evidence = machine.evidence(report_data);
    if (!evidence) return message_of(kUnexpected, {});
    if (machine.fault() == Fault::garbage) return message_of(0, Bytes(999, 0xa5));
    return message_of(0, evidence->evidence);
}

Result<std::unique_ptr<QuoteService>> QuoteService::listen(Machine& machine, std::uint32_t port) {
    Fd listener(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_vm at{};
    at.svm_family = AF_VSOCK;
    at.svm_cid = VMADDR_CID_ANY;
    at.svm_port = port;
    if (listener.get() < 0 ||
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        ::listen(listener.get(), kBacklog) != 0) {
        return fail(Errc::unavailable, std::string("--vsock: ") + std::strerror(errno));
    }
    Fd stop(::eventfd(0, EFD_CLOEXEC));
    if (stop.get() < 0) return fail_errno(errno, "eventfd");
    std::unique_ptr<QuoteService> made(
        new QuoteService(machine, std::move(listener), std::move(stop)));
    made->thread_ = std::thread([service = made.get()] { service->run(); });
    return made;
}

void QuoteService::run() {
    std::array<pollfd, 2> waits{{{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    for (;;) {
        if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
        if (waits[1].revents != 0) return;
        if (waits[0].revents == 0) continue;
        const Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (client.get() >= 0) serve(machine_, client);
    }
}

QuoteService::~QuoteService() {
    static_cast<void>(::eventfd_write(stop_.get(), 1));
    thread_.join();
}

}  // namespace attestd::devsim
