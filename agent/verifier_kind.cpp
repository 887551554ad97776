#include "agent/verifier_kind.h"

#include "agent/external_kind.h"
#include "agent/local_kind.h"
#include "quote/base/digest.h"

namespace attestd {

ReportData session_report_data(ByteView nonce) {
    constexpr std::string_view kLabel("attestd session v1\0", 19);
    return sha512({as_bytes(kLabel), nonce});
}

Result<std::unique_ptr<VerifierKind>> make_verifier(const VerifierConfig& config) {
    switch (config.type) {
        case VerifierType::local:
            return LocalKind::make(config);
        case VerifierType::external:
            return std::make_unique<ExternalKind>(config);
    }
    return fail(Errc::bad_config, "verifier.type: unknown");
}

}  // namespace attestd
