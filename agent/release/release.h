// release(): the way of a secret, step by step: same process still, judged, obtained, recorded.
#pragma once

#include <optional>
#include <string>

#include "agent/agent.h"
#include "agent/caller/caller.h"

namespace attestd {

/// What the audit record calls a release.
inline constexpr std::string_view kReleaseMethod = "GET /v1/secrets";

/// Who asks, and what the audit record says about it. Outlives the call.
struct Asker {
    const Peer& peer;
    const std::string& audit_text;  ///< caller_members() of its caller
    std::uint64_t connection;
    std::chrono::steady_clock::time_point asked;
    std::string_view method = "GET /v1/secrets";
};

struct Released {
    SourcedSecret secret;
    Grant grant;
    bool is_known = false;  ///< the caller has this version already: nothing is to be sent
};

/// How long the caller may keep the secret from `now` on: the secret's ttl, else as long as both
/// the attestation result and the source's word for it (`source_ends`, SourcedSecret::expires)
/// live.
[[nodiscard]] std::chrono::seconds keep_for(const Grant& grant,
                                            const std::optional<BootTime>& source_ends,
                                            BootTime now);

/// Errors as of Peer::recheck(), decide(), the source and the audit log; each is recorded. `known`
/// is the version that the caller has.
[[nodiscard]] Task<Result<Released>> release(Agent& agent, const Asker& asker, std::string name,
                                             std::optional<std::uint64_t> known);

/// What the audit record calls a token that leaves, and one that leaves with its private key.
inline constexpr std::string_view kTokenMethod = "token";
inline constexpr std::string_view kKeyExportMethod = "key.export";

struct ReleasedToken {
    ReleasedToken(GivenToken what, Grant by) : given(std::move(what)), grant(std::move(by)) {}

    GivenToken given;
    Grant grant;
};

/// A token about this machine, with its key where `key` asks for it and policy grants that
/// (`export_key`). Each counts as a piece of evidence. Errors as of Peer::recheck(),
/// decide_token(), Limiter::quote(), the issuer (Errc::identity_unavailable, Errc::token_audience)
/// and the audit log; each is recorded.
[[nodiscard]] Task<Result<ReleasedToken>> release_token(Agent& agent, const Asker& asker,
                                                        TokenWish wish, KeyExport key);

/// line_members() of a release on this grant, while it holds.
[[nodiscard]] std::string release_members(const Agent& agent, const Asker& asker,
                                          const Grant& grant);

/// Records a denial, and counts it.
void deny(Agent& agent, const Asker& asker, std::string_view method, std::string_view object,
          const Error& error);

/// Tells the limiter of an authorisation that failed, and logs when this locks the caller out.
void note_failure(Agent& agent, const Caller& caller);

/// The ids of the workloads with these indices. The views live as long as the policy.
[[nodiscard]] std::vector<std::string_view> workload_ids(const Config& policy,
                                                         const std::vector<std::uint32_t>& indices);

}  // namespace attestd
