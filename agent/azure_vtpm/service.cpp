#include "agent/azure_vtpm/service.h"

#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <thread>

#include "agent/azure_vtpm/collect.h"
#include "agent/azure_vtpm/device.h"
#include "agent/azure_vtpm/esys_tpm.h"
#include "agent/azure_vtpm/protocol.h"
#include "agent/fetch/socket_io.h"
#include "agent/platform/evidence_json.h"
#include "quote/platform/host.h"

namespace attestd::vtpm {
namespace {

namespace http = boost::beast::http;
using Parser = http::request_parser<http::string_body>;

// The client is on this machine; what takes longer is not going to come.
constexpr std::chrono::seconds kRequestTime{10}, kAnswerTime{10};
constexpr std::uint32_t kMaxHeadLen = 8192;
constexpr std::uint64_t kMaxRequestBodyLen = 4096;
constexpr std::size_t kMaxWireLen = 16384;
constexpr std::size_t kMaxMetadataLen = std::size_t{1} << 18;
constexpr std::size_t kMaxTpmLogLen = std::size_t{2} << 20;  // attestd takes 4 MiB, in base64
constexpr const char* kTpmLog = "/sys/kernel/security/tpm0/binary_bios_measurements";
constexpr std::chrono::milliseconds kLockPause{20};

struct PlatformRequest {
    std::string target, body;
};

Deadline in(std::chrono::seconds time) { return std::chrono::steady_clock::now() + time; }

std::string text_of(boost::beast::string_view view) { return {view.data(), view.size()}; }

tl::unexpected<Error> refused(std::string_view why) {
    return fail(Errc::protocol, fmt::format("the request: {}", why));
}

Result<PlatformRequest> read_platform_request(const Fd& socket, Deadline deadline) {
    Parser parser;
    parser.header_limit(kMaxHeadLen);
    parser.body_limit(kMaxRequestBodyLen);
    parser.eager(true);
    std::vector<char> wire(kMaxWireLen);
    std::size_t have = 0;
    while (!parser.is_done()) {
        if (have == wire.size()) return refused("too long");
        ATTESTD_TRY(const std::size_t n,
                    fetch::receive_some(socket, std::span(wire).subspan(have), deadline));
        if (n == 0) return fail(Errc::unavailable, "the client left");
        have += n;
        for (std::size_t used = 1; used != 0 && have != 0 && !parser.is_done();) {
            boost::beast::error_code ec;
            used = parser.put(boost::asio::buffer(wire.data(), have), ec);
            std::copy(wire.begin() + static_cast<std::ptrdiff_t>(used),
                      wire.begin() + static_cast<std::ptrdiff_t>(have), wire.begin());
            have -= used;
            if (ec == http::error::need_more) break;
            if (ec) return refused(ec.message());
        }
    }
    auto& message = parser.get();
    PlatformRequest out{text_of(message.target()), std::move(message.body())};
    if (message.method() == http::verb::post) return out;
    return fail(Errc::not_found, "only POST /v1/evidence and POST /v1/derive-key are known");
}

// Requests of all processes take turns: each writes what the paravisor's blob then speaks of.
Result<void> take_turn(const Fd& lock, Deadline deadline) {
    while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno(errno, "flock of the TPM");
        if (std::chrono::steady_clock::now() >= deadline)
            return fail(Errc::timed_out, "the vTPM was busy with other requests");
        std::this_thread::sleep_for(kLockPause);
    }
    return {};
}

struct OpenTpm {
    Fd lock;  // released last
    std::unique_ptr<EsysTpm> tpm;
};

Result<OpenTpm> open_own_turn(Deadline deadline) {
    ATTESTD_TRY(TpmDevice device, open_tpm());
    OpenTpm out;
    out.lock = std::move(device.lock);
    ATTESTD_CHECK(take_turn(out.lock, deadline));
    ATTESTD_TRY(out.tpm, EsysTpm::open(std::move(device.io), deadline));
    return out;
}

// The turn ends with the TPM's part: a metadata service that hangs holds up nobody else.
Result<AzureEvidence> collect_in_turn(const ReportData& report_data, Deadline deadline) {
    ATTESTD_TRY(const OpenTpm open, open_own_turn(deadline));
    return collect_from_tpm(*open.tpm, report_data, deadline, real_waiting());
}

// A machine may have none; why one that is there does not come along is for the log.
void add_boot_log(Evidence& evidence) {
    auto log = read_path(host_system(), kTpmLog, kMaxTpmLogLen);
    if (log) {
        evidence.event_log = *std::move(log);
    } else if (log.error().value != ENOENT) {
        std::fputs(fmt::format("attestd-azure-vtpm: no boot log goes with the evidence: {}: {}\n",
                               kTpmLog, std::strerror(log.error().value))
                       .c_str(),
                   stderr);
    }
}

Result<std::string> give_evidence(std::string_view body, const ServiceConfig& config) {
    ATTESTD_TRY(const ReportData report_data, parse_evidence_request(body));
    const Deadline deadline = in(config.timeout);
    ATTESTD_TRY(AzureEvidence azure, collect_in_turn(report_data, deadline));
    SocketFetcher fetcher(config.fetch_socket, kMaxMetadataLen);
    Metadata metadata(fetcher);
    ATTESTD_TRY(Evidence evidence,
                complete_evidence(std::move(azure), metadata, deadline, real_waiting()));
    add_boot_log(evidence);
    return plug_in_json(evidence);
}

Result<Secret> give_key(std::string_view body, const ServiceConfig& config) {
    ATTESTD_TRY(const VtpmKeyRequest request, parse_key_request(body));
    const Deadline deadline = in(config.timeout);
    ATTESTD_TRY(const OpenTpm open, open_own_turn(deadline));
    ATTESTD_TRY(const Secret key, open.tpm->derive_key(request));
    return key_answer(key);
}

Result<void> send_answer(const Fd& connection, unsigned status, std::string_view type,
                         ByteView body) {
    const auto reason = http::obsolete_reason(static_cast<http::status>(status));
    const std::string head = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        status, text_of(reason), type, body.size());
    const Deadline deadline = in(kAnswerTime);
    ATTESTD_CHECK(fetch::send_all(connection, as_bytes(head), deadline));
    return fetch::send_all(connection, body, deadline);
}

Result<void> send_problem(const Fd& connection, const Error& error) {
    return send_answer(connection, status_of(error.code), "application/problem+json",
                       as_bytes(problem_answer(error)));
}

Result<void> answer(const Fd& connection, const PlatformRequest& request,
                    const ServiceConfig& config) {
    constexpr unsigned kOk = 200;
    constexpr std::string_view kJson = "application/json";
    if (request.target == "/v1/evidence") {
        const auto text = give_evidence(request.body, config);
        if (!text) return send_problem(connection, text.error());
        return send_answer(connection, kOk, kJson, as_bytes(*text));
    }
    if (request.target == "/v1/derive-key") {
        const auto body = give_key(request.body, config);
        if (!body) return send_problem(connection, body.error());
        return body->expose(
            [&](ByteView bytes) { return send_answer(connection, kOk, kJson, bytes); });
    }
    return send_problem(connection, {Errc::not_found, "no route " + request.target});
}

// For what no deadline of ours ends: the kernel's end of a device that hangs when it is closed.
unsigned last_resort(const ServiceConfig& config) {
    return static_cast<unsigned>((kRequestTime + config.timeout + 2 * kAnswerTime).count());
}

}  // namespace

Result<void> serve(const Fd& connection, const ServiceConfig& config) {
    ::alarm(last_resort(config));
    const auto request = read_platform_request(connection, in(kRequestTime));
    if (!request && request.error().code == Errc::unavailable) return {};  // nobody to answer
    if (!request) return send_problem(connection, request.error());
    return answer(connection, *request, config);
}

}  // namespace attestd::vtpm
