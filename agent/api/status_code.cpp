// Which HTTP status goes with which code: one table, by names and families of names.
//
// A code is about the request itself, or about what attestd asked others for to answer it; the same
// code can be either: JSON that breaks off is 400 when the caller sent it, 502 when a key broker
// did. Outages and refusals of logins are 503, since they pass.
#include <algorithm>
#include <array>
#include <string_view>

#include "agent/api/http.h"

namespace attestd {
namespace {

struct StatusRow {
    std::string_view name;  // of a code, or a family with the dot at its end
    unsigned own, behind;
};

// The first that fits counts.
constexpr auto kStatusRows = std::to_array<StatusRow>({
    {"parse.too-large", 413, 502},
    {"parse.", 400, 502},
    {"io.not-found", 404, 503},
    {"io.timed-out", 504, 504},
    {"io.no-space", 507, 507},
    {"io.", 503, 503},
    {"crypto.", 503, 503},
    {"jose.", 400, 502},
    // evidence: of this machine, so an outage of it
    {"quote.", 503, 503},
    {"qe-report.", 503, 503},
    {"report.", 503, 503},
    {"tdx-module.", 503, 503},
    {"tcb.", 503, 503},
    {"hcl.", 503, 503},
    {"vtpm.", 503, 503},
    {"event-log.", 503, 503},
    // certificates and endorsements
    {"chain.", 503, 502},
    {"crl.", 503, 502},
    {"leaf.", 503, 502},
    {"tcb-info.", 503, 502},
    {"qe-identity.", 503, 502},
    {"collateral.not-found", 503, 503},
    {"collateral.throttled", 503, 503},
    {"collateral.service", 503, 503},
    {"collateral.", 503, 502},
    {"bundle.", 503, 503},
    {"clock.", 503, 503},
    // the network, and who answers there
    {"fetch.timed-out", 504, 504},
    {"fetch.denied", 503, 503},
    {"fetch.unreachable", 503, 503},
    {"fetch.process", 503, 503},
    {"fetch.", 502, 502},
    {"token.not-affirming", 503, 503},
    {"token.", 502, 502},
    {"remote-verifier.protocol", 502, 502},
    {"remote-verifier.", 503, 503},
    {"kbs.denied", 403, 403},
    {"kbs.not-found", 404, 404},
    {"kbs.protocol", 502, 502},
    {"kbs.version", 502, 502},
    {"kbs.key", 502, 502},
    {"kbs.", 503, 503},
    {"vault.denied", 403, 403},
    {"vault.not-found", 404, 404},
    {"vault.deleted", 404, 404},
    {"vault.field", 502, 502},
    {"vault.protocol", 502, 502},
    {"vault.", 503, 503},
    {"identity.", 503, 503},
    {"sealed.not-found", 404, 404},
    {"sealed.file", 503, 503},
    {"sealed.", 502, 502},
    {"peer.protocol", 502, 502},
    // this daemon
    {"daemon.", 503, 503},
    {"usage.", 400, 503},
    {"config.binding", 503, 503},
    {"config.", 400, 503},
    {"session.", 503, 503},
    {"platform.unsupported", 501, 501},
    {"platform.", 503, 503},
    {"event.", 503, 503},
    {"caller.inspect", 503, 503},
    {"caller.", 403, 403},
    {"credential.not-found", 404, 404},
    {"credential.", 503, 503},
    {"secret.unavailable", 404, 404},
    {"secret.too-large", 413, 413},
    {"secret.bad-name", 400, 400},
    {"grant.", 503, 503},
    {"delivery.", 503, 503},
    {"audit.", 503, 503},
    {"store.", 503, 503},
    {"provision.unknown", 404, 404},
    {"provision.exists", 409, 409},
    {"provision.consumed", 410, 410},
    {"provision.expired", 410, 410},
    {"provision.restarted", 410, 410},
    {"provision.", 403, 403},
    {"request.malformed", 400, 400},
    {"request.not-allowed", 403, 403},
    {"request.rate-limited", 429, 429},
    {"request.too-busy", 503, 503},
    {"internal.", 500, 500},
});

// Families of what stands behind a source: whatever it is there, it is upstream.
constexpr std::array<std::string_view, 10> kUpstream{
    "kbs.",   "vault.", "identity.", "credential.",      "fetch.",
    "token.", "jose.",  "sealed.",   "remote-verifier.", "peer."};

const StatusRow* row_of(std::string_view name) noexcept {
    const auto row = std::find_if(kStatusRows.begin(), kStatusRows.end(), [&](const StatusRow& r) {
        return r.name.ends_with('.') ? name.starts_with(r.name) : name == r.name;
    });
    return row == kStatusRows.end() ? nullptr : &*row;
}

}  // namespace

bool has_status(Errc code) noexcept { return row_of(errc_name(code)) != nullptr; }

unsigned status_of(Errc code) noexcept {
    const StatusRow* const row = row_of(errc_name(code));
    return row == nullptr ? 503 : row->own;
}

unsigned status_behind(Errc code) noexcept {
    const StatusRow* const row = row_of(errc_name(code));
    return row == nullptr ? 503 : row->behind;
}

unsigned coco_status_behind(Errc code) noexcept {
    const std::string_view name = errc_name(code);
    const unsigned status = status_behind(code);
    const bool is_upstream = std::any_of(kUpstream.begin(), kUpstream.end(),
                                         [&](std::string_view f) { return name.starts_with(f); });
    if (is_upstream) return status == 503 ? 502 : status;
    return status == 403 ? 404 : status;
}

}  // namespace attestd
