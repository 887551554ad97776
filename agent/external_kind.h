// ExternalKind: evidence appraised by a service on a Unix socket (attestd-plugin(7), POST
// /v1/appraise).
//
// The service is trusted with the verdict, as the socket's owner; its answer is read strictly all
// the same, and must speak of this evidence and this report data (verifier/stated_result.h).
#pragma once

#include "agent/http/unix_client.h"
#include "agent/verifier_kind.h"
#include "verifier/stated_result.h"

namespace attestd {

/// The answer of the service. Errc::bad_json and the other errors of JSON, Errc::bad_value,
/// Errc::bad_encoding; `name` is for error texts.
[[nodiscard]] Result<VerifierStatement> parse_statement(std::string_view text, std::string name);

class ExternalKind final : public VerifierKind {
 public:
    explicit ExternalKind(const VerifierConfig& config);

    [[nodiscard]] std::string_view name() const noexcept override { return "external"; }

    /// Besides what VerifierKind says: errors of UnixClient; Errc::unavailable when the service
    /// answers with another status than 200, in its words; errors of parse_statement().
    [[nodiscard]] Result<AttestationResult> appraise(const Evidence& evidence,
                                                     const Expectations& expected,
                                                     Time now) override;

 private:
    UnixClient client_;
    Millis timeout_;
    Grade grade_;
};

}  // namespace attestd
