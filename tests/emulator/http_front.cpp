#include "tests/emulator/http_front.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/emulator/protocol.h"

namespace attestd::devsim {
namespace {

namespace asio = boost::asio;

constexpr auto kAwaitTimer = asio::as_tuple(asio::use_awaitable);
// Neither JSON nor UTF-8, and longer than the NUL in it.
constexpr std::string_view kGarbage("{\"tee\":\"\xff\xfe\0 this is not an answer", 33);

unsigned status_of(Errc code) {
    switch (code) {
        case Errc::platform_unsupported:
            return 501;
        case Errc::platform_failed:
            return 502;
        case Errc::not_found:
            return 404;
        case Errc::internal:
        case Errc::io_failed:
        case Errc::no_space:
        case Errc::access_denied:
            return 500;
        default:
            return 400;  // the rest come from reading the request
    }
}

HttpResponse problem(const Error& error) {
    const unsigned status = status_of(error.code);
    return {status, "application/problem+json", problem_json(error, status)};
}

HttpResponse answer(Result<std::string> body) {
    if (!body) return problem(body.error());
    return {200, "application/json", *std::move(body)};
}

HttpResponse no_route(const HttpRequest& request) {
    return problem({Errc::not_found, "no route " + request.method + ' ' + request.target});
}

Result<std::string> give_evidence(const Machine& machine, std::string_view body) {
    ATTESTD_TRY(const ReportData report_data, parse_evidence_request(body));
    const auto turn = machine.turn();
    ATTESTD_TRY(const MachineEvidence evidence, machine.evidence(report_data));
    return evidence_json(machine.tee(), evidence);
}

Result<std::string> give_key(const Machine& machine, std::string_view body) {
    ATTESTD_TRY(const DerivedKeyRequest request, parse_key_request(body));
    const auto turn = machine.turn();
    ATTESTD_TRY(const Bytes key, machine.derive_key(request));
    return key_json(key);
}

Result<std::string> change_state(Machine& machine, std::string_view body) {
    ATTESTD_TRY(const Control control, parse_control(body));
    const auto turn = machine.turn();
    ATTESTD_CHECK(machine.apply(control));
    return state_json(machine);
}

std::string show_state(const Machine& machine) {
    const auto turn = machine.turn();
    return state_json(machine);
}

Fault fault_of(const Machine& machine) {
    const auto turn = machine.turn();
    return machine.fault();
}

std::chrono::milliseconds delay_of(const Machine& machine) {
    const auto turn = machine.turn();
    return machine.fault() == Fault::timeout ? std::chrono::hours(24) : machine.delay();
}

asio::awaitable<void> wait_for(std::chrono::milliseconds delay) {
    asio::steady_timer timer(co_await asio::this_coro::executor, delay);
    co_await timer.async_wait(kAwaitTimer);
}

// The wait that the machine's state asks for. A request that is never answered waits for longer
// than any client does; the state at its arrival counts.
asio::awaitable<void> be_slow(const Machine& machine) {
    const std::chrono::milliseconds delay = delay_of(machine);
    if (delay.count() > 0) co_await wait_for(delay);
}

asio::awaitable<HttpResponse> serve_platform(const Machine& machine, HttpRequest request) {
    const bool evidence = request.target == "/v1/evidence",
               key = request.target == "/v1/derive-key";
    if (request.method != "POST" || (!evidence && !key)) co_return no_route(request);
    co_await be_slow(machine);
    if (fault_of(machine) == Fault::garbage) {
        co_return HttpResponse{200, "application/json", std::string(kGarbage)};
    }
    co_return answer(evidence ? give_evidence(machine, request.body)
                              : give_key(machine, request.body));
}

asio::awaitable<HttpResponse> serve_control(Machine& machine, HttpRequest request) {
    const bool get = request.method == "GET", post = request.method == "POST";
    if (request.target != "/v1/control" || (!get && !post)) co_return no_route(request);
    if (get) co_return answer(show_state(machine));
    co_return answer(change_state(machine, request.body));
}

}  // namespace

HttpHandler platform_routes(const Machine& machine) {
    return [&machine](HttpRequest request) { return serve_platform(machine, std::move(request)); };
}

HttpHandler control_routes(Machine& machine) {
    return [&machine](HttpRequest request) { return serve_control(machine, std::move(request)); };
}

}  // namespace attestd::devsim
